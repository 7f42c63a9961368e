"""``python -m hw.calibrate``: synthesises and packs a range of designs, to fit the estimate to it.

Writes tests/hw/explore/built.json: for each design its board, logic cells and block RAMs as the
tools count them, and a digest of what they were given; then prints the coefficients for
hw/explore/resources.py. To be run when a block changes. The file is written after each design, and
a design whose digest is the same is not built again.
"""

import hashlib
import json
import tempfile
from collections.abc import Iterable, Sequence
from itertools import pairwise, product
from pathlib import Path
from typing import NamedTuple

import numpy as np
from amaranth.build.run import BuildPlan

from hw.boards.families import Family
from hw.boards.table import Board, find_board
from hw.explore.resources import need, shortage
from hw.flow.bitstream import commands, plan, used_cells
from hw.flow.tools import run_tool, tool_version
from hw.rtl.config import find_config
from sw.cli import UserError, atomic_path, run
from sw.encoder import EventsEncoder, LatencyEncoder
from sw.flags import output_file, parser
from sw.network import PROVENANCE, Layer, Network

__all__ = ["DESIGNS", "Design", "design_network", "fitted"]


class Design(NamedTuple):
    """A network with random weights; ``chosen`` pixels are its inputs, 0 means all. ``engine`` as
    :func:`hw.rtl.config.find_config` takes it. With ``events`` each pixel is a channel of events.
    """

    shape: tuple[int, int]
    layers: tuple[int, ...]
    steps: int
    pool: int = 1
    chosen: int = 0
    engine: str = "event"
    events: bool = False


DESIGNS = (
    Design((8, 8), (48, 10), 16),
    Design((8, 8), (192, 10), 16),
    Design((8, 8), (32, 16, 10), 16),
    Design((8, 8), (24, 10), 256),
    Design((8, 8), (20, 2), 2),
    Design((12, 12), (150, 4), 1),
    Design((16, 16), (10,), 16),
    Design((16, 16), (256, 10), 8),
    Design((20, 20), (64, 64, 10), 8),
    Design((28, 28), (64, 10), 8, chosen=256),
    Design((28, 28), (128, 10), 4, chosen=256),
    Design((28, 28), (192, 10), 8, chosen=512),
    Design((28, 28), (100, 10), 32, pool=2),
    Design((28, 28), (40, 26), 64, pool=4),
    Design((16, 16), (100, 10), 8, engine="event-2"),
    Design((28, 28), (128, 10), 8, chosen=512, engine="event-2,event"),
    Design((16, 32), (64, 32, 10), 8, engine="event-2"),
    Design((8, 8), (72, 10), 16, engine="event-4,event-2"),
    Design((16, 16), (48, 10), 8, engine="event-4"),
    Design((8, 8), (64, 10), 16, engine="event,popcount"),
    Design((8, 8), (24, 10), 16, engine="popcount-8,event"),
    Design((12, 12), (64, 10), 8, engine="folded-8,event"),
    Design((12, 12), (96, 10), 8, engine="folded-16,event"),
    Design((12, 12), (300, 10), 8, engine="folded-16,event"),
    Design((8, 8), (600, 10), 8, engine="folded-32,event"),
    Design((16, 16), (40, 10), 128),
    Design((20, 20), (60, 10), 64, pool=2),
    Design((16, 16), (80, 10), 8, engine="event-4,event-4"),
    Design((12, 12), (32, 10), 8, engine="popcount-16,event"),
    Design((16, 16), (96, 10), 8, engine="event,popcount-16"),
    Design((16, 16), (150, 10), 8, engine="folded-16-spram,event"),
    Design((28, 28), (600, 10), 8, engine="folded-32-spram,event"),
    Design((28, 28), (600, 10), 8),
    Design((8, 8), (48, 10), 16, events=True),
    Design((8, 8), (32, 16, 10), 64, events=True),
    Design((25, 28), (64, 10), 16, events=True),
)
_BOARDS = ("icebreaker", "ulx3s", "tangnano9k")  # one of each family


def design_network(design: Design) -> Network:
    """The design's network; the same design always gives the same one."""
    rng = np.random.default_rng(0)
    pooled = design.shape[0] * design.shape[1] // design.pool**2
    chosen = np.sort(rng.choice(pooled, design.chosen, replace=False)).tolist()
    encoder = EventsEncoder(channels=pooled)
    if not design.events:
        encoder = LatencyEncoder(
            shape=design.shape,
            pool=design.pool,
            silent_below=16,
            select=tuple(chosen) if chosen else None,
        )
    layers = []
    for inputs, outputs in pairwise((encoder.inputs, *design.layers)):
        weight = rng.random((outputs, inputs)) < 0.5
        threshold = rng.integers(1, max(3, int(2 * inputs**0.5)), outputs).astype(np.int32)
        layers.append(Layer(weight=weight, threshold=threshold))
    sizes = "-".join(map(str, (encoder.inputs, *design.layers)))
    return Network(
        name=f"random-{sizes}-t{design.steps}",
        steps=design.steps,
        encoder=encoder,
        layers=tuple(layers),
        labels=tuple(map(str, range(design.layers[-1]))),
        provenance=dict.fromkeys(PROVENANCE),
    )


def fitted(rows: Iterable[Sequence], family: Family) -> tuple[float, ...]:
    """Logic cells per amount of :class:`hw.explore.resources.Need`: least squares of the relative
    errors, none below 0, over the ``rows`` (board, design, cells, …) of one family.
    """
    from scipy.optimize import nnls

    shares = []
    for board, index, cells, *_ in rows:
        if find_board(board).family == family:
            design = DESIGNS[index]
            what = need(design_network(design), find_config(design.engine))
            shares.append([amount / cells for amount in what.amounts()])
    coefficients, _ = nnls(np.array(shares), np.ones(len(shares)))
    return tuple(round(float(each), 2) for each in coefficients)


def _built(the_plan: BuildPlan, board: Board) -> tuple[int, int]:
    """Logic cells and block RAMs after synthesis and packing; placing would not change them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        the_plan.extract(folder)
        run_tool("yosys", ["-q", "-l", "top.rpt", "top.ys"], cwd=folder, log=folder / "log")
        _, (tool, *arguments), _ = commands(the_plan)
        run_tool(tool, _pack_only(arguments, board.family), cwd=folder, log=folder / "log")
        text = (folder / "log").read_text()
    return used_cells(text, board.family)[:2]


def _pack_only(arguments: Sequence[str], family: Family) -> list[str]:
    """The command line of place and route, cut to stop after packing: it writes no design."""
    result, rest = ["--pack-only"], iter(arguments)
    for argument in rest:
        if argument in family.outputs:
            next(rest)
        elif argument != "--quiet":  # the table of utilisation is wanted
            result.append(argument)
    return result


def _kept(path: Path) -> dict[tuple[str, int], list]:
    """The rows of an earlier run, by board and design; none if there is no such file."""
    try:
        rows = json.loads(path.read_text())["built"]
    except (OSError, ValueError, KeyError):
        return {}
    return {(board, index): [board, index, *rest] for board, index, *rest in rows}


def _write(path: Path, tools: dict[str, str], rows: dict[tuple[str, int], list]) -> None:
    """The rows of boards and designs that there still are, in their order."""
    keys = [(board, index) for board in _BOARDS for index in range(len(DESIGNS))]
    body = ",\n".join(f"    {json.dumps(rows[key])}" for key in keys if key in rows)
    with atomic_path(path) as temporary:
        temporary.write_text(
            f'{{\n  "tools": {json.dumps(tools)},\n  "built": [\n{body}\n  ]\n}}\n'
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    options = parser("Synthesise a range of designs and compare the estimate.")
    options.add_argument(
        "--out", type=output_file, default=Path("tests/hw/explore/built.json"), metavar="FILE"
    )
    args = options.parse_args(arguments)
    if not args.out.parent.is_dir():  # as from outside of a clone
        raise UserError(f"{args.out.parent}: no such folder; name a file in one with --out")
    families = [find_board(board).family for board in _BOARDS]
    names = dict.fromkeys(tool for family in families for tool in (family.synthesis, family.route))
    tools = {tool: tool_version(tool) for tool in names}
    rows = _kept(args.out)
    for board, (index, design) in product(map(find_board, _BOARDS), enumerate(DESIGNS)):
        network, config = design_network(design), find_config(design.engine)
        what = need(network, config)
        if shortage(what, board):
            rows.pop((board.name, index), None)
            continue  # a small board builds those that fit
        the_plan = plan(network, board, config=config)
        digest = hashlib.sha256(the_plan.digest() + json.dumps(tools).encode()).hexdigest()[:16]
        if rows.get((board.name, index), [None])[-1] != digest:
            rows[board.name, index] = [board.name, index, *_built(the_plan, board), digest]
            _write(args.out, tools, rows)
        cells, memories = rows[board.name, index][2:4]
        guess = what.logic_cells(board.family)
        if not args.quiet:
            print(
                f"{board.name:12}{network.name:28}{config.name:24}{cells:6}{guess:6}"
                f"{guess / cells - 1:+7.1%}{memories:4}{what.block_rams(board.family):4}",
                flush=True,
            )
    if not args.quiet:
        for family in families:
            print(f"{family.name:12}{fitted(rows.values(), family)}")


if __name__ == "__main__":
    run(main)
