"""``python -m hw.host``: streams images or recordings of events to a board, and compares its
answers with the labels and the golden model. ``--find`` lists the ports where a board may be.
"""

import argparse
import errno
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Protocol

import numpy as np
from tqdm import tqdm

from hw.boards.ports import find_ports, only_port
from hw.link import protocol
from hw.link.protocol import Fault, Status
from hw.link.sending import commands
from hw.link.weight_image import read_image
from sim import golden
from sw.cli import UserError, run, table, write_json
from sw.data.registry import load_for
from sw.encoder import Inputs, LatencyEncoder
from sw.flags import input_file, parser, positive_int, seconds
from sw.network import Network, find
from sw.selection import Selection

__all__ = ["Line", "Session", "open_port"]

_DEFAULT = "mnist-512-192-10-t8"
_LATE = 0.05  # seconds; USB bridges hold bytes back for 16 ms at most, FTDI's latency timer
_SILENCE = 2 * protocol.TIMEOUT + _LATE  # seconds after which a board expects a command in any case
_PIECE = 256  # bytes per write, so that none takes as long as a time-out

_FAULTS: dict[int, str] = {
    Status.READY: "the input began before its weights were loaded",
    Status.LOADING: "its weights are still loading",
    Status.NO_IMAGE: "its flash does not respond or holds no weight image",
    Status.OTHER_NETWORK: "its weight image is not for its bitstream",
    Status.DAMAGED: "its weight image is damaged, the checksum is wrong",
    Fault.RULES: "too many events, or some were damaged on the line",
    Fault.OVERRUN: "events came faster than the board accepts them",
}
_LOAD = "program the flash as hw.build says, or load its weight image with --load"
_REMEDIES: dict[int, str] = {
    Fault.RULES: "send fewer events, or check the cable",
    Fault.OVERRUN: "build it for a faster --clock, or with another --engine",
}


class Line(Protocol):
    """The interface of a serial port that a session uses; pyserial's ``Serial`` has it."""

    def write(self, data: bytes) -> int | None: ...

    def read(self, size: int) -> bytes: ...

    def send_break(self, duration: float) -> None: ...

    def reset_input_buffer(self) -> None: ...

    def reset_output_buffer(self) -> None: ...

    @property
    def in_waiting(self) -> int: ...


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


class Session:
    """A conversation with a board that holds ``network``.

    Resets the board by a break, and waits for its time-out in case there was none: then it drops
    what an earlier host left half sent. Asks for its identification.

    Attributes
    ----------
    sends_break : bool
        False if the serial adapter refuses to; one that only pretends to goes unnoticed.

    Raises
    ------
    UserError
        The board does not answer, or holds another network.
    """

    def __init__(self, line: Line, network: Network, *, name: str = "port"):
        self._line = line
        self._network = network
        self._name = name
        with self._connected():
            line.reset_output_buffer()
            self.sends_break = _send_break(line)
            time.sleep(_SILENCE)  # also until all earlier answers have come
            line.reset_input_buffer()
        self._write(protocol.IDENTIFY)
        expected = protocol.identity(network.sha256)
        answer = self._read(len(expected))
        if not answer.startswith(protocol.MAGIC):
            raise UserError(
                f"{name}: answers {answer.hex()}, which is not this accelerator; name another "
                "--port, or load the bitstream"
            )
        if answer != expected:
            raise UserError(
                f"{name}: the board holds network {answer[4:].hex()}…, not {network.name} "
                f"({expected[4:].hex()}…); name its network, or load the bitstream"
            )

    def load(self, content: bytes) -> None:
        """Loads a weight image (hw/link/weight_image.py) into a board that takes one.

        Raises
        ------
        UserError
            The board rejected it.
        """
        self._write(protocol.LOAD + content)
        reply = self._reply()
        if reply.cycles:
            raise UserError(f"{self._name}: the board has its weights built in; leave out --load")
        if reply.label != Status.READY:
            raise UserError(
                f"{self._name}: the board rejected the weight image ({_fault(reply)}); load it "
                "once more, and the bitstream beside it if that does not help"
            )

    def classify(self, inputs: Inputs) -> Iterator[protocol.Reply]:
        """The board's answers to ``inputs``, as :func:`commands` takes them, one after the other.

        The next input is sent before the answer to this one is read: the line never idles.

        Raises
        ------
        UserError
            The board answers with a status or fault, an impossible answer, or too many bytes.
        """
        waiting = 0
        for command in commands(self._network, inputs):
            self._write(command)
            waiting += 1
            if waiting == 2:
                yield self._class()
                waiting -= 1
        for _ in range(waiting):
            yield self._class()
        with self._connected():
            time.sleep(_LATE)
            more = self._line.in_waiting
        if more:
            raise UserError(
                f"{self._name}: {more} more bytes came than the answers have, so answers may be "
                "wrong; check the cable and --baud, and that nothing else uses the port"
            )

    def _class(self) -> protocol.Reply:
        reply = self._reply()
        classes, steps = len(self._network.labels), self._network.steps
        if reply.cycles and not (reply.label < classes and reply.step < steps):
            raise UserError(
                f"{self._name}: the board answers class {reply.label} of {classes} in step "
                f"{reply.step} of {steps}, which is impossible: bytes were lost or damaged; check "
                "the cable and --baud, then start again"
            )
        if not reply.cycles:
            what = "an inference" if reply.label in _REMEDIES else "an image"
            raise UserError(
                f"{self._name}: the board has no class for {what} ({_fault(reply)}); "
                + _REMEDIES.get(reply.label, _LOAD)
            )
        return reply

    def _write(self, content: bytes) -> None:
        with self._connected():
            for start in range(0, len(content), _PIECE):
                self._line.write(content[start : start + _PIECE])

    def _reply(self) -> protocol.Reply:
        return protocol.parse(self._read(protocol.ANSWER.size))

    def _read(self, size: int) -> bytes:
        with self._connected():
            answer = self._line.read(size)
        if len(answer) < size:
            raise UserError(
                f"{self._name}: no answer ({len(answer)} of {size} bytes came); check that the "
                "bitstream is loaded, that this is the port of the board's UART (boards with two "
                "ports have it at the second), the cable and --baud"
            )
        return answer

    @contextmanager
    def _connected(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:  # pyserial's own errors are of this kind
            if type(error).__name__ == "SerialTimeoutException":
                raise UserError(
                    f"{self._name}: accepts no bytes; check that this is the port of the board's "
                    "UART, or give it longer with --timeout"
                ) from None
            raise UserError(f"{self._name}: connection lost ({error}); check the cable") from None


def _send_break(line: Line) -> bool:
    """Whether the adapter did not refuse."""
    try:
        line.send_break(0.01)
    except Exception:  # of pyserial, the operating system or termios
        return False
    return True


def _fault(reply: protocol.Reply) -> str:
    """The fault that the board reports in place of a class."""
    return _FAULTS.get(reply.label, f"status {reply.label}")


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
    network = find(args.network)
    port = args.port or _only_port(quiet=args.quiet)
    inputs: Inputs
    if args.image:
        inputs, truth = _raw_image(args.image, network), None
    else:
        inputs, truth = load_for(network, Selection.of(args), args.images)
    weights = read_image(args.load, network) if args.load else None
    session = Session(open_port(port, args.baud, args.timeout), network, name=port)
    if not (session.sends_break or args.quiet):
        print(
            f"{port}: the adapter sends no break; the board's time-out does as well",
            file=sys.stderr,
        )
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
        labels = np.array([reply.label for reply in replies])
        figures = {
            "network": network.name,
            "images": count,
            "mismatches": mismatches,
            "accuracy": float((labels == truth).mean()),
            "decision_step_mean": float(np.mean([reply.step + 1 for reply in replies])),
            "cycles_mean": float(np.mean([reply.cycles for reply in replies])),
            "cycles_max": int(max(reply.cycles for reply in replies)),
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
    answer = golden.run_inputs(network, inputs)
    expected = zip(answer.label, answer.step, answer.margin, strict=True)
    got = ((reply.label, reply.step, reply.margin) for reply in replies)
    return sum(a != b for a, b in zip(got, expected, strict=True))


def _raw_image(path: Path, network: Network) -> np.ndarray:
    if not isinstance(network.encoder, LatencyEncoder):
        raise UserError(f"network {network.name!r} takes events; leave out --image")
    shape, pixels = network.encoder.shape, network.encoder.pixels
    try:
        with path.open("rb") as file:
            content = file.read(pixels + 1)  # no more, whatever it is
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); name a file") from None
    if len(content) != pixels:
        found = "more" if len(content) > pixels else len(content)
        raise UserError(
            f"{path}: must be {shape[0]} × {shape[1]} bytes, one per pixel, not {found}"
        )
    return np.frombuffer(content, np.uint8).reshape(1, *shape)


if __name__ == "__main__":
    run(main)
