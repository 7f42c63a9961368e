"""A convolution over the lines of a map, with its pooling, one unit per cycle."""

from amaranth.hdl import Array, Cat, Const, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.rtl.lines.constants import chosen
from hw.rtl.lines.plan import ConvPlan
from hw.rtl.lines.rows import Rows, load_ports, load_starts, realign
from hw.rtl.popcount import compressed

__all__ = ["ConvStage", "UnitLayout"]


class UnitLayout(data.StructLayout):
    """A unit that is evaluated, for those who watch: place by place, at each of them channel by
    channel, and of a pooling's window unit by unit.

    Members
    -------
    valid : 1
    fires : 1
    """

    def __init__(self):
        super().__init__({"valid": 1, "fires": 1})


class ConvStage(wiring.Component):
    """The units of a convolution and of the pooling behind it, as the places come that they see.

    The lines are a shift register of all places from the first that a window sees to the last. As
    a window is complete, its units are evaluated: channel by channel, and for each channel place
    by place of the pooling's window, whose spikes are an OR. One popcount serves all of them.

    Throughput: an input bit per cycle; at each window ``plan.channels`` times the places of the
    pooling's window cycles more, in which none is taken. Nothing depends on the data.

    Parameters
    ----------
    plan : ConvPlan
    loaded : bool
        Weights and thresholds come through ``load_0`` and ``load_1``.

    Members
    -------
    inputs : stream of 1
        Which units of the layer before fire: place by place, at each of them channel by channel;
        map after map without a mark.
    spikes : stream of 1
        Its own, likewise.
    unit : UnitLayout
    load_0, load_1 : WordLayout
        Only where ``loaded``: the words of the plan's tables.
    """

    def __init__(self, plan: ConvPlan, *, loaded: bool):
        self._plan = plan
        self._loaded = loaded
        super().__init__(
            {
                "inputs": In(stream.Signature(1)),
                "spikes": Out(stream.Signature(1)),
                "unit": Out(UnitLayout()),
                **load_ports(plan.tables, loaded=loaded),
            }
        )

    def elaborate(self, platform):
        m = Module()
        busy = Signal()
        channel = Signal(range(self._plan.channels), reset_less=self._loaded)
        turn = realign(m, self.load_0, channel) if self._loaded else Const(0)
        lines = self._take(m, busy, turn)
        self._evaluate(m, busy, lines, channel, turn)
        return m

    def _take(self, m, busy, turn):
        """Shifts inputs into the lines, and what never fires between them; gives the lines."""
        plan = self._plan
        channels, height, width = plan.inputs
        top, _, left, _ = plan.kind.padding
        rows, columns = plan.grid
        # The first row has no row before it whose border would be its own; but for that, what the
        # lines hold at the start is not looked at.
        border = Signal(left * channels)
        kept = Signal(plan.kept - left * channels, reset_less=True)
        lines = Cat(border, kept)

        channel, x, y = Signal(range(channels)), Signal(range(columns)), Signal(range(rows))
        silent, step = Signal(), Signal()
        m.d.comb += [
            silent.eq((x >= width) | (y < top) | (y >= top + height)),
            step.eq(~busy & ~turn & (silent | self.inputs.valid)),
            self.inputs.ready.eq(~busy & ~turn & ~silent),
        ]
        due = [
            chosen(m, at, [index in last for index in range(count)], name)
            for name, last, count, at in zip(
                ("due_y", "due_x"), plan.due, plan.grid, (y, x), strict=True
            )
        ]
        with m.If(step):
            m.d.sync += [
                lines.eq(Cat(self.inputs.payload & ~silent, lines)),
                channel.eq(channel + 1),
            ]
            with m.If(channel == channels - 1):
                m.d.sync += [channel.eq(0), x.eq(x + 1), busy.eq(due[0] & due[1])]
                with m.If(x == columns - 1):
                    m.d.sync += [x.eq(0), y.eq(y + 1)]
                    with m.If(y == rows - 1):
                        m.d.sync += y.eq(0)
        return lines

    def _evaluate(self, m, busy, lines, channel, turn):
        """The units of the window that the lines end with."""
        plan = self._plan
        m.submodules.weights = weights = Rows(plan.tables[0], loaded=self._loaded)
        m.submodules.least = least = Rows(plan.tables[1], loaded=self._loaded)
        for k, rows in enumerate((weights, least) if self._loaded else ()):
            m.d.comb += rows.load.eq(getattr(self, f"load_{k}"))

        places = plan.window[0] * plan.window[1]
        place = Signal(range(places))
        seen, before, fires = Signal(plan.taps), Signal(), Signal()
        windows = Array(Cat(lines[tap] for tap in plan.tap(place)) for place in range(places))
        agree = Signal(plan.taps)  # else each bit of it is written out as an expression of its own
        matches = compressed(m, list(agree), "matches")
        done = Signal()  # with the last place of a window
        m.d.comb += [
            seen.eq(windows[place]),
            agree.eq(~(seen ^ weights.row)),
            fires.eq(matches >= least.row),
            self.spikes.valid.eq(busy & (place == places - 1)),
            self.spikes.payload.eq(before | fires),
            done.eq(self.spikes.valid & self.spikes.ready),
            self.unit.valid.eq(busy & (done | ~self.spikes.valid)),
            self.unit.fires.eq(fires),
        ]
        for rows in (weights, least):
            m.d.comb += [rows.low.eq(channel), rows.advance.eq(done | turn)]
        with m.If(done | turn):
            m.d.sync += [place.eq(0), before.eq(0), channel.eq(channel + 1)]
            with m.If(channel == plan.channels - 1):
                m.d.sync += [channel.eq(0), busy.eq(0)]
        with m.Elif(busy & ~self.spikes.valid):
            m.d.sync += [place.eq(place + 1), before.eq(before | fires)]
        if self._loaded:
            load_starts(m, self.load_0, channel)
