"""The bytes between host and board: the one description that gateware and host program share.

Line: 8 data bits, no parity, 1 stop bit. All numbers are little-endian.

- A break (line low for more than a frame) resets the accelerator; a host starts with one.
- ``?`` asks who is there. Answer: ``1SPK``, then the first 4 bytes of the network file's SHA-256.
- ``I`` is followed by one image, row-major, one byte a pixel. Answer: :data:`ANSWER`.
- ``W`` is followed by an image of the weights (hw/image.py), where weights are loaded; of images
  without an answer until then, none comes. Answer: :data:`ANSWER` with a status. One that is not
  ready may come early: a break then ends what is still being sent.
- An :data:`ANSWER` with 0 cycles is no class: its label is a :class:`Status`. Without weights each
  image gets one. What came by ``W`` stays through a break; without that, a break reads the flash
  again, and ``?`` is answered when that is over.
- Any other byte where a command is due is ignored.

Plain Python, so that the host needs no hardware library.
"""

import struct
from enum import IntEnum
from typing import NamedTuple

__all__ = [
    "ANSWER",
    "BAUD",
    "IDENTIFY",
    "IMAGE",
    "LOAD",
    "MAGIC",
    "Reply",
    "Status",
    "identity",
    "parse",
]

BAUD = 1_000_000
IDENTIFY = b"?"
IMAGE = b"I"
LOAD = b"W"
MAGIC = b"1SPK"

# Label, decision step, cycles from the last pixel to the answer (65,535 means at least), margin.
ANSWER = struct.Struct("<BBHi")


class Status(IntEnum):
    """What a board says of weights that are loaded."""

    READY = 0  # all is there, and its checksum is right; of an image: but it began before that
    LOADING = 1  # on the way
    NO_IMAGE = 2  # the flash is silent, or what came is no image of weights
    OTHER_NETWORK = 3  # an image of weights, but not of those that this bitstream needs
    DAMAGED = 4  # the checksum is wrong


class Reply(NamedTuple):
    """One answer of the board.

    Parameters
    ----------
    label : int, 0 … 255
        The class; a :class:`Status` if ``cycles`` is 0.
    step : int, 0 … 255
    cycles : int, 0 … 65,535
        Clock cycles from the last pixel to the answer, inside the accelerator.
    margin : int
        ``V − θ`` of the winning unit, 32 bits.
    """

    label: int
    step: int
    cycles: int
    margin: int


def identity(sha256: str) -> bytes:
    """What a board with this network answers to :data:`IDENTIFY`."""
    return MAGIC + bytes.fromhex(sha256)[:4]


def parse(answer: bytes) -> Reply:
    """The content of one answer."""
    return Reply(*ANSWER.unpack(answer))
