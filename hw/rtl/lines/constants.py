"""Constants by an index, as logic."""

from collections.abc import Sequence

import numpy as np
from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

__all__ = ["chosen", "looked_up"]

_Column = tuple[int | None, ...]  # a bit for each index; None where it does not matter


def looked_up(m: Module, index: Value, rows: Sequence[np.ndarray | None], name: str) -> Value:
    """The bits of ``rows[index]``, combinational; of None any.

    Each bit is a function of the bits of ``index``, a tree of multiplexers, and trees that two of
    them have in common are there once (Bryant, IEEE Transactions on Computers 1986). That is about
    a fifth of a NAND2 per bit. A table by a ``case`` would be as small, but tools that take it for
    a memory move its address register behind it, where it is as wide as a row.

    Parameters
    ----------
    rows : sequence of bool [width] or None, 2 ** len(index) of them
    """
    known: dict[_Column, Value] = {}

    def of(column: _Column) -> Value:
        if column in known:
            return known[column]
        values = {bit for bit in column if bit is not None}
        if len(values) < 2:
            return Const(values.pop() if values else 0, 1)
        half = len(column) // 2
        low, high = column[:half], column[half:]
        if all(a == b or a is None or b is None for a, b in zip(low, high, strict=True)):
            both = zip(low, high, strict=True)
            known[column] = of(tuple(b if a is None else a for a, b in both))
            return known[column]
        inverse = tuple(None if bit is None else 1 - bit for bit in column)
        if inverse in known:
            return ~known[inverse]
        node = Signal(name=f"{name}_{len(known)}")
        m.d.comb += node.eq(Mux(index[half.bit_length() - 1], of(high), of(low)))
        known[column] = node
        return node

    width = next(len(row) for row in rows if row is not None)
    table = [[None] * width if row is None else row.astype(int).tolist() for row in rows]
    return Cat(of(column) for column in zip(*table, strict=True))


def chosen(m: Module, index: Value, which: Sequence[bool], name: str) -> Value:
    """``which[index]``; an index beyond does not occur."""
    rows = [np.array([each]) for each in which]
    return looked_up(m, index, [*rows, *[None] * ((1 << len(index)) - len(rows))], name)
