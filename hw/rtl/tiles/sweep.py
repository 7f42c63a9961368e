"""The sweep: accesses to rows of the banks, one after another."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.rtl.by_layer import by_layer
from hw.rtl.tiles.layouts import AccessLayout
from hw.rtl.tiles.plan import TiledLayer, TilesPlan

__all__ = ["Sweep"]


class Sweep(wiring.Component):
    """Goes over the rows of a tile: at the end of a step to look which units fire, and to preset
    the margins of a tile. Where only what has changed matters, these are the rows of the smallest
    rectangle around all that were added to since the sweep before.

    Of a convolution all banks are accessed at once; a preset writes the same word to each place.
    A dense tile has one row, and a preset writes its banks one by one, each with a word of its own.

    Latency: the first access comes in the cycle after ``start``.
    Throughput: one access per cycle.

    Parameters
    ----------
    plan : TilesPlan

    Members
    -------
    begin : 1
        The next tile is the first of all.
    start : 1
        A sweep begins; not while ``busy``.
    fire, preset : 1
        With ``start``: what is done.
    whole : 1
        With ``start``: all rows are accessed; in any case with ``preset``.
    show : 1
        Not while ``busy``: one access to the first row that only reads.
    layer : range(layers)
    added : AccessLayout
        The additions, as the banks see them.
    advance : 1
        Without it all stays as it is.
    access : AccessLayout
    word : range(len(plan.starts))
        The word of margins that a preset writes.
    busy : 1
        Accesses follow.
    """

    def __init__(self, plan: TilesPlan):
        self._plan = plan
        super().__init__(
            {
                "begin": In(1),
                "start": In(1),
                "fire": In(1),
                "preset": In(1),
                "whole": In(1),
                "show": In(1),
                "layer": In(range(len(plan.layers))),
                "added": In(AccessLayout(plan)),
                "advance": In(1),
                "access": Out(AccessLayout(plan)),
                "word": Out(range(len(plan.starts))),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        access = self.access
        firing, presetting, bank_by_bank = Signal(), Signal(), Signal()
        advance_down, next_row, end_down, end_across = (
            Signal(name=name) for name in ("advance_down", "next_row", "end_down", "end_across")
        )
        dense = by_layer(m, self.layer, [int(layer.dense) for layer in self._plan.layers])
        m.d.comb += [
            access.valid.eq(self.busy | self.show),
            access.fire.eq(self.busy & firing),
            access.preset.eq(self.busy & presetting),
            bank_by_bank.eq(presetting & dense),
            next_row.eq(self.busy & self.advance),
            advance_down.eq(next_row & end_across),
        ]
        self._axis(m, 1, next_row, bank_by_bank, end_across)
        self._axis(m, 0, advance_down, bank_by_bank, end_down)
        with m.If(advance_down & end_down):
            m.d.sync += self.busy.eq(0)
        with m.If(next_row & presetting & (bank_by_bank | (end_across & end_down))):
            m.d.sync += self.word.eq(self.word + 1)
        with m.If(self.begin):
            m.d.sync += self.word.eq(0)
        with m.If(self.start):
            m.d.sync += [self.busy.eq(1), firing.eq(self.fire), presetting.eq(self.preset)]
        return m

    def _axis(self, m, way, advance, bank_by_bank, end):
        """Counts rows down (way 0) or across (way 1), or banks. ``end``: this is the last one."""
        plan, name = self._plan, ("down", "across")[way]
        banks, layers = plan.grid[way], plan.layers
        row, bank = self.added[name], self.added[f"bank_{name}"]
        access, enable = self.access[name], self.access[f"enable_{name}"]
        counter, first, last = (
            Signal(range(max(1 << plan.row_bits[way], banks)), name=f"{what}_{name}")
            for what in ("row", "first", "last")
        )
        # The rectangle around what was added to: the row of the last place, and the one before.
        low, high, lowest, highest = (
            Signal(len(row), init=init, name=f"{what}_{name}")
            for what, init in (("low", 0), ("high", 0), ("lowest", -1), ("highest", 0))
        )
        final = by_layer(m, self.layer, [plan.rows(layer)[way] - 1 for layer in layers])
        m.d.comb += [low.eq(row - ((bank != banks - 1) & row.any())), high.eq(row)]
        with m.If(row > final):  # behind the map
            m.d.comb += [low.eq(final), high.eq(final)]
        with m.If(self.added.valid):
            with m.If(low < lowest):
                m.d.sync += lowest.eq(low)
            with m.If(high > highest):
                m.d.sync += highest.eq(high)
        with m.If(self.start):
            m.d.sync += [lowest.eq(-1), highest.eq(0)]
            m.d.sync += [first.eq(lowest), last.eq(highest), counter.eq(lowest)]
            with m.If(self.whole | self.preset):
                m.d.sync += [first.eq(0), last.eq(final), counter.eq(0)]
        with m.If(advance):
            m.d.sync += counter.eq(Mux(end, first, counter + 1))

        # Targets count from the last bank on.
        present = by_layer(m, self.layer, [self._present(layer, way) for layer in layers])
        m.d.comb += [
            end.eq(counter == Mux(bank_by_bank, banks - 1, last)),
            access.eq(Mux(bank_by_bank | ~self.busy, 0, counter)),
            self.access[f"bank_{name}"].eq(banks - 1),
            enable.eq(Mux(counter == final, present, -1)),
        ]
        with m.If(bank_by_bank):
            m.d.comb += enable.eq(Cat(counter == banks - 1 - a for a in range(banks)))

    def _present(self, layer: TiledLayer, way: int) -> int:
        """Targets of the last row that lie in the map, a bit each."""
        banks = self._plan.grid[way]
        size = (layer.height, layer.width)[way]
        last = (self._plan.rows(layer)[way] - 1) * banks
        return sum((last + banks - 1 - a < size) << a for a in range(banks))
