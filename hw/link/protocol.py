"""The frames between host and board: the one description that gateware and host program share.

docs/protocol.md explains it, with a host in C. Line: 8 data bits, no parity, 1 stop bit. All
numbers are little-endian.

A frame is a byte with a :class:`Kind` in its upper and a sequence number in its lower half, a
payload whose size follows from the kind, and :data:`CHECKSUM`: CRC-32 (that of zip, ISO-HDLC) of
all before it.

Plain Python, so that the host needs no hardware library.
"""

import zlib
from collections.abc import Iterable
from enum import IntEnum
from typing import NamedTuple

from hw.link.record import Record

__all__ = [
    "BAUD",
    "BODY",
    "CHECKSUM",
    "CLASS",
    "END",
    "IDENTITY",
    "IN_FLIGHT",
    "ITEM",
    "REPLY_SIZE",
    "SEQUENCES",
    "TIMEOUT",
    "VERSION",
    "Command",
    "Fault",
    "Frame",
    "Kind",
    "Reply",
    "Status",
    "character",
    "events",
    "frame",
    "identity",
    "parse",
]

VERSION = 2  # the one before had no frames, and its board answers a query with 1SPK
BAUD = 1_000_000
# Seconds. Far above what an adapter or an operating system pauses within one write.
TIMEOUT = 0.1
SEQUENCES = 16
IN_FLIGHT = 2  # frames without an answer, at most; one where the board's identity says so


class Kind(IntEnum):
    """What a frame is: below 8 from the host, from there on a reply of the board."""

    QUERY = 3  # no payload; its reply is IDENTITY, and what was in flight is dropped
    IMAGE = 4  # the pixels, row-major, a byte each
    EVENTS = 5  # an ITEM for each spike, in time order, and one with the unit END
    LOAD = 6  # a weight image (hw/link/weight_image.py); its reply is STATUS
    CLASS = 8
    STATUS = 9  # no class: the body's first byte is a Status or a Fault, the others are 0
    IDENTITY = 10
    # Of a frame that is dropped, with all in flight and what comes before the line has been idle;
    # it is not sure which frame that was, so the sequence number has no meaning.
    DAMAGED = 11  # the body is that of IDENTITY
    REFUSED = 12  # for a reason, the body's first byte: a Status or Fault.OVERRUN


_REPLIES = {Kind.CLASS, Kind.STATUS, Kind.IDENTITY, Kind.DAMAGED, Kind.REFUSED}

ITEM = Record(unit="H", step="B")  # a spike
END = 0xFFFF  # the unit of an end mark, whose step has no meaning

# Bodies of replies. Cycles are those from the end of the input; 65,535 means at least.
BODY = 8  # bytes
CLASS = Record(label="B", step="B", cycles="H", margin="i")
# First bytes of the network's SHA-256; alone: the board takes one input at a time.
IDENTITY = Record(network="4s", version="B", loads="B", alone="B")

CHECKSUM = Record(crc="I")
REPLY_SIZE = 1 + BODY + CHECKSUM.size


class Status(IntEnum):
    """The state of weights that are loaded at start-up."""

    READY = 0  # loaded, and the checksum is right; of an input: it began before that
    LOADING = 1  # in progress
    NO_IMAGE = 2  # the flash does not respond, or what it holds is no weight image
    OTHER_NETWORK = 3  # a weight image, but not for this bitstream
    DAMAGED = 4  # the checksum is wrong


class Fault(IntEnum):
    """Why an input gets no class. Numbers differ from those of :class:`Status`."""

    RULES = 5  # non-monotonic step, out-of-range unit or step, or too many spikes for the core
    OVERRUN = 6  # they, or pixels, came faster than they could be accepted


class Command(NamedTuple):
    """What a host wants: a frame without its sequence number and checksum."""

    kind: Kind
    payload: bytes = b""


class Frame(NamedTuple):
    """A frame whose checksum is right."""

    kind: Kind
    sequence: int
    payload: bytes


class Reply(NamedTuple):
    """The body of a class.

    Parameters
    ----------
    label : int, 0 … 255
    step : int, 0 … 255
    cycles : int, 1 … 65,535
        Clock cycles from the end of the input to the result, inside the accelerator: from the cycle
        that takes the last pixel or the end mark. 1 if the result was there by then.
    margin : int
        ``V − θ`` of the winning unit, 32 bits; of a bistable network how far its potential is above
        the next largest.
    """

    label: int
    step: int
    cycles: int
    margin: int


def character(byte: int) -> tuple[int, ...]:
    """The line's levels, a bit time each: start, data from the lowest bit on, stop."""
    return (0, *(byte >> bit & 1 for bit in range(8)), 1)


def frame(command: Command, sequence: int) -> bytes:
    """The bytes of ``command``."""
    content = bytes([command.kind << 4 | sequence % SEQUENCES]) + command.payload
    return content + CHECKSUM.pack(zlib.crc32(content))


def parse(content: bytes) -> Frame | None:
    """The reply that ``content`` is; None if it is none."""
    checked, checksum = content[: -CHECKSUM.size], content[-CHECKSUM.size :]
    if len(content) != REPLY_SIZE or checksum != CHECKSUM.pack(zlib.crc32(checked)):
        return None
    kind, sequence = divmod(checked[0], SEQUENCES)
    if kind not in _REPLIES:
        return None
    return Frame(Kind(kind), sequence, checked[1:])


def identity(sha256: str, *, loads: bool = False, alone: bool = False) -> bytes:
    """The body that a board with this network answers to a query."""
    return IDENTITY.pack(bytes.fromhex(sha256)[:4], VERSION, loads, alone).ljust(BODY, b"\0")


def events(spikes: Iterable[tuple[int, int]]) -> bytes:
    """The payload for an inference of ``spikes``, unit and step each, in time order."""
    return b"".join(ITEM.pack(*spike) for spike in spikes) + ITEM.pack(END, 0)
