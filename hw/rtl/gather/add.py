"""Add: the spikes of a window, times the weights of each channel, W of them per cycle."""

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from hw.rtl.gather.plan import GatherPlan
from hw.rtl.popcount import compressed
from hw.rtl.weights import row_word

__all__ = ["Add"]


class Add(wiring.Component):
    """Keeps the words of a window that have any spike, each with its number in the window and its
    number of spikes n; then makes the margins of a group's channels, one after another:
    ``V = Σ 2 · popcount(spikes & weights) − n``.

    A channel that has fired before takes one cycle, in which it is passed over; any other as many
    as words were kept.

    Latency: ``latency`` = 5 cycles from the last word of a channel to ``complete``.
    Throughput: a word, times the weights of one channel, per cycle.

    Parameters
    ----------
    plan : GatherPlan

    Members
    -------
    valid, word, final
        The words of a window, as :class:`~hw.rtl.gather.collect.Collect` has them.
    clear : 1
        A window begins: words that were kept are dropped.
    collected : 1
        In the cycle after ``final``: its last word is being kept.
    spikes : 1
        Some word that is kept has any.
    group : range(plan.groups)
        From ``load`` to ``done``.
    load : 1
        ``fired`` is taken.
    fired : W
        Channels of the group that have fired before.
    lanes : range(W + 1)
        Channels of the group; those behind them are passed over.
    final_lane : range(W)
        The last channel that is looked at.
    run : 1
        The next word of a channel is added; not in the cycle after ``collected`` or ``load``.
    end : 1
        With ``run``: it is the last one.
    complete : 1
        A channel's margin is complete.
    margin : signed
        V − θ; without meaning if the channel has fired before.
    lane : range(W)
        Which.
    fires : 1
        It fires now.
    done : 1
        It is the last one.
    flags : W
        In the cycle after ``done``, if W channels were looked at: those that have fired by now.
    """

    latency = 5

    def __init__(self, plan: GatherPlan):
        self._plan = plan
        lanes = plan.lanes
        super().__init__(
            {
                "valid": In(1),
                "word": In(lanes),
                "final": In(1),
                "clear": In(1),
                "collected": Out(1),
                "spikes": Out(1),
                "group": In(range(plan.groups)),
                "load": In(1),
                "fired": In(lanes),
                "lanes": In(range(lanes + 1)),
                "final_lane": In(range(lanes)),
                "run": In(1),
                "end": Out(1),
                "complete": Out(1),
                "margin": Out(signed(plan.margin_bits)),
                "lane": Out(range(lanes)),
                "fires": Out(1),
                "done": Out(1),
                "flags": Out(lanes),
            }
        )

    def elaborate(self, platform):
        m = Module()
        plan, lanes = self._plan, self._plan.lanes
        block = {"ram_style": "block"}
        kept = data.StructLayout({"word": lanes, "count": range(lanes + 1)})
        m.submodules.words = words = memory.Memory(
            shape=kept, depth=plan.most_words, init=[], attrs=block
        )
        m.submodules.numbers = numbers = memory.Memory(
            shape=range(plan.most_words), depth=plan.most_words, init=[], attrs=block
        )
        m.submodules.rows = weights = memory.Memory(
            shape=lanes,
            depth=len(plan.weights),
            init=[row_word(row) for row in plan.weights],
            attrs=block,
        )
        m.submodules.starts = presets = memory.Memory(
            shape=plan.margin_bits,
            depth=len(plan.presets),
            init=[each & (1 << plan.margin_bits) - 1 for each in plan.presets],
            attrs=block,
        )
        word, number, weight, preset = (
            each.read_port() for each in (words, numbers, weights, presets)
        )

        # Spikes that are counted: of a word that comes in, or of one that is added
        counted = Signal(lanes, reset_less=True)
        count, adding = Signal(range(lanes + 1)), Signal()
        m.d.comb += count.eq(compressed(m, list(counted), "counted"))
        m.d.sync += counted.eq(Mux(adding, word.data.word & weight.data, self.word))
        with m.If(self.clear):
            m.d.sync += adding.eq(0)
        with m.If(self.run):
            m.d.sync += adding.eq(1)

        top = self._keep(m, words.write_port(), numbers.write_port(), counted, count)
        first, last, fired, entry, lane = self._issue(m, top)

        # A stage per cycle: the word's number, both words, what they have in common, its sum
        entry_1, lane_1 = Signal.like(entry), Signal.like(lane, reset_less=True)
        base = Signal(range(max(plan.bases) + 1), reset_less=True)
        m.d.sync += [
            entry_1.eq(entry),
            lane_1.eq(lane),
            base.eq(Array(plan.bases)[self.group]),
        ]
        m.d.comb += [
            number.addr.eq(entry),
            word.addr.eq(entry_1),
            weight.addr.eq(Cat(lane_1, base + number.data)),
        ]
        spikes, change = Signal(range(lanes + 1)), Signal(range(-lanes, lanes + 1))
        m.d.sync += [spikes.eq(word.data.count), change.eq(2 * count - spikes)]

        first, last, fired, end = (
            _delayed(m, each, stages)
            for each, stages in ((first, 4), (last, 4), (fired, 5), (self.run & self.end, 5))
        )
        summed = Signal(range(lanes))  # the lane whose margin is summed
        following = Signal.like(summed)
        m.d.comb += [
            following.eq(summed + last),
            preset.addr.eq(Cat(following, self.group)),
            self.lane.eq(summed - 1),
            self.done.eq(end),
            self.fires.eq(self.complete & ~fired & ~self.margin[-1]),
        ]
        m.d.sync += [
            summed.eq(following),
            self.complete.eq(last),
            self.margin.eq(Mux(first, preset.data.as_signed(), self.margin) + change),
        ]
        with m.If(self.load):
            m.d.sync += [summed.eq(0), self.flags.eq(0)]
        with m.If(self.complete):
            m.d.sync += self.flags.eq(Cat(self.flags[1:], fired | ~self.margin[-1]))
        return m

    def _keep(self, m, words, numbers, counted, count):
        """Writes the words with spikes; one without, if there is no other. The last one's place."""
        came, ended, number = Signal(), Signal(), Signal(range(self._plan.most_words))
        top = Signal(bits_for(self._plan.most_words), init=-1)  # all ones: none
        place, none = Signal.like(words.addr), Signal()
        m.d.sync += [came.eq(self.valid), ended.eq(self.final)]
        m.d.comb += [
            none.eq(top.all()),
            self.collected.eq(ended),
            place.eq(top + 1),
            words.addr.eq(place),
            numbers.addr.eq(place),
            words.data.word.eq(counted),
            words.data.count.eq(count),
            numbers.data.eq(number),
            words.en.eq(came & ((count != 0) | (ended & none))),
            numbers.en.eq(words.en),
        ]
        with m.If(came):
            m.d.sync += number.eq(Mux(ended, 0, number + 1))
        with m.If(words.en):
            m.d.sync += top.eq(top + 1)
            m.d.sync += self.spikes.eq(count != 0)  # or it is the only one
        with m.If(self.clear):
            m.d.sync += [top.eq(-1), self.spikes.eq(0)]
        return top

    def _issue(self, m, top):
        """Which entry and lane is looked up; whether it is the lane's first or last entry, and
        whether the lane has fired before.
        """
        lanes = self._plan.lanes
        entry, lane = Signal.like(top, reset_less=True), Signal(range(lanes))
        fired, first, last = Signal(lanes, reset_less=True), Signal(), Signal()
        m.d.comb += [
            last.eq((entry == 0) | fired[0] | (lane >= self.lanes)),
            self.end.eq(last & (lane == self.final_lane)),
        ]
        m.d.sync += entry.eq(top)
        with m.If(self.run):
            m.d.sync += first.eq(last)
            with m.If(last):
                m.d.sync += [lane.eq(lane + 1), fired.eq(fired >> 1)]
            with m.Else():
                m.d.sync += entry.eq(entry - 1)
        with m.If(self.load):
            m.d.sync += [lane.eq(0), fired.eq(self.fired), first.eq(1)]
        return first, self.run & last, fired[0], entry, lane


def _delayed(m: Module, value: Value, stages: int) -> Value:
    """``value`` so many cycles later."""
    for _ in range(stages):
        before, value = value, Signal()
        m.d.sync += value.eq(before)
    return value
