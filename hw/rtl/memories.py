"""Memories: what the estimate of resources counts, and how a row of bits becomes a word."""

from dataclasses import dataclass

import numpy as np

__all__ = ["BlockMemory", "SinglePortBlocks", "row_word"]


@dataclass(frozen=True)
class BlockMemory:
    """Memories for block RAM, each with a port to read and one to write.

    Parameters
    ----------
    depth : int
        Words.
    width : int
        Bits of a word, or of each part of it that is written alone.
    parts : int
        Parts of a word that are written alone.
    count : int
        How many there are of this kind.
    """

    depth: int
    width: int
    parts: int = 1
    count: int = 1


@dataclass(frozen=True)
class SinglePortBlocks:
    """Memories for single-port RAM (hw/rtl/spram.py): rows of 16-bit columns, ``count`` of them."""

    depth: int
    columns: int
    count: int = 1


def row_word(bits: np.ndarray) -> int:
    """A row of bits, bool [width], as the word of a memory: element k is bit k."""
    return int.from_bytes(np.packbits(bits, bitorder="little").tobytes(), "little")
