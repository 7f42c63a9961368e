"""The rows of a table, as logic or in flip-flops."""

from collections.abc import Sequence
from itertools import pairwise

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.data import View
from amaranth.lib.wiring import In, Out

from hw.rtl.lines.constants import looked_up
from hw.rtl.lines.plan import Table
from hw.rtl.memories import COLUMN

__all__ = ["Rows", "WordLayout", "load_ports", "load_starts", "realign"]


class WordLayout(data.StructLayout):
    """A word that is loaded.

    Members
    -------
    valid : 1
    part : range(parts)
        Which word of its row.
    data : 16
    """

    def __init__(self, parts: int):
        super().__init__({"valid": 1, "part": range(parts), "data": COLUMN})


def load_ports(tables: Sequence[Table], *, loaded: bool) -> dict[str, wiring.Member]:
    """Members ``load_0``, ``load_1`` and so on: words of each of the ``tables``, if ``loaded``."""
    return {
        f"load_{k}": In(WordLayout(table.words_per_row))
        for k, table in enumerate(tables if loaded else ())
    }


class Rows(wiring.Component):
    """The rows of a table: as logic by their index, or in a ring of flip-flops, one after another.

    A ring needs no logic to find a row: its rows move on by one. Loading puts a row in at the end,
    and after the last one the first is in front.

    Parameters
    ----------
    table : Table
    loaded : bool
        The bits come through ``load``.

    Members
    -------
    low, high : range(table.cycle), range(table.rows / table.cycle)
        Index of the row; of a ring without meaning.
    advance : 1
        The next row is the one that follows; after the last the first.
    row : table.width
        Combinational from the index.
    load : WordLayout
        Only where ``loaded``: the words of ``table.words`` in their order.
    """

    def __init__(self, table: Table, *, loaded: bool):
        self._table = table
        self._loaded = loaded
        load = {"load": In(WordLayout(table.words_per_row))} if loaded else {}
        super().__init__(
            {
                "low": In(range(table.cycle)),
                "high": In(range(table.rows // table.cycle)),
                "advance": In(1),
                "row": Out(table.width),
                **load,
            }
        )

    def elaborate(self, platform):
        m = Module()
        if self._loaded:
            self._ring(m)
        else:
            self._logic(m)
        return m

    def _logic(self, m):
        bits, cycle = self._table.bits, self._table.cycle
        rows = [
            bits[high * cycle + low] if low < cycle and high < len(bits) // cycle else None
            for high in range(1 << len(self.high))
            for low in range(1 << len(self.low))
        ]
        m.d.comb += self.row.eq(looked_up(m, Cat(self.low, self.high), rows, "of"))

    def _ring(self, m):
        width = self._table.width
        rows = [Signal(width, name=f"row_{k}", reset_less=True) for k in range(self._table.rows)]
        first = self.load.valid & (self.load.part == 0)
        parts = []
        for part in range(self._table.words_per_row):
            chosen = slice(part * COLUMN, min((part + 1) * COLUMN, width))
            mine = self.load.valid & (self.load.part == part)
            parts.append(Mux(mine, self.load.data[: chosen.stop - chosen.start], rows[0][chosen]))
            if part:
                with m.If(mine):
                    m.d.sync += rows[-1][chosen].eq(self.load.data)
        with m.If(self.advance | first):
            m.d.sync += [row.eq(after) for row, after in pairwise(rows)]
            m.d.sync += rows[-1].eq(Cat(parts))
        m.d.comb += self.row.eq(rows[0])


def realign(m: Module, load: View, *index: Signal) -> Signal:
    """Brings rings back to their first row after a reset, which may have come at any time: gives a
    signal that tells them to move on, and the stage to wait. ``index`` says in which row they are,
    and so is not reset; loading starts it (:func:`load_starts`).
    """
    waiting, turn = Signal(init=1), Signal()
    started = Cat(index) == 0
    m.d.comb += turn.eq(waiting & ~started & ~load.valid)
    with m.If(started):
        m.d.sync += waiting.eq(0)
    return turn


def load_starts(m: Module, load: View, *index: Signal) -> None:
    """Loading starts the ``index`` of rings. It is the last that is said of it, so that tools see a
    reset: else gates may be such that what is unknown stays so.
    """
    with m.If(load.valid):
        m.d.sync += [each.eq(0) for each in index]
