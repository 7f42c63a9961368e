"""Pool: one value for each window of places, the largest or the mean."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from hw.rtl.bistable.layouts import WordLayout
from hw.rtl.bistable.plan import BistablePlan
from hw.rtl.bistable.speak import divide
from hw.rtl.by_layer import by_layer

__all__ = ["Pool", "pool_latency"]


def pool_latency(plan: BistablePlan) -> int:
    """Cycles from a word to the word behind it."""
    return 2 + (plan.phases if plan.sums else 0)


class Pool(wiring.Component):
    """Of the places of a window, which come one after another, keeps the largest value of each
    channel, or adds them up; at the last place the window's value goes on.

    A largest value is that of a pooling bit by bit: in each phase, of those that were largest so
    far, those that fire go on. A mean is what a neuron says that has as many inputs of weight +1 as
    the window has places, and their number as its threshold.

    Latency: :func:`pool_latency` cycles.
    Throughput: a word per cycle; of the same channels one every two cycles.

    Parameters
    ----------
    plan : BistablePlan

    Members
    -------
    layer : range(layers)
    word : WordLayout
    pooled : WordLayout
        ``valid`` at the last place of a window only.
    """

    def __init__(self, plan: BistablePlan):
        self._plan = plan
        super().__init__(
            {
                "layer": In(range(len(plan.layers))),
                "word": In(WordLayout(plan)),
                "pooled": Out(WordLayout(plan)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        plan, channels = self._plan, range(self._plan.speaks)
        word = Signal(WordLayout(plan))
        m.d.sync += word.eq(self.word)

        held = data.ArrayLayout(plan.pool_bits, plan.speaks)
        m.submodules.windows = windows = memory.Memory(
            shape=held, depth=plan.groups, init=[], attrs={"ram_style": "block"}
        )
        read, write = windows.read_port(), windows.write_port()
        m.d.comb += [
            read.addr.eq(self.word.group),
            write.addr.eq(word.group),
            write.en.eq(word.valid & ~word.window_ends),
        ]
        adds = by_layer(m, self.layer, [int(layer.sums) for layer in plan.layers])
        for k in channels:
            before, value = read.data[k], word.values[k]
            largest = Mux(before > value, before, value)
            both = Mux(adds, before + value, largest) if plan.sums else largest
            m.d.comb += write.data[k].eq(Mux(word.window_begins, value, both))

        last, values = Signal(WordLayout(plan), name="last"), Signal(held, reset_less=True)
        m.d.sync += [
            last.eq(word),
            last.valid.eq(word.valid & word.window_ends),
            values.eq(write.data),
        ]
        if not plan.sums:
            m.d.comb += self.pooled.eq(last)
            m.d.comb += [self.pooled.values[k].eq(values[k]) for k in channels]
            return m
        self._divide(m, last, values)
        return m

    def _divide(self, m, last, sums):
        """The values of sums: each divided by the places of the window, a bit per cycle."""
        plan = self._plan
        areas = [layer.area if layer.sums else 1 for layer in plan.layers]
        area = by_layer(m, self.layer, areas)
        for phase in range(plan.phases):
            power = plan.phases - 1 - phase
            before, last = last, Signal(WordLayout(plan), name=f"last_{phase}")
            rests, sums = sums, Signal.like(sums, name=f"sums_{phase}")
            m.d.sync += last.eq(before)
            for k in range(plan.speaks):
                fits, rest = divide(m, rests[k], area << power, f"{k}_{phase}")
                bits = before.values[k] if phase else Cat()
                m.d.sync += [last.values[k].eq(Cat(fits, bits)), sums[k].eq(rest)]
        m.d.comb += self.pooled.eq(last)
