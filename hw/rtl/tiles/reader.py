"""The reader: the entries of a step from a list, input tile by input tile."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.rtl.by_layer import by_layer
from hw.rtl.tiles.layouts import EntryLayout
from hw.rtl.tiles.plan import TilesPlan

__all__ = ["Reader"]


class Reader(wiring.Component):
    """Reads the segments of a step, one per input tile, and counts rows of weights on the way.

    While the entries of a segment are read, the next one is looked up. Rows of weights lie in the
    order of need: those of a tile come again in every step, then those of the next tile follow.

    Latency: ``latency`` = 5 cycles from ``start`` to the first entry.
    Throughput: one entry per cycle; three cycles per empty segment.

    Parameters
    ----------
    plan : TilesPlan

    Members
    -------
    begin : 1
        The next tile is the first of all.
    start : 1
        The next step is to be read, of a tile one after another; not while ``busy``.
    alone : 1
        Each tile has step 0 only.
    enable : 1
        Entries may be read. Without it segments are looked up only.
    layer : range(layers)
    segment : plan.segment_bits
        To be looked up in the table of segments; with ``lookup``.
    lookup : 1
    found : range(plan.list_words)
        In the next cycle.
    index : range(plan.list_words)
        The entry to be read from the list; with ``read``.
    read : 1
    word : plan.entry_bits
        In the next cycle.
    entries : stream of EntryLayout
    busy : 1
        Entries may follow.
    """

    latency = 5

    def __init__(self, plan: TilesPlan):
        self._plan = plan
        position = range(plan.list_words)
        super().__init__(
            {
                "begin": In(1),
                "start": In(1),
                "alone": In(1),
                "enable": In(1),
                "layer": In(range(len(plan.layers))),
                "segment": Out(plan.segment_bits),
                "lookup": Out(1),
                "found": In(position),
                "index": Out(position),
                "read": Out(1),
                "word": In(plan.entry_bits),
                "entries": Out(stream.Signature(EntryLayout(plan))),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        offer, accept = Signal(), Signal()  # a segment goes from the one to the other
        begin, end, base, waiting = self._look_up(m, offer, accept)
        active = self._walk(m, begin, end, base, offer, accept)
        m.d.comb += self.busy.eq(waiting | active | self.entries.valid)
        return m

    def _look_up(self, m, offer, accept):
        """Looks up the segments of a step. Returns where the one that it offers begins and ends,
        its row of weights, and whether there may be further ones.
        """
        plan = self._plan
        layers = plan.layers
        step = Signal(range(plan.steps))
        tile = Signal(range(max(each.inputs.tiles for each in layers)))
        base = Signal(range(plan.weight_rows + 1))
        first_base = Signal.like(base)
        begin, waiting, done = Signal.like(self.found), Signal(), Signal()
        rows = by_layer(m, self.layer, [each.positions * plan.lanes for each in layers])
        final = tile == by_layer(m, self.layer, [each.inputs.tiles - 1 for each in layers])
        # A segment ends where the next one begins; of the list of a table each has two words.
        words = 2 if plan.first else 1
        to_next_tile = Mux(self.alone, 0, plan.steps - 1)
        if plan.first:
            to_next_tile = Mux(self.layer == 0, 2 * plan.steps - 1, to_next_tile)
        with m.FSM():
            with m.State("IDLE"), m.If(self.start):
                m.d.sync += [
                    tile.eq(0),
                    self.segment.eq(Mux(self.layer == 0, step * words, plan.first_segment + step)),
                    step.eq(Mux(self.alone | (step == plan.steps - 1), 0, step + 1)),
                ]
                with m.If(step == 0):
                    m.d.sync += first_base.eq(base)
                with m.Else():
                    m.d.sync += base.eq(first_base)
                m.next = "BEGIN"
            with m.State("BEGIN"):
                m.d.comb += [waiting.eq(1), self.lookup.eq(1)]
                m.d.sync += self.segment.eq(self.segment + 1)
                m.next = "END"
            with m.State("END"):
                m.d.comb += [waiting.eq(1), self.lookup.eq(1)]
                m.d.sync += begin.eq(self.found)
                m.next = "FOUND"
            with m.State("FOUND"):
                m.d.comb += [
                    waiting.eq(1),
                    offer.eq(begin != self.found),
                    done.eq(~offer | accept),
                ]
                with m.If(done):
                    m.d.sync += [
                        tile.eq(tile + 1),
                        base.eq(base + rows),
                        self.segment.eq(self.segment + to_next_tile),
                    ]
                    m.next = "BEGIN"
                with m.If(done & final):
                    m.next = "IDLE"
        with m.If(self.begin):
            m.d.sync += base.eq(plan.first_row)
        return begin, self.found, base, waiting

    def _walk(self, m, begin, end, base, offer, accept):
        """Reads the entries of a segment. Returns whether there are further ones."""
        active, waits = Signal(), Signal()
        last, following = Signal.like(end), Signal(range(self._plan.list_words + 1))
        held, arrived, word = Signal(), Signal(), Signal.like(self.word)
        entry, walk_base = self.entries.payload, Signal.like(base)
        m.d.comb += [
            active.eq(self.index != last),
            following.eq(self.index + 1),
            waits.eq(self.entries.valid & ~self.entries.ready),
            self.read.eq(active & ~waits & self.enable),
            accept.eq(offer & (~active | (self.read & (following == last)))),
            self.entries.valid.eq(arrived | held),
            Cat(entry.mask, entry.x, entry.y).eq(Mux(held, word, self.word)),
        ]
        m.d.sync += [arrived.eq(self.read), held.eq(waits)]
        with m.If(arrived):
            m.d.sync += word.eq(self.word)
        with m.If(self.read):
            m.d.sync += [self.index.eq(following), entry.base.eq(walk_base)]
        with m.If(accept):
            m.d.sync += [self.index.eq(begin), last.eq(end), walk_base.eq(base)]
        return active
