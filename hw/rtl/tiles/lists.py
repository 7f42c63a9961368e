"""The memories of spikes: two lists of entries, and where their segments begin."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from hw.rtl.spram import COLUMN, SinglePortMemory
from hw.rtl.tiles.plan import TilesPlan

__all__ = ["ListMemory", "SegmentTable"]


class ListMemory(wiring.Component):
    """Two lists in one memory, that of even and that of odd layers: one grows from the first word
    up, the other from the last word down. In a cycle an entry is read or one is written.

    Words of up to 16 bits are in a single-port memory (SPRAM on an iCE40 UP5K).

    Latency: 1 cycle.

    Parameters
    ----------
    plan : TilesPlan

    Members
    -------
    odd : 1
        Which list.
    index : range(plan.list_words)
        Which of its entries.
    read, write : 1
        Not both.
    word : plan.entry_bits
        What is written.
    data : plan.entry_bits
        What was read in the cycle before.
    """

    def __init__(self, plan: TilesPlan):
        self._depth = plan.list_words
        self._width = plan.entry_bits
        super().__init__(
            {
                "odd": In(1),
                "index": In(range(plan.list_words)),
                "read": In(1),
                "write": In(1),
                "word": In(plan.entry_bits),
                "data": Out(plan.entry_bits),
            }
        )

    def elaborate(self, platform):
        m = Module()
        address = Signal.like(self.index)
        m.d.comb += address.eq(Mux(self.odd, self._depth - 1 - self.index, self.index))
        if self._width <= COLUMN:
            m.submodules.entries = entries = SinglePortMemory(
                depth=self._depth, columns=1, width=self._width
            )
            m.d.comb += [
                entries.address.eq(address),
                entries.enable.eq(self.read | self.write),
                entries.write.eq(self.write),
                entries.word.eq(self.word),
                self.data.eq(entries.data),
            ]
            return m
        m.submodules.entries = entries = memory.Memory(
            shape=self._width, depth=self._depth, init=[], attrs={"ram_style": "block"}
        )
        read, write = entries.read_port(), entries.write_port()
        m.d.comb += [
            read.addr.eq(address),
            read.en.eq(self.read),
            write.addr.eq(address),
            write.en.eq(self.write),
            write.data.eq(self.word),
            self.data.eq(read.data),
        ]
        return m


class SegmentTable(wiring.Component):
    """Where the segments of both lists begin: segment tile · T + step has a tile's spikes of a
    step; it ends where the next one begins.

    Latency: 1 cycle.

    Parameters
    ----------
    plan : TilesPlan

    Members
    -------
    read_odd, write_odd : 1
        Which list.
    read_segment, write_segment : plan.segment_bits
    read, write : 1
        Not both for the same segment.
    word : range(plan.list_words)
        Index of an entry; is written.
    data : range(plan.list_words)
        What was read in the cycle before; stays until the next read.
    """

    def __init__(self, plan: TilesPlan):
        self._plan = plan
        super().__init__(
            {
                "read_odd": In(1),
                "read_segment": In(plan.segment_bits),
                "read": In(1),
                "data": Out(range(plan.list_words)),
                "write_odd": In(1),
                "write_segment": In(plan.segment_bits),
                "write": In(1),
                "word": In(range(plan.list_words)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        plan = self._plan
        m.submodules.segments = segments = memory.Memory(
            shape=self.data.shape(),
            depth=2 << plan.segment_bits,
            init=[],
            attrs={"ram_style": "block", "no_rw_check": 1},
        )
        read, write = segments.read_port(), segments.write_port()
        m.d.comb += [
            read.addr.eq(self.read_segment),
            read.addr[-1].eq(self.read_odd),
            read.en.eq(self.read),
            self.data.eq(read.data),
            write.addr.eq(self.write_segment),
            write.addr[-1].eq(self.write_odd),
            write.data.eq(self.word),
            write.en.eq(self.write),
        ]
        return m
