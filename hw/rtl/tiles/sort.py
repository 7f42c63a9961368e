"""Sort: the spikes of an input, in any order, become the list of the inputs, step by step."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.rtl.tiles.layouts import PlacedLayout
from hw.rtl.tiles.plan import TilesPlan

__all__ = ["Sort"]


class Sort(wiring.Component):
    """Sorts the input spikes of an inference by their steps, by counting.

    While they come they are kept in the odd list, which is still free, and counted in the table of
    segments. Then the counts become the places where the steps begin, and each spike goes to the
    next place of its step in the even list. At the end, the place of a step is where the one after
    it begins: so the table has each step's a word later.

    Latency: 2 · T + 2 · n + 3 cycles from the last unit to ``done`` if n fire, 2 · T + 1 if none
    does; one more if the last one fires.
    Throughput: a unit per cycle, one that fires every two cycles.

    Parameters
    ----------
    plan : TilesPlan

    Members
    -------
    placed : stream of PlacedLayout
        Until ``done``.
    segment : plan.segment_bits
        In the table of segments, of the even list.
    lookup, write_segment : 1
    found : range(plan.list_words)
        One cycle after the lookup.
    position : range(plan.list_words)
        What is written to the table.
    odd : 1
    index : range(plan.list_words)
        In the list of odd or even layers.
    read, write : 1
    word : plan.entry_bits
        What is written to the list.
    data : plan.entry_bits
        What was read from the list in the cycle before.
    count : range(plan.list_words)
        Spikes of the inference.
    done : 1
        The even list and its segments are complete. Stays until the next reset.
    """

    def __init__(self, plan: TilesPlan):
        self._plan = plan
        position = range(plan.list_words)
        super().__init__(
            {
                "placed": In(stream.Signature(PlacedLayout(plan))),
                "segment": Out(plan.segment_bits),
                "lookup": Out(1),
                "found": In(position),
                "write_segment": Out(1),
                "position": Out(position),
                "odd": Out(1),
                "index": Out(position),
                "read": Out(1),
                "write": Out(1),
                "word": Out(plan.entry_bits),
                "data": In(plan.entry_bits),
                "count": Out(position),
                "done": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        plan, placed = self._plan, self.placed.payload
        unsorted = data.StructLayout(
            {name: placed.shape()[name].shape for name in ("step", "lane", "x", "y")}
        )
        spike, last = Signal(unsorted), Signal()
        index = Signal(range(plan.list_words + 1), name="next_index")
        step = Signal(range(plan.steps + 1), name="next_step")
        begin = Signal.like(self.position)
        # The word of a step is that behind its own.
        word_of_spike = spike.step + 1
        mask = Cat(spike.lane == lane for lane in range(plan.lanes))

        with m.FSM():
            with m.State("CLEAR"):
                m.d.comb += [self.segment.eq(step), self.write_segment.eq(1)]
                m.d.sync += step.eq(step + 1)
                with m.If(step == plan.steps):
                    m.d.sync += step.eq(0)
                    m.next = "TAKE"
            with m.State("TAKE"):
                m.d.comb += [
                    self.placed.ready.eq(1),
                    self.segment.eq(placed.step + 1),
                    self.lookup.eq(1),
                ]
                m.d.sync += [spike[name].eq(placed[name]) for name in ("step", "lane", "x", "y")]
                m.d.sync += last.eq(placed.last)
                with m.If(self.placed.valid & placed.spike):
                    m.next = "COUNT"
                with m.Elif(self.placed.valid & placed.last):
                    m.next = "LOOK UP"
            with m.State("COUNT"):
                m.d.comb += [
                    self.segment.eq(word_of_spike),
                    self.position.eq(self.found + 1),
                    self.write_segment.eq(1),
                    self.odd.eq(1),
                    self.index.eq(self.count),
                    self.word.eq(spike),
                    self.write.eq(1),
                ]
                m.d.sync += self.count.eq(self.count + 1)
                with m.If(last):
                    m.next = "LOOK UP"
                with m.Else():
                    m.next = "TAKE"
            with m.State("LOOK UP"):
                m.d.comb += [self.segment.eq(step + 1), self.lookup.eq(1)]
                m.next = "PLACE"
            with m.State("PLACE"):
                m.d.comb += [
                    self.segment.eq(step + 1),
                    self.position.eq(begin),
                    self.write_segment.eq(1),
                ]
                m.d.sync += [begin.eq(begin + self.found), step.eq(step + 1)]
                with m.If(step != plan.steps - 1):
                    m.next = "LOOK UP"
                with m.Elif(self.count == 0):
                    m.next = "DONE"
                with m.Else():
                    m.next = "FETCH"
            with m.State("FETCH"):
                m.d.comb += [self.odd.eq(1), self.index.eq(index), self.read.eq(1)]
                m.d.sync += index.eq(index + 1)
                m.next = "FETCHED"
            with m.State("FETCHED"):
                m.d.sync += spike.eq(self.data)
                m.next = "FIND"
            with m.State("FIND"):
                m.d.comb += [
                    self.segment.eq(word_of_spike),
                    self.lookup.eq(1),
                    self.odd.eq(1),
                    self.index.eq(index),
                    self.read.eq(1),
                ]
                m.d.sync += index.eq(index + 1)
                m.next = "MOVE"
            with m.State("MOVE"):
                m.d.comb += [
                    self.segment.eq(word_of_spike),
                    self.position.eq(self.found + 1),
                    self.write_segment.eq(1),
                    self.index.eq(self.found),
                    self.word.eq(Cat(mask, spike.x, spike.y)),
                    self.write.eq(1),
                ]
                m.d.sync += spike.eq(self.data)
                m.next = "FIND"
                with m.If(index == self.count + 1):
                    m.next = "DONE"
            with m.State("DONE"):
                m.d.comb += self.done.eq(1)
        return m
