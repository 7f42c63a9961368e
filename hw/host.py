"""``python -m hw.host``: streams images or recordings of events to a board, and compares its
answers with the labels and the golden model. ``--find`` lists the ports where a board may be.
"""

import argparse
import errno
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from tqdm import tqdm

from hw.boards.ports import find_ports, only_port
from hw.link import protocol
from hw.link.sending import strictly_right
from hw.link.session import Line, Session
from hw.link.weight_image import read_image
from sim import answers
from sw.cli import UserError, run, table, write_json
from sw.data.registry import load_for
from sw.encoder import ImageEncoder, Inputs
from sw.flags import input_file, parser, positive_int, seconds
from sw.network import CODINGS, Network, find
from sw.selection import Selection

__all__ = ["Line", "Session", "open_port"]

_DEFAULT = "mnist-512-192-10-t8"


def open_port(name: str, baud: int = protocol.BAUD, timeout: float = 2.0) -> Line:
    """Opens a serial port; a read or a write waits ``timeout`` seconds at most.

    Raises
    ------
    UserError
        It does not exist or cannot be opened.
    """
    try:
        import serial
    except ImportError:
        raise UserError("pyserial is not installed; pip install pyserial") from None
    try:
        return serial.Serial(name, baud, timeout=timeout, write_timeout=timeout)
    except (serial.SerialException, ValueError, OSError) as error:
        number = getattr(error, "errno", None)  # its text names the port once more
        reason = os.strerror(number) if number else error
        remedy = "name another with --port"
        if number == errno.EACCES:
            remedy = f"join its group (sudo usermod -aG {Path(name).group()} $USER), log in again"
        raise UserError(f"port {name}: cannot be opened ({reason}); {remedy}") from None


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    options = parser(
        "Classify a data set's test images or recordings on a board.",
        dataset="the one the network was trained on",
    )
    options.add_argument("network", nargs="?", default=_DEFAULT, help="default: %(default)s")
    place = options.add_mutually_exclusive_group()
    place.add_argument(
        "--port", help="serial port, such as /dev/ttyUSB1 (default: that of the only board)"
    )
    place.add_argument(
        "--find", action="store_true", help="only list the ports where a board may be"
    )
    options.add_argument(
        "--baud", type=positive_int, default=protocol.BAUD, help="default: %(default)s"
    )
    options.add_argument(
        "--timeout",
        type=seconds,
        default=2.0,
        metavar="SECONDS",
        help="longest wait for an answer, or to send (default: %(default)s)",
    )
    options.add_argument(
        "--load",
        type=input_file,
        metavar="FILE",
        help="first load this weight image, which hw.build wrote",
    )
    options.add_argument(
        "--images",
        type=positive_int,
        metavar="N",
        help="only the first N test images or recordings",
    )
    options.add_argument(
        "--image", type=input_file, metavar="FILE", help="one image, raw bytes, instead"
    )
    args = options.parse_args(arguments)
    if args.find:
        _list_ports(args)
        return 0
    if args.image and (args.images or args.dataset):
        raise UserError("--image: is all that is sent; leave out --images and --dataset")
    network = find(args.network, codings=CODINGS)
    port = args.port or _only_port(quiet=args.quiet)
    inputs: Inputs
    if args.image:
        inputs, truth = _raw_image(args.image, network), None
    else:
        inputs, truth = load_for(network, Selection.of(args), args.images)
    weights = read_image(args.load, network) if args.load else None
    session = Session(open_port(port, args.baud, args.timeout), network, name=port)
    if weights:
        session.load(weights)

    start = time.monotonic()
    count = 1 if truth is None else len(truth)
    bar = tqdm(session.classify(inputs), total=count, unit="image", disable=args.quiet)
    replies = list(bar)
    took = time.monotonic() - start
    mismatches = _mismatches(network, inputs, replies)
    if truth is None:
        figures = {**replies[0]._asdict(), "label": network.labels[replies[0].label]}
        figures["mismatches"] = mismatches
    else:
        figures = {
            "network": network.name,
            "images": count,
            "mismatches": mismatches,
            "accuracy": float(strictly_right(network, replies, truth).mean()),
            "decision_step_mean": float(np.mean([reply.step + 1 for reply in replies])),
            "cycles_mean": float(np.mean([reply.cycles for reply in replies])),
            "cycles_max": int(max(reply.cycles for reply in replies)),
            "losses": session.losses,
            "seconds": round(took, 3),
        }
    if args.json:
        write_json(args.json, figures)
    if not args.quiet:
        print(table(figures.items(), width=20))
    return 1 if mismatches else 0


def _list_ports(args: argparse.Namespace) -> None:
    found = find_ports()
    if args.json:
        write_json(args.json, {"ports": [asdict(port) for port in found]})
    if not args.quiet:
        print("\n".join(map(str, found)))
        if len(found) > 1:
            print("name one with --port")


def _only_port(*, quiet: bool) -> str:
    port = only_port()
    if not quiet:
        print(port, file=sys.stderr)
    return port.device


def _mismatches(network: Network, inputs: Inputs, replies: Sequence[protocol.Reply]) -> int:
    """How many answers differ from the golden model's."""
    answer = answers.run_inputs(network, inputs)
    expected = zip(answer.label, answer.step, answer.margin, strict=True)
    got = ((reply.label, reply.step, reply.margin) for reply in replies)
    return sum(a != b for a, b in zip(got, expected, strict=True))


def _raw_image(path: Path, network: Network) -> np.ndarray:
    if not isinstance(network.encoder, ImageEncoder):
        raise UserError(f"network {network.name!r} takes events; leave out --image")
    shape, pixels = network.encoder.image_shape, network.encoder.pixels
    try:
        with path.open("rb") as file:
            content = file.read(pixels + 1)  # no more, whatever it is
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); name a file") from None
    if len(content) != pixels:
        found = "more" if len(content) > pixels else len(content)
        raise UserError(
            f"{path}: must be {' × '.join(map(str, shape))} bytes, one per pixel"
            f"{' and channel' if len(shape) == 3 else ''}, not {found}"
        )
    return np.frombuffer(content, np.uint8).reshape(1, *shape)


if __name__ == "__main__":
    run(main)
