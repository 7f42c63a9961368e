"""Memories as the estimate of resources counts them, and words that are loaded into one."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

__all__ = [
    "COLUMN",
    "BlockMemory",
    "ConstantTables",
    "DistributedMemory",
    "SinglePortBlocks",
    "packed",
    "weight_rom",
]

COLUMN = 16  # bits of a word of single-port RAM


@dataclass(frozen=True)
class BlockMemory:
    """Memories for block RAM, each with a port to read and, unless constant, one to write.

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
    constant : bool
        They are never written.
    """

    depth: int
    width: int
    parts: int = 1
    count: int = 1
    constant: bool = False


@dataclass(frozen=True)
class DistributedMemory:
    """Memories for distributed RAM, which logic cells make, each with a port to read and one to
    write.

    Parameters
    ----------
    depth : int
        Words.
    width : int
        Bits of a word.
    count : int
        How many there are of this kind.
    """

    depth: int
    width: int
    count: int = 1


@dataclass(frozen=True)
class SinglePortBlocks:
    """Memories for single-port RAM (hw/rtl/spram.py): rows of 16-bit columns, ``count`` of them.

    Parameters
    ----------
    bits : int
        Of a row that are kept; 0 means all.
    """

    depth: int
    columns: int
    count: int = 1
    bits: int = 0

    @property
    def in_block_ram(self) -> Sequence[BlockMemory]:
        """What takes its place on a part without single-port RAM."""
        whole, rest = divmod(self.bits or COLUMN * self.columns, COLUMN)
        columns = [BlockMemory(self.depth, COLUMN, whole, self.count)] if whole else []
        return [*columns, BlockMemory(self.depth, rest, 1, self.count)] if rest else columns


@dataclass(frozen=True)
class ConstantTables:
    """What tables of constants are made of: short ones of logic, since block RAM is scarcer, others
    of block RAM. A table is its depth and its width.

    Parameters
    ----------
    most_of_logic : int
        Words of a table that is logic, at most.
    """

    most_of_logic: int

    def attrs(self, depth: int) -> Mapping[str, str]:
        """What says so to synthesis, of a table of ``depth`` words."""
        return {"ram_style": "logic" if self._is_logic(depth) else "block"}

    def block_memories(self, tables: Iterable[tuple[int, int]]) -> Sequence[BlockMemory]:
        """Those of ``tables`` that are in block RAM."""
        return [
            BlockMemory(*table, constant=True) for table in tables if not self._is_logic(table[0])
        ]

    def logic_bits(self, tables: Iterable[tuple[int, int]]) -> int:
        """Bits of those of ``tables`` that are logic."""
        return sum(depth * width for depth, width in tables if self._is_logic(depth))

    def _is_logic(self, depth: int) -> bool:
        return depth <= self.most_of_logic


def packed(rows: np.ndarray, columns: int) -> np.ndarray:
    """Rows of bits, bool [rows, width], as the words that are loaded, uint16 [rows · columns]: word
    c of a row has its bits from 16 · c on, and zeros behind them.
    """
    bits = np.zeros((len(rows), COLUMN * columns), bool)
    bits[:, : rows.shape[1]] = rows
    words = np.packbits(bits, axis=1, bitorder="little")
    return words.reshape(-1, 2).view("<u2")[:, 0].astype(np.uint16)


def weight_rom(rows: np.ndarray) -> BlockMemory:
    """The memory of the rows of weights, bool [rows, width], that the bitstream holds. Synthesis
    leaves out bits that are the same in all rows.
    """
    width = int((rows.any(axis=0) & ~rows.all(axis=0)).sum())
    return BlockMemory(len(rows), width, constant=True)
