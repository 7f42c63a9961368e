"""``python -m sim.board NETWORK``: simulates the netlist of the whole iCEBreaker, with a flash and
a host at its pins, and compares its answers with the golden model. With ``--pty`` it is a board in
a box: a simulated board behind a pseudo-terminal, for ``hw.host``.
"""

import argparse
import json
import shlex
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

from hw.boards.clock import check_clock
from hw.link import protocol
from hw.link.sending import commands, strictly_right
from hw.link.weight_image import pack
from hw.rtl.config import Config, config_for, engine_names
from hw.rtl.core import loaded_words
from sim import answers
from sim.cocotb_bench.board import COMMANDS, FLASH, REPLIES
from sim.cocotb_bench.testbench import simulate
from sim.verilator import box
from sim.verilator.board import BOARD, CLOCK, OPTIONS, TOP, board_sources
from sw.cli import UserError, exclusive, run, table, write_json
from sw.data.registry import load_for
from sw.encoder import Inputs
from sw.flags import link_file, megahertz, parser, positive_int
from sw.network import CODINGS, Network, find
from sw.selection import Selection

__all__ = ["Report", "replies"]

_IMAGES = 10  # unless told otherwise


@dataclass(frozen=True, kw_only=True)
class Report:
    """What the board answered, against the golden model.

    Parameters
    ----------
    board, network, engine : str
        Names of what was simulated.
    clock_mhz : float
        Of the board.
    images : int
        Images or recordings that were sent.
    mismatches : int
        Replies that differ from the golden model's.
    accuracy : float
        Share of the replies with the right class.
    cycles_mean : float
        Cycles per image, as the board counts them.
    seconds : float
        How long the simulation took, including compilation.
    """

    board: str
    network: str
    engine: str
    clock_mhz: float
    images: int
    mismatches: int
    accuracy: float
    cycles_mean: float
    seconds: float

    def to_dict(self) -> dict[str, object]:
        """As it is written in JSON."""
        return asdict(self)


def replies(
    network: Network,
    inputs: Inputs,
    config: Config,
    folder: Path,
    programs: Path,
    clock: int = CLOCK,
) -> list[protocol.Reply]:
    """What the board answers to ``inputs`` (images uint8 [B, height, width], or spikes) over its
    UART, after it has loaded its weights from its flash if the config does so; simulated in
    ``folder``, at ``clock`` Hz, by a model that is kept in ``programs``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    words = loaded_words(network, config)
    (folder / FLASH).write_bytes(b"" if words is None else pack(network, words))
    asked = [(each.kind, each.payload.hex()) for each in commands(network, inputs)]
    (folder / COMMANDS).write_text(
        json.dumps({"clock": clock, "commands": asked}), encoding="utf-8"
    )
    simulate(
        network,
        np.empty(0, np.uint8),
        tests="sim.cocotb_bench.board_answers",
        folder=folder,
        programs=programs,
        sources=board_sources(network, config, programs, clock),
        top=TOP,
        options=OPTIONS,
    )
    return [
        protocol.Reply(*each) for each in json.loads((folder / REPLIES).read_text(encoding="utf-8"))
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    options = parser(
        "Simulate a whole iCEBreaker, or be a board in a box for hw.host.",
        dataset="the one the network was trained on",
        build=True,
    )
    options.add_argument("network", help="path of a network file, or a name in the zoo")
    options.add_argument(
        "--images",
        metavar="N",
        type=positive_int,
        help=f"test images or recordings (default: {_IMAGES})",
    )
    options.add_argument("--engine", help=engine_names())
    options.add_argument(
        "--clock",
        metavar="MHZ",
        type=megahertz,
        help=f"clock; at the crystal's 12 MHz no PLL is used (default: {CLOCK / 1e6:g})",
    )
    options.add_argument(
        "--pty",
        action="store_true",
        help="a board in a box instead: be a serial port for hw.host, until Ctrl-C",
    )
    options.add_argument(
        "--port",
        metavar="PATH",
        type=link_file,
        help="with --pty: make PATH a link to the port, whose number differs each time",
    )
    args = options.parse_args(arguments)
    if args.port and not args.pty:
        raise UserError("--port: is a link to the port of --pty; leave it out, or add --pty")
    network = find(args.network, codings=CODINGS)
    config = config_for(network, args.engine)
    if args.pty:
        _serve(network, config, args)
        return 0
    clock = check_clock(BOARD, args.clock or CLOCK)
    inputs, labels = load_for(network, Selection.of(args), args.images or _IMAGES)
    begun = time.monotonic()
    folder = args.build_dir / "board" / f"{network.file_name}-{config.name}"
    try:
        with exclusive(folder):
            got = replies(network, inputs, config, folder, args.build_dir / "verify", clock)
    except RuntimeError as error:
        raise UserError(f"the board does not answer: {error}") from None
    answer = answers.run_inputs(network, inputs)
    expected = zip(answer.label, answer.step, answer.margin, strict=True)
    same = [
        reply.cycles > 0 and (reply.label, reply.step, reply.margin) == right
        for reply, right in zip(got, expected, strict=True)
    ]
    report = Report(
        board=BOARD.name,
        network=network.name,
        engine=config.name,
        clock_mhz=clock / 1e6,
        images=len(labels),
        mismatches=same.count(False),
        accuracy=float(strictly_right(network, got, labels).mean()),
        cycles_mean=float(np.mean([reply.cycles for reply in got])),
        seconds=round(time.monotonic() - begun, 1),
    )
    if args.json:
        write_json(args.json, report)
    if not args.quiet:
        print(table(report.to_dict().items()))
    return 1 if report.mismatches else 0


def _serve(network: Network, config: Config, args: argparse.Namespace) -> None:
    """Is a board in a box until Ctrl-C."""
    data = (field.name for field in fields(Selection))
    for flag in (*data, "images", "clock", "json"):
        if getattr(args, flag) is not None:
            name = flag.replace("_", "-")
            raise UserError(f"--{name}: says nothing to a board in a box; leave out it or --pty")
    made = box.Box.build(network, config, args.build_dir / "verify")
    with made.running() as (terminal, process), box.linked(args.port, terminal):
        if not args.quiet:
            port = str(args.port or terminal)
            command = shlex.join(["python", "-m", "hw.host", args.network, "--port", port])
            print(f"{network.name} answers at {port}, until Ctrl-C:\n  {command}", flush=True)
        status = process.wait()
    raise UserError(f"{made.program}: ended with exit status {status}; remove it and start again")


if __name__ == "__main__":
    run(main)
