"""Banks: how the units of a layer are interleaved so that several may fire in one cycle.

Unit i lies in bank i mod E, as its row i // E, with the number of banks E a power of two. Units may
be integers, NumPy arrays or Amaranth values.
"""

from typing import Any

from amaranth.utils import exact_log2

__all__ = ["bank_of", "bank_rows", "row_of", "unit_at", "units_of"]


def bank_of(unit: Any, banks: int) -> Any:
    """The bank of ``unit``."""
    return unit % banks


def row_of(unit: Any, banks: int) -> Any:
    """The row of ``unit`` in its bank."""
    return unit >> exact_log2(banks)


def unit_at(row: Any, bank: int, banks: int) -> Any:
    """The unit in that row of ``bank``."""
    return (row << exact_log2(banks)) + bank


def units_of(bank: int, banks: int) -> slice:
    """The indices of the units of ``bank``."""
    return slice(bank, None, banks)


def bank_rows(units: int, banks: int) -> int:
    """Rows of a bank of ``units``; in the later banks the last one may be padding."""
    return -(-units // banks)
