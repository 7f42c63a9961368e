"""Collect: the spikes so far of a window, word by word."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.rtl.by_layer import by_layer
from hw.rtl.gather.plan import GatherPlan

__all__ = ["Collect", "InputLayout"]


class InputLayout(data.StructLayout):
    """What is kept of an input.

    Members
    -------
    step : range(steps)
    spike : 1
        It fires in that step.
    """

    def __init__(self, plan: GatherPlan):
        super().__init__({"step": range(plan.steps), "spike": 1})


class Collect(wiring.Component):
    """Reads a window: which of its units have fired so far. The network's inputs, which are read
    one by one, are packed into words of W. What lies in the padding has not fired.

    Latency: ``latency`` = 2 cycles from a read to its word.
    Throughput: one read per cycle.

    Parameters
    ----------
    plan : GatherPlan

    Members
    -------
    stage, step, row, column
        As :class:`~hw.rtl.gather.windows.Windows` has them.
    read : 1
        The next word, or input, of the window is read; from one window to the next there is a
        cycle without.
    end : 1
        It is the last one.
    read_row, read_column : range
        Where it lies in the map. Without meaning in the padding.
    input : InputLayout
        What was read in the cycle before, in stage 1.
    flags : W
        The same in the other stages.
    valid : 1
        There is a word.
    word : W
    final : 1
        It is the window's last.
    """

    latency = 2

    def __init__(self, plan: GatherPlan):
        self._plan = plan
        rows, columns = (1 + max(each.size[way] for each in plan.layers) for way in (0, 1))
        super().__init__(
            {
                "stage": In(range(len(plan.layers) + 1)),
                "step": In(range(plan.steps)),
                "row": In(range(plan.most_begin(0) + 1)),
                "column": In(range(plan.most_begin(1) + 1)),
                "read": In(1),
                "end": Out(1),
                "read_row": Out(range(rows)),
                "read_column": Out(range(columns)),
                "input": In(InputLayout(plan)),
                "flags": In(plan.lanes),
                "valid": Out(1),
                "word": Out(plan.lanes),
                "final": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        lanes = self._plan.lanes
        end_down, end_across, inside_down, inside_across = (Signal() for _ in range(4))
        self._axis(m, 1, self.read, end_across, inside_across)
        self._axis(m, 0, self.read & end_across, end_down, inside_down)
        was_read, inside, end = Signal(), Signal(), Signal()
        m.d.comb += self.end.eq(end_down & end_across)
        m.d.sync += [
            was_read.eq(self.read),
            inside.eq(inside_down & inside_across),
            end.eq(self.end),
        ]

        of_inputs, fired, full = Signal(), Signal(), Signal()
        filled = Signal(range(lanes))  # bits of the word that is being packed
        m.d.sync += of_inputs.eq(self.stage == 1)
        m.d.comb += [
            fired.eq(self.input.spike & (self.input.step <= self.step) & inside),
            full.eq((filled == lanes - 1) | end | ~of_inputs),
        ]
        with m.If(was_read):
            m.d.sync += filled.eq(Mux(full, 0, filled + 1))
        packed = Cat(fired, Mux(filled == 0, 0, self.word[:-1]))
        m.d.sync += [
            self.word.eq(Mux(of_inputs, packed, Mux(inside, self.flags, 0))),
            self.valid.eq(was_read & full),
            self.final.eq(was_read & end),
        ]
        return m

    def _axis(self, m, way, advance, end, inside):
        """Counts rows (way 0) or columns (way 1) of a window. ``end``: this is the last one;
        ``inside``: it lies in the map.
        """
        name, layers = ("row", "column")[way], self._plan.layers
        # From the map's first row or column on, which the window may begin before.
        begins = [-layer.padding[way] for layer in layers]
        ends = [layer.kernel[way] - 1 - layer.padding[way] for layer in layers]
        sizes = [layer.size[way] for layer in layers]
        first, last, size = (
            by_layer(m, self.stage, [values[0], *values]) for values in (begins, ends, sizes)
        )
        at = Signal(range(min(begins), max(ends) + 1), name=f"at_{name}")
        m.d.comb += end.eq(at == last)
        m.d.sync += at.eq(first)
        with m.If(advance):
            m.d.sync += at.eq(Mux(end, first, at + 1))
        with m.Elif(self.read):
            m.d.sync += at.eq(at)

        place = getattr(self, name) + at
        m.d.comb += [getattr(self, f"read_{name}").eq(place), inside.eq(1)]
        if any(layer.leaves_map[way] for layer in layers):
            m.d.comb += inside.eq((place >= 0) & (place < size))
