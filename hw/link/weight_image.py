"""The weight image, for weights that are loaded: one format for the flash and for the link.

All numbers are little-endian.

=====  =======
bytes  content
=====  =======
4      :data:`MAGIC`
4      :data:`VERSION`
8      the identity: of the network and of its weights in the order in which they are stored
4      number of words, N
2 N    the words, in ascending order of their addresses
4      CRC-32 (that of zip, ISO-HDLC) of all before it
=====  =======

The header is the same for all weight images of a bitstream, so the board knows it beforehand.

Plain Python and NumPy, so that the host needs no hardware library.
"""

import hashlib
import zlib
from pathlib import Path

import numpy as np

from hw.link.record import Record
from sw import limits
from sw.cli import UserError
from sw.network import Network

__all__ = [
    "CHECKSUM",
    "HEADER",
    "IDENTITY",
    "MAGIC",
    "VERSION",
    "header",
    "pack",
    "read_image",
    "with_bitstream",
]

MAGIC = b"1SPW"
VERSION = 1
HEADER = Record(magic="4s", version="I", identity="8s", words="I")
IDENTITY = HEADER.span("identity")
CHECKSUM = Record(crc="I")


def header(network: Network, words: np.ndarray) -> bytes:
    """What a weight image of ``network`` begins with, if ``words`` uint16 [N] are to be loaded."""
    return HEADER.pack(
        MAGIC, VERSION, _identity(network, words.astype("<u2").tobytes()), len(words)
    )


def pack(network: Network, words: np.ndarray) -> bytes:
    """The weight image of ``words`` uint16 [N] of ``network``."""
    content = header(network, words) + words.astype("<u2").tobytes()
    return content + CHECKSUM.pack(zlib.crc32(content))


def with_bitstream(bitstream: bytes, content: bytes, address: int) -> bytes:
    """What a flash holds from 0 on: a bitstream, and a weight image from ``address`` on.

    Raises :class:`ValueError` if the bitstream reaches that far.
    """
    if len(bitstream) > address:
        raise ValueError(f"Bitstream must be at most {address} bytes, not {len(bitstream)}")
    return bitstream.ljust(address, b"\xff") + content


def read_image(path: Path, network: Network) -> bytes:
    """The content of a weight image's file.

    Raises
    ------
    UserError
        It cannot be read, is no weight image, is damaged, or is not of ``network``.
    """
    remedy = "name the one that hw.build wrote beside the bitstream"
    try:
        with Path(path).open("rb") as file:
            content = file.read(limits.FILE)  # no more, whatever it is
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); {remedy}") from None
    if len(content) < HEADER.size or not content.startswith(MAGIC):
        raise UserError(f"{path}: is no weight image; {remedy}")
    _, version, identity, words = HEADER.unpack(content)
    if version != VERSION:
        raise UserError(f"{path}: has format {version}, not {VERSION}; {remedy}")
    payload, checksum = content[HEADER.size : -CHECKSUM.size], content[-CHECKSUM.size :]
    right = CHECKSUM.pack(zlib.crc32(content[: -CHECKSUM.size]))
    if len(payload) != 2 * words or checksum != right:
        raise UserError(f"{path}: is damaged, its checksum or length is wrong; {remedy}")
    if identity != _identity(network, payload):
        raise UserError(f"{path}: is not of network {network.name}; {remedy}")
    return content


def _identity(network: Network, payload: bytes) -> bytes:
    return hashlib.sha256(bytes.fromhex(network.sha256) + payload).digest()[:8]
