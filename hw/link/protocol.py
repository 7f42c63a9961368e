"""The bytes between host and board: the one description that gateware and host program share.

Line: 8 data bits, no parity, 1 stop bit. All numbers are little-endian.

- A break (line low for more than a frame) resets the accelerator. So does an idle line within an
  input or a weight image, after :data:`TIMEOUT` at least and twice that at most. A host starts with
  a break, and waits for so long, since not every adapter sends one.
- ``?`` asks for an identification. Answer: ``1SPK``, then the first 4 bytes of the network file's
  SHA-256.
- ``I`` is followed by one image, row-major, one byte per pixel. Answer: :data:`ANSWER`.
- ``E``, in place of it where inputs are events, is followed by the spikes of one inference in time
  order, each an :data:`ITEM`, and an item with the unit :data:`END`: at most 65,535 input units.
  Answer: :data:`ANSWER`, as soon as it is known; what follows up to the end mark changes nothing.
- A host sends the input after the next one when the first is answered: two are in flight at most.
- ``W`` is followed by a weight image (hw/link/weight_image.py), where weights are loaded; of inputs
  without an answer until then, none comes. Answer: :data:`ANSWER` with a status. One that
  is not ready may come early: a break then ends what is still being sent.
- An :data:`ANSWER` with 0 cycles is no class: its label is a :class:`Status` or, of events, a
  :class:`Fault`. Without weights each input gets a status. What came by ``W`` stays through a
  break; without that, a break reads the flash again, and ``?`` is answered when that is over.
- Any other byte where a command is due is ignored.

Plain Python, so that the host needs no hardware library.
"""

from collections.abc import Iterable
from enum import IntEnum
from typing import NamedTuple

from hw.link.record import Record

__all__ = [
    "ANSWER",
    "BAUD",
    "END",
    "EVENTS",
    "IDENTIFY",
    "IMAGE",
    "ITEM",
    "LOAD",
    "MAGIC",
    "TIMEOUT",
    "Fault",
    "Reply",
    "Status",
    "events",
    "frame",
    "identity",
    "parse",
]

BAUD = 1_000_000
EVENTS = b"E"
IDENTIFY = b"?"
IMAGE = b"I"
LOAD = b"W"
MAGIC = b"1SPK"
# Seconds. Far above what an adapter or an operating system pauses within one write.
TIMEOUT = 0.1

ITEM = Record(unit="H", step="B")  # a spike
END = 0xFFFF  # the unit of an end mark, whose step has no meaning

# Cycles are those from the end of the input; 65,535 means at least.
ANSWER = Record(label="B", step="B", cycles="H", margin="i")


class Status(IntEnum):
    """The state of weights that are loaded at start-up."""

    READY = 0  # loaded, and the checksum is right; as an answer: the input began before that
    LOADING = 1  # in progress
    NO_IMAGE = 2  # the flash does not respond, or what it holds is no weight image
    OTHER_NETWORK = 3  # a weight image, but not for this bitstream
    DAMAGED = 4  # the checksum is wrong


class Fault(IntEnum):
    """Why sensor events get no class. Numbers differ from those of :class:`Status`."""

    RULES = 5  # non-monotonic step, out-of-range unit or step, more spikes than potentials can hold
    OVERRUN = 6  # they came faster than they could be accepted: only a reset helps, see above


class Reply(NamedTuple):
    """One answer of the board.

    Parameters
    ----------
    label : int, 0 … 255
        The class; a :class:`Status` or :class:`Fault` if ``cycles`` is 0.
    step : int, 0 … 255
    cycles : int, 0 … 65,535
        Clock cycles from the end of the input to the answer, inside the accelerator: from the cycle
        that takes the last pixel or the end mark. 1 if the answer was there by then.
    margin : int
        ``V − θ`` of the winning unit, 32 bits.
    """

    label: int
    step: int
    cycles: int
    margin: int


def frame(byte: int) -> tuple[int, ...]:
    """The line's levels, a bit time each: start, data from the lowest bit on, stop."""
    return (0, *(byte >> bit & 1 for bit in range(8)), 1)


def identity(sha256: str) -> bytes:
    """What a board with this network answers to :data:`IDENTIFY`."""
    return MAGIC + bytes.fromhex(sha256)[:4]


def events(spikes: Iterable[tuple[int, int]]) -> bytes:
    """What is sent for an inference of ``spikes``, unit and step each, in time order."""
    return EVENTS + b"".join(ITEM.pack(*spike) for spike in spikes) + ITEM.pack(END, 0)


def parse(answer: bytes) -> Reply:
    """The content of one answer."""
    return Reply(*ANSWER.unpack(answer))
