"""The memory of weights: a row of them per spike."""

from amaranth.hdl import Cat, Module, Mux
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from hw.rtl.spram import SinglePortMemory
from hw.rtl.tiles.layouts import LoadLayout
from hw.rtl.tiles.plan import TilesPlan
from hw.rtl.weights import row_word

__all__ = ["Weights"]


class Weights(wiring.Component):
    """Rows of weights of all layers, for all targets and lanes of a tile, in the order of need.

    Latency: 1 cycle.

    Parameters
    ----------
    plan : TilesPlan
    loaded : bool
        The weights are not known to the hardware: they come through ``load``.

    Members
    -------
    row : range(plan.weight_rows)
    read : 1
    minus : B_h · B_w · P
        The row that was read in the cycle before, as in the plan's ``weights``.
    load : stream of LoadLayout
        Only where ``loaded``; at any time when no row is read.
    """

    def __init__(self, plan: TilesPlan, *, loaded: bool):
        self._plan = plan
        self._loaded = loaded
        load = stream.Signature(LoadLayout(plan), always_ready=True)
        super().__init__(
            {
                "row": In(range(plan.weight_rows)),
                "read": In(1),
                "minus": Out(plan.banks * plan.lanes),
                **({"load": In(load)} if loaded else {}),
            }
        )

    def elaborate(self, platform):
        m = Module()
        plan = self._plan
        if not self._loaded:
            m.submodules.rows = rows = memory.Memory(
                shape=plan.banks * plan.lanes,
                depth=plan.weight_rows,
                init=[row_word(row) for row in plan.weights],
                attrs={"ram_style": "block"},
            )
            port = rows.read_port()
            m.d.comb += [port.addr.eq(self.row), port.en.eq(self.read), self.minus.eq(port.data)]
            return m
        columns = plan.weight_columns
        m.submodules.loaded = rows = SinglePortMemory(
            depth=plan.weight_rows, columns=columns, width=plan.banks * plan.lanes
        )
        word, split = self.load.payload, exact_log2(plan.load_columns)
        m.d.comb += [
            rows.address.eq(Mux(self.load.valid, word.address >> split, self.row)),
            rows.enable.eq(self.load.valid | self.read),
            rows.write.eq(
                Cat(self.load.valid & (word.address[:split] == k) for k in range(columns))
            ),
            rows.word.eq(word.data),
            self.minus.eq(rows.data),
        ]
        return m
