"""``python -m hw.host --port P``: streams images to a board and prints what it answers."""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import numpy as np
from tqdm import tqdm

from hw import protocol
from hw.image import read_image
from hw.protocol import Status
from sw.cli import UserError, parser, run, table, write_json
from sw.data import load_images
from sw.encoder import LatencyEncoder
from sw.network import Network, find

__all__ = ["Line", "Session", "open_port"]

_DEFAULT = "mnist-512-192-10-t8"
_LATE = 0.05  # seconds; USB bridges hold bytes back for 16 ms at most, FTDI's latency timer

_FAULTS = {
    Status.READY: "its weights came in only now",
    Status.LOADING: "its weights are still coming in",
    Status.NO_IMAGE: "its flash is silent or holds no image of weights",
    Status.OTHER_NETWORK: "the weights that it found are not those of its bitstream",
    Status.DAMAGED: "its weights are damaged, their checksum is wrong",
}


class Line(Protocol):
    """What a session needs of a serial port; pyserial's ``Serial`` has it."""

    def write(self, data: bytes) -> int | None: ...

    def read(self, size: int) -> bytes: ...

    def send_break(self, duration: float) -> None: ...

    def reset_input_buffer(self) -> None: ...


def open_port(name: str, baud: int = protocol.BAUD, timeout: float = 2.0) -> Line:
    """Opens a serial port; a read waits ``timeout`` seconds at most.

    Raises
    ------
    UserError
        It is not there or not ours to use.
    """
    try:
        import serial
    except ImportError:
        raise UserError("pyserial is not installed; pip install pyserial") from None
    try:
        return serial.Serial(name, baud, timeout=timeout)
    except (serial.SerialException, ValueError, OSError) as error:
        number = getattr(error, "errno", None)  # its text names the port once more
        reason = os.strerror(number) if number else error
        raise UserError(
            f"port {name}: cannot be opened ({reason}); name another with --port"
        ) from None


class Session:
    """A conversation with a board that holds ``network``.

    Resets the board and asks who it is.

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
            line.send_break(0.01)
            time.sleep(_LATE)  # until all that the board said before the break has come
            line.reset_input_buffer()
            line.write(protocol.IDENTIFY)
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
        """Loads an image of weights (hw/image.py) into a board that has room for one.

        Raises
        ------
        UserError
            The board did not take it.
        """
        with self._connected():
            self._line.write(protocol.LOAD + content)
        reply = self._reply()
        if reply.cycles:
            raise UserError(f"{self._name}: the board has its weights built in; leave out --load")
        if reply.label != Status.READY:
            raise UserError(
                f"{self._name}: the board did not take the image ({_fault(reply)}); load it once "
                "more, and the bitstream beside it if that does not help"
            )

    def classify(self, images: np.ndarray) -> Iterator[protocol.Reply]:
        """The board's answers to ``images`` uint8 [B, height, width], one after the other.

        The next image is sent before the answer to this one is read: the line never idles. Raises
        :class:`UserError` if the board answers with a status.
        """
        shape = self._network.encoder.shape
        if images.dtype != np.uint8 or images.shape[1:] != shape:
            raise UserError(
                f"{self._network.name} takes uint8 images {shape}, not {images.dtype} "
                f"{images.shape[1:]}; name the data set it was trained on"
            )
        waiting = 0
        for image in images:
            with self._connected():
                self._line.write(protocol.IMAGE + image.tobytes())
            waiting += 1
            if waiting == 2:
                yield self._class()
                waiting -= 1
        for _ in range(waiting):
            yield self._class()

    def _class(self) -> protocol.Reply:
        reply = self._reply()
        if not reply.cycles:
            raise UserError(
                f"{self._name}: the board has no class for an image ({_fault(reply)}); write the "
                "flash as hw.build says, or load its image of weights with --load"
            )
        return reply

    def _reply(self) -> protocol.Reply:
        return protocol.parse(self._read(protocol.ANSWER.size))

    def _read(self, size: int) -> bytes:
        with self._connected():
            answer = self._line.read(size)
        if len(answer) < size:
            raise UserError(
                f"{self._name}: no answer ({len(answer)} of {size} bytes came); check the cable, "
                "the port and that the bitstream is loaded"
            )
        return answer

    @contextmanager
    def _connected(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:  # pyserial's own errors are of this kind
            raise UserError(f"{self._name}: connection lost ({error}); check the cable") from None


def _fault(reply: protocol.Reply) -> str:
    """What the board says in place of a class."""
    return _FAULTS.get(reply.label, f"status {reply.label}")


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    options = parser("Classify a data set's test images on a board.", data=True)
    options.add_argument("network", nargs="?", default=_DEFAULT, help="default: %(default)s")
    options.add_argument("--port", required=True, help="serial port, such as /dev/ttyUSB1")
    options.add_argument("--baud", type=int, default=protocol.BAUD, help="default: %(default)s")
    options.add_argument(
        "--timeout",
        type=float,
        default=2.0,
        metavar="SECONDS",
        help="longest wait for an answer (default: %(default)s)",
    )
    options.add_argument(
        "--load",
        type=Path,
        metavar="FILE",
        help="first load this image of weights, which hw.build wrote",
    )
    options.add_argument("--dataset", help="default: the one the network was trained on")
    options.add_argument("--images", type=int, metavar="N", help="only the first N test images")
    options.add_argument("--image", type=Path, metavar="FILE", help="one image, raw bytes, instead")
    args = options.parse_args(arguments)
    network = find(args.network)
    if not isinstance(network.encoder, LatencyEncoder):
        raise UserError(f"network {network.name!r} takes events; no board holds one")
    if args.images is not None and args.images < 1:
        raise UserError(f"--images must be at least 1, not {args.images}")
    if args.image:
        images, truth = _raw_image(args.image, network), None
    else:
        data = load_images(args.dataset or network.provenance["dataset"], args.data_dir)
        images, truth = data.test_images[: args.images], data.test_labels[: args.images]
    weights = read_image(args.load, network) if args.load else None
    session = Session(open_port(args.port, args.baud, args.timeout), network, name=args.port)
    if weights:
        session.load(weights)

    start = time.monotonic()
    bar = tqdm(session.classify(images), total=len(images), unit="image", disable=args.quiet)
    replies = list(bar)
    seconds = time.monotonic() - start
    if truth is None:
        figures = {**replies[0]._asdict(), "label": network.labels[replies[0].label]}
    else:
        labels = np.array([reply.label for reply in replies])
        figures = {
            "network": network.name,
            "images": len(images),
            "accuracy": float((labels == truth).mean()),
            "decision_step_mean": float(np.mean([reply.step + 1 for reply in replies])),
            "cycles_mean": float(np.mean([reply.cycles for reply in replies])),
            "cycles_max": int(max(reply.cycles for reply in replies)),
            "seconds": round(seconds, 3),
        }
    if args.json:
        write_json(args.json, figures)
    if not args.quiet:
        print(table(figures.items(), width=20))


def _raw_image(path: Path, network: Network) -> np.ndarray:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); name a file") from None
    shape = network.encoder.shape
    if len(content) != shape[0] * shape[1]:
        raise UserError(
            f"{path}: must be {shape[0]} × {shape[1]} bytes, one per pixel, not {len(content)}"
        )
    return np.frombuffer(content, np.uint8).reshape(1, *shape)


if __name__ == "__main__":
    run(main)
