"""The lists of places: of each its words with a value that is not 0."""

from amaranth.hdl import Module, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from hw.rtl.bistable.layouts import EntryLayout

__all__ = ["ListMemory", "ListWriter"]


class ListMemory(wiring.Component):
    """Entries of the lists of maps.

    Latency: 1 cycle to read.

    Parameters
    ----------
    words : int
        Entries.
    entry : EntryLayout

    Members
    -------
    address : range(words)
    read : 1
    entry : EntryLayout
        That was read last.
    write : 1
    write_address : range(words)
    written : EntryLayout
    """

    def __init__(self, *, words: int, entry: EntryLayout):
        self._words = words
        super().__init__(
            {
                "address": In(range(words)),
                "read": In(1),
                "entry": Out(entry),
                "write": In(1),
                "write_address": In(range(words)),
                "written": In(entry),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.entries = entries = memory.Memory(
            shape=self.entry.shape(), depth=self._words, init=[], attrs={"ram_style": "block"}
        )
        read, write = entries.read_port(), entries.write_port()
        m.d.comb += [
            read.addr.eq(self.address),
            read.en.eq(self.read),
            self.entry.eq(read.data),
            write.addr.eq(self.write_address),
            write.en.eq(self.write),
            write.data.eq(self.written),
        ]
        return m


class ListWriter(wiring.Component):
    """Makes lists of words that come place by place.

    An entry is written when it is known whether the place has more: with the next word that is
    kept, or in the cycle after the place's last word. A place without any has an entry without
    values.

    Latency: 1 cycle from a place's last word to its last entry.
    Throughput: one word per cycle.

    Parameters
    ----------
    address_bits : int
    entry : EntryLayout

    Members
    -------
    start : 1
        A map begins at ``first``, with ``slots`` entries per place; not with a word.
    first : address_bits
    slots : address_bits + 1
        Constant from ``start`` on.
    valid : 1
        A word.
    values, slot
        As in the entry.
    place_ends : 1
        It is the place's last.
    write : 1
    address : address_bits
    written : EntryLayout
    """

    def __init__(self, *, address_bits: int, entry: EntryLayout):
        super().__init__(
            {
                "start": In(1),
                "first": In(address_bits),
                "slots": In(address_bits + 1),
                "valid": In(1),
                "values": In(entry["values"].shape),
                "slot": In(entry["slot"].shape),
                "place_ends": In(1),
                "write": Out(1),
                "address": Out(address_bits),
                "written": Out(entry),
            }
        )

    def elaborate(self, platform):
        m = Module()
        values, slot = Signal.like(self.values), Signal.like(self.slot)
        there = Signal()  # they have to be written
        ended = Signal()  # they are the place's last
        following = Signal.like(self.address)  # where the next place begins
        some = Signal()
        m.d.comb += [
            some.eq(self.values.as_value().any()),
            self.write.eq(ended | (self.valid & there & some)),
            self.written.values.eq(values),
            self.written.slot.eq(slot),
            self.written.more.eq(~ended),
        ]
        with m.If(self.valid & (ended | ~there | some)):
            m.d.sync += [values.eq(self.values), slot.eq(self.slot), there.eq(some)]
        with m.Elif(ended):
            m.d.sync += there.eq(0)
        m.d.sync += ended.eq(self.valid & self.place_ends)
        with m.If(ended):
            m.d.sync += [self.address.eq(following), following.eq(following + self.slots)]
        with m.Elif(self.write):
            m.d.sync += self.address.eq(self.address + 1)
        with m.If(self.start):
            m.d.sync += [self.address.eq(self.first), following.eq(self.first + self.slots)]
        return m
