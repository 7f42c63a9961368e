"""The bytes between host and board: the one description that gateware and host program share.

Line: 8 data bits, no parity, 1 stop bit. All numbers are little-endian.

- A break (line low for more than a frame) resets the accelerator; a host starts with one.
- ``?`` asks who is there. Answer: ``1SPK``, then the first 4 bytes of the network file's SHA-256.
- ``I`` is followed by one image, row-major, one byte a pixel. Answer: :data:`ANSWER`.
- Any other byte where a command is due is ignored.

Plain Python, so that the host needs no hardware library.
"""

import struct
from typing import NamedTuple

__all__ = ["ANSWER", "BAUD", "IDENTIFY", "IMAGE", "MAGIC", "Reply", "identity", "parse"]

BAUD = 1_000_000
IDENTIFY = b"?"
IMAGE = b"I"
MAGIC = b"1SPK"

# Label, decision step, cycles from the last pixel to the answer (65,535 means at least), margin.
ANSWER = struct.Struct("<BBHi")


class Reply(NamedTuple):
    """One answer of the board.

    Parameters
    ----------
    label : int, 0 … 255
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
