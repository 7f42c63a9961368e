"""The sweep: accesses of all rows of the banks, one after another."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.rtl.tiles.by_layer import by_layer
from hw.rtl.tiles.layouts import AccessLayout
from hw.rtl.tiles.plan import TiledLayer, TilesPlan

__all__ = ["Sweep"]


class Sweep(wiring.Component):
    """Goes over the rows of a tile: to preset its margins, or at the end of a step to look which
    units fire.

    Of a convolution, all banks are accessed at once; a preset writes the same word to each place.
    A dense tile has one row, and a preset writes its banks one by one, each with a word of its own.

    Latency: the first access comes in the cycle after ``start``.
    Throughput: one access per cycle.

    Parameters
    ----------
    plan : TilesPlan

    Members
    -------
    start : 1
        Not while ``busy``.
    preset : 1
        With ``start``: it is a preset, not a sweep.
    show : 1
        Not while ``busy``: one access to the first row that only reads.
    layer : range(layers)
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
                "start": In(1),
                "preset": In(1),
                "show": In(1),
                "layer": In(range(len(plan.layers))),
                "advance": In(1),
                "access": Out(AccessLayout(plan)),
                "word": Out(range(len(plan.starts))),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        plan, access = self._plan, self.access
        presetting, bank_by_bank = Signal(), Signal()
        m.d.comb += [
            bank_by_bank.eq(presetting & self._by_layer(lambda layer: layer.dense)),
            access.valid.eq(self.busy | self.show),
            access.sweep.eq(self.busy & ~presetting),
            access.preset.eq(self.busy & presetting),
        ]
        ends = []
        for way, name in enumerate(("down", "across")):
            banks = plan.grid[way]
            counter = Signal(range(max(1 << plan.row_bits[way], banks)), name=name)
            rows = self._by_layer(lambda layer, way=way: plan.rows(layer)[way])
            last = Signal.like(counter, name=f"last_{name}")
            end = Signal(name=f"end_{name}")
            ends.append((counter, end))
            # Entries count from the last bank on.
            present = self._by_layer(lambda layer, way=way: self._present(layer, way))
            m.d.comb += [
                last.eq(Mux(bank_by_bank, banks - 1, rows - 1)),
                end.eq(counter == last),
                access[name].eq(Mux(bank_by_bank, 0, counter)),
                access[f"bank_{name}"].eq(banks - 1),
            ]
            enable = access[f"enable_{name}"]
            with m.If(bank_by_bank):
                m.d.comb += enable.eq(Cat(counter == banks - 1 - a for a in range(banks)))
            with m.Else():
                m.d.comb += enable.eq(Mux(end, present, -1))

        (down, end_down), (across, end_across) = ends
        with m.If(self.busy & self.advance):
            m.d.sync += across.eq(Mux(end_across, 0, across + 1))
            with m.If(end_across):
                m.d.sync += down.eq(Mux(end_down, 0, down + 1))
            with m.If(end_across & end_down):
                m.d.sync += self.busy.eq(0)
            with m.If(presetting & (bank_by_bank | (end_across & end_down))):
                m.d.sync += self.word.eq(self.word + 1)
        with m.If(self.start):
            m.d.sync += [self.busy.eq(1), presetting.eq(self.preset)]
        return m

    def _by_layer(self, value):
        return by_layer(self.layer, [int(value(layer)) for layer in self._plan.layers])

    def _present(self, layer: TiledLayer, way: int) -> int:
        """Entries of the last row that lie in the map, a bit each."""
        banks = self._plan.grid[way]
        size = (layer.height, layer.width)[way]
        last = (self._plan.rows(layer)[way] - 1) * banks
        return sum((last + banks - 1 - a < size) << a for a in range(banks))
