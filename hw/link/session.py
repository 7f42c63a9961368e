"""A host's conversation with a board over a serial line (docs/protocol.md)."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol

from hw.link import protocol
from hw.link.protocol import Command, Fault, Frame, Kind, Reply, Status
from hw.link.sending import commands
from sw.cli import UserError
from sw.encoder import Inputs
from sw.network import Network

__all__ = ["Line", "Session"]

_LATE = 0.05  # seconds; USB bridges hold bytes back for 16 ms at most, FTDI's latency timer
_SILENCE = 2 * protocol.TIMEOUT + _LATE  # seconds after which a board expects a frame in any case
_PIECE = 256  # bytes per write, so that none takes as long as a time-out
_ATTEMPTS = 5  # to get one frame across
_VERSION_1 = b"1SPK"  # how a board without frames begins its identification

_CABLE = "check the cable and --baud, and that nothing else uses the port"
_LOAD = "program the flash as hw.build says, or load its weight image with --load"
_REASONS: dict[int, tuple[str, str]] = {
    Status.READY: ("it began before the weights were loaded", _LOAD),
    Status.LOADING: ("the weights are still loading", _LOAD),
    Status.NO_IMAGE: ("the flash does not respond, or there is no weight image", _LOAD),
    Status.OTHER_NETWORK: ("the weight image is not for the board's bitstream", _LOAD),
    Status.DAMAGED: ("the weight image is damaged, its checksum is wrong", _LOAD),
    Fault.RULES: ("too many spikes, or not in time order", "send fewer events"),
    Fault.OVERRUN: (
        "inputs came faster than the board accepts them",
        "build it for a faster --clock, or with another --engine",
    ),
}


def _reason(status: int) -> tuple[str, str]:
    """What a board reports, and what may help."""
    return _REASONS.get(status, (f"status {status}", _CABLE))


class Line(Protocol):
    """The interface of a serial port that a session uses; pyserial's ``Serial`` has it."""

    def write(self, data: bytes) -> int | None: ...

    def read(self, size: int) -> bytes: ...

    def reset_input_buffer(self) -> None: ...

    def reset_output_buffer(self) -> None: ...

    @property
    def in_waiting(self) -> int: ...


class _LostError(Exception):
    """A frame or its reply was lost. The message says how; perhaps a remedy follows."""

    def __init__(self, message: str, remedy: str = _CABLE):
        super().__init__(message)
        self.remedy = remedy


class _SilentError(_LostError):
    """Nothing came at all."""


class Session:
    """A conversation with a board that holds ``network``.

    Waits until the board has dropped what an earlier host left half sent, and asks for its
    identity. What is lost or damaged on the line is sent again.

    Parameters
    ----------
    line : Line
        Its reads and writes end after a time-out.
    network : Network
    name : str
        What messages call it.
    sleep : function
        Lets so many seconds pass.

    Attributes
    ----------
    losses : int
        How often frames had to be sent again.

    Raises
    ------
    UserError
        The board does not answer, speaks another version of the protocol, or holds another network.
    """

    def __init__(
        self,
        line: Line,
        network: Network,
        *,
        name: str = "port",
        sleep: Callable[[float], None] = time.sleep,
    ):
        self._line = line
        self._network = network
        self._name = name
        self._sleep = sleep
        self._sequence = protocol.SEQUENCES - 2  # so that a board without frames knows the query
        self._has_answered = False
        self.losses = 0
        with self._connected():
            line.reset_output_buffer()
        self._loads, self._in_flight = self._identify()

    def load(self, content: bytes) -> None:
        """Loads a weight image (hw/link/weight_image.py) into a board that takes one.

        Raises
        ------
        UserError
            The board rejected it.
        """
        if not self._loads:
            raise UserError(f"{self._name}: the board has its weights built in; leave out --load")
        for _ in self._replies([Command(Kind.LOAD, content)]):
            pass

    def classify(self, inputs: Inputs) -> Iterator[Reply]:
        """The board's answers to ``inputs``, as :func:`commands` takes them, one after the other.

        The next input is sent before the answer to this one is read, if the board takes it: then
        the line never idles.

        Raises
        ------
        UserError
            The board answers with a status or fault, or with an impossible class; or what is sent
            is lost each time.
        """
        for frame in self._replies(commands(self._network, inputs)):
            reply = Reply(*protocol.CLASS.unpack(frame.payload))
            classes, steps = len(self._network.labels), self._network.latency
            if not (reply.label < classes and reply.step < steps):
                raise UserError(
                    f"{self._name}: the board answers class {reply.label} of {classes} in step "
                    f"{reply.step} of {steps}, which is impossible; load its bitstream again"
                )
            yield reply
        with self._connected():
            self._sleep(_LATE)
            more = self._line.in_waiting
        if more:  # nothing was due, so something is wrong with the line
            self.losses += 1
            self._identify()

    def _replies(self, asked: Iterable[Command]) -> Iterator[Frame]:
        """The reply to each command; again those that are lost."""
        to_ask = iter(asked)
        waiting: deque[tuple[int, Command]] = deque()
        attempts = 0
        while True:
            while len(waiting) < self._in_flight and (command := next(to_ask, None)):
                waiting.append((self._send(command), command))
            if not waiting:
                return
            sequence, command = waiting[0]
            try:
                reply = self._expect(sequence, command)
            except _LostError as loss:
                attempts += 1
                self.losses += 1
                if attempts == _ATTEMPTS:
                    raise UserError(
                        f"{self._name}: {attempts} times in a row: {loss}; {loss.remedy}"
                    ) from None
                self._identify()
                waiting = deque((self._send(command), command) for _, command in waiting)
                continue
            waiting.popleft()
            attempts = 0
            yield reply

    def _expect(self, sequence: int, command: Command) -> Frame:
        """The reply to a command. Raises :class:`_LostError`."""
        reply = self._receive()
        if reply.kind == Kind.DAMAGED:
            raise _LostError("the board received a damaged frame")
        if reply.kind == Kind.REFUSED:
            raise _LostError(*_reason(reply.payload[0]))
        if reply.sequence != sequence:
            raise _LostError("a frame or its reply was lost")
        if reply.kind == Kind.STATUS:
            self._check_status(reply.payload[0], command.kind)
        if reply.kind != (Kind.STATUS if command.kind == Kind.LOAD else Kind.CLASS):
            raise _LostError(f"the board answered with {reply.kind.name.lower()}")
        return reply

    def _check_status(self, status: int, kind: Kind) -> None:
        """Raises :class:`_LostError` if it is a weight image's and not READY, and
        :class:`UserError` if it is an input's.
        """
        fault, remedy = _reason(status)
        if kind != Kind.LOAD:
            raise UserError(f"{self._name}: the board has no class for an input: {fault}; {remedy}")
        if status != Status.READY:
            raise _LostError(fault, remedy)

    def _identify(self) -> tuple[bool, int]:
        """Waits until the board listens, and asks who it is; returns whether it loads weights, and
        how many frames may be in flight.
        """
        may_be_late = self._has_answered  # once; a port where nothing ever answers is told of soon
        for attempt in range(1, _ATTEMPTS + 1):
            with self._connected():
                self._sleep(_SILENCE)  # also until all earlier replies have come
                self._line.reset_input_buffer()
            sequence = self._send(Command(Kind.QUERY))
            try:
                reply = self._receive()
            except _SilentError:
                if may_be_late:
                    may_be_late = False
                    self.losses += 1
                    continue
                raise UserError(
                    f"{self._name}: no answer; check that the bitstream is loaded, that this is "
                    "the port of the board's UART (boards with two ports have it at the second), "
                    "the cable and --baud"
                ) from None
            except _LostError as loss:
                self.losses += 1
                if attempt == _ATTEMPTS:
                    raise UserError(
                        f"{self._name}: {loss}, which is not this accelerator; name another "
                        f"--port, load the bitstream, or {_CABLE}"
                    ) from None
                continue
            if (reply.kind, reply.sequence) == (Kind.IDENTITY, sequence):
                self._has_answered = True
                return self._check_identity(reply.payload)
            self.losses += 1
        raise UserError(f"{self._name}: the board received no query undamaged; {_CABLE}")

    def _check_identity(self, payload: bytes) -> tuple[bool, int]:
        network, version, loads, alone = protocol.IDENTITY.unpack(payload)
        self._check_version(version)
        expected, *_ = protocol.IDENTITY.unpack(protocol.identity(self._network.sha256))
        if network != expected:
            raise UserError(
                f"{self._name}: the board holds network {network.hex()}…, not "
                f"{self._network.name} ({expected.hex()}…); name its network, or load the bitstream"
            )
        return bool(loads), 1 if alone else protocol.IN_FLIGHT

    def _check_version(self, version: int) -> None:
        if version != protocol.VERSION:
            raise UserError(
                f"{self._name}: the board speaks version {version} of the protocol, not "
                f"{protocol.VERSION}; build its bitstream again, or take the host of its version"
            )

    def _send(self, command: Command) -> int:
        """Sends a frame; returns its sequence number."""
        self._sequence = (self._sequence + 1) % protocol.SEQUENCES
        content = protocol.frame(command, self._sequence)
        with self._connected():
            for start in range(0, len(content), _PIECE):
                self._line.write(content[start : start + _PIECE])
        return self._sequence

    def _receive(self) -> Frame:
        """The next reply. Raises :class:`_LostError`."""
        with self._connected():
            content = self._line.read(protocol.REPLY_SIZE)
        reply = protocol.parse(content)
        if reply:
            return reply
        if not content:
            raise _SilentError("no answer came")
        if content.startswith(_VERSION_1):
            self._check_version(1)
        raise _LostError(f"it answers {content.hex()}")

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
