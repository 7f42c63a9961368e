"""The memory of weights: a row for each part of a word that is listened to."""

from amaranth.hdl import Cat, Module, Mux
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from hw.rtl.bistable.plan import BistablePlan
from hw.rtl.spram import COLUMN, SinglePortMemory
from hw.rtl.weights import row_word

__all__ = ["LoadLayout", "Weights"]


class LoadLayout(data.StructLayout):
    """A word of weights on its way into the memory.

    Members
    -------
    address : range(len(plan.load_words))
    data : 16
    """

    def __init__(self, plan: BistablePlan):
        super().__init__({"address": range(plan.weight_rows * plan.load_columns), "data": COLUMN})


class Weights(wiring.Component):
    """Rows of weights of all layers, for all lanes of a tile, in the order of need.

    Latency: 1 cycle.

    Parameters
    ----------
    plan : BistablePlan
    loaded : bool
        The weights are not known to the hardware: they come through ``load``.

    Members
    -------
    row : range(plan.weight_rows)
    read : 1
    plus : plan.weight_width
        The row that was read in the cycle before, as in the plan's ``weights``.
    load : stream of LoadLayout
        Only where ``loaded``; at any time when no row is read.
    """

    def __init__(self, plan: BistablePlan, *, loaded: bool):
        self._plan = plan
        self._loaded = loaded
        load = stream.Signature(LoadLayout(plan), always_ready=True)
        super().__init__(
            {
                "row": In(range(plan.weight_rows)),
                "read": In(1),
                "plus": Out(plan.weight_width),
                **({"load": In(load)} if loaded else {}),
            }
        )

    def elaborate(self, platform):
        m = Module()
        plan = self._plan
        if not self._loaded:
            m.submodules.rows = rows = memory.Memory(
                shape=plan.weight_width,
                depth=plan.weight_rows,
                init=[row_word(row) for row in plan.weights],
                attrs={"ram_style": "block"},
            )
            port = rows.read_port()
            m.d.comb += [port.addr.eq(self.row), port.en.eq(self.read), self.plus.eq(port.data)]
            return m
        m.submodules.loaded = rows = SinglePortMemory(
            depth=plan.weight_rows, columns=plan.weight_columns, width=plan.weight_width
        )
        word, split = self.load.payload, exact_log2(plan.load_columns)
        columns = range(plan.weight_columns)
        m.d.comb += [
            rows.address.eq(Mux(self.load.valid, word.address >> split, self.row)),
            rows.enable.eq(self.load.valid | self.read),
            rows.write.eq(Cat(self.load.valid & (word.address[:split] == k) for k in columns)),
            rows.word.eq(word.data),
            self.plus.eq(rows.data),
        ]
        return m
