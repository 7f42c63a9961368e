"""Memories as the estimate of resources counts them."""

from dataclasses import dataclass

__all__ = ["BlockMemory", "SinglePortBlocks"]


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
