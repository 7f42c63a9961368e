"""The first layer by a table, while the pixels stream in."""

from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.rtl.encoder import ArrivalLayout
from hw.rtl.priority import LowestBit
from hw.rtl.tiles.layouts import EmittedLayout
from hw.rtl.tiles.plan import TilesPlan

__all__ = ["FirstTable"]


class FirstTable(wiring.Component):
    """Makes the first layer and the pooling behind it, window by window of the pooling, as soon as
    all pixels that it sees have come (hw.rtl.tiles.first_layer), and writes the list of its spikes.

    Lines of firing steps are kept, and of them what a window sees. Step by step, those places of
    the window that see a pixel which fires in it are looked up. The lanes that fire for the first
    time become an entry for each tile. Each segment, of a tile's entries of a step, has words of
    its own, so that nothing is sorted; the table of segments has where each begins and, being
    counted on, where it ends.

    While a window is made no pixel is taken: most windows see none that fires. Padding to the right
    and below takes a cycle for each place.

    Latency: of a window without spikes a cycle; of another one T, and for each step in which one of
    its places sees a spike 2 cycles, one for each such place, and two for each entry. ``done``
    comes two cycles after the last position, and its window if it completes one.

    Parameters
    ----------
    plan : TilesPlan
        With a ``first``.

    Members
    -------
    arrivals : stream of ArrivalLayout
    pattern : range(2^taps)
        The row of the table that is looked up; with ``read``.
    read : 1
    fires : channels
        In the next cycle.
    segment : plan.segment_bits
        In the table of segments, of the even list.
    lookup, write_segment : 1
    found : range(plan.list_words)
        One cycle after the lookup.
    position : range(plan.list_words)
        What is written to the table.
    index : range(plan.list_words)
        In the even list.
    entered : EmittedLayout
        The entry that is written there; of layer 0.
    done : 1
        The list and its segments are complete. Stays until the next reset.
    """

    def __init__(self, plan: TilesPlan):
        assert plan.first
        self._plan = plan
        self._first = plan.first
        position = range(plan.list_words)
        super().__init__(
            {
                "arrivals": In(stream.Signature(ArrivalLayout(1, plan.steps))),
                "pattern": Out(range(len(self._first.fires))),
                "read": Out(1),
                "fires": In(self._first.channels),
                "segment": Out(plan.segment_bits),
                "lookup": Out(1),
                "found": In(position),
                "write_segment": Out(1),
                "position": Out(position),
                "index": Out(position),
                "entered": Out(EmittedLayout(plan)),
                "done": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        plan, first, entered = self._plan, self._first, self.entered
        lanes, tiles = plan.lanes, plan.inputs.tiles
        taken = Signal()  # the raster goes on by a position
        window, complete, over, virtual = self._raster(m, taken)
        every = sorted({tap for taps in first.taps for tap in taps})
        step = Signal(range(plan.steps), name="current_step")
        begin = Signal.like(self.position)
        number = Signal(range(plan.first_segment), name="cleared")
        any_spike, changed = Signal(), Signal(len(first.taps))
        arrived, now, fired = Signal(), Signal(first.channels), Signal(first.channels)
        fresh = Signal(tiles * lanes)
        on = {tap: Signal(name=f"on_{tap[0]}_{tap[1]}", reset_less=True) for tap in every}
        m.submodules.place = place = LowestBit(len(first.taps))
        m.submodules.tile = tile = LowestBit(tiles)

        news = {tap: window[tap].spike & (window[tap].step == step) for tap in every}
        begins = (step == 0) if first.spontaneous else 0
        m.d.comb += [
            any_spike.eq(_any(window[tap].spike for tap in every)),
            changed.eq(Cat(_any(news[tap] for tap in taps) | begins for taps in first.taps)),
            self.pattern.eq(
                Cat(
                    _any(on[taps[bit]] & place.onehot[k] for k, taps in enumerate(first.taps))
                    for bit in range(len(first.taps[0]))
                )
            ),
            fresh.eq(now & ~fired),
            tile.i.eq(Cat(fresh.word_select(k, lanes).any() for k in range(tiles))),
            entered.step.eq(step),
        ]
        m.d.sync += arrived.eq(self.read)
        with m.If(arrived):
            m.d.sync += now.eq(now | self.fires)

        with m.FSM():
            with m.State("CLEAR"):
                m.d.comb += [
                    self.segment.eq(number),
                    self.position.eq(begin),
                    self.write_segment.eq(1),
                ]
                m.d.sync += number.eq(number + 1)
                with m.If(number[0]):
                    m.d.sync += begin.eq(begin + plan.inputs.height * plan.inputs.width)
                with m.If(number == plan.first_segment - 1):
                    m.next = "TAKE"
            with m.State("TAKE"):
                m.d.sync += [fired.eq(0), step.eq(0)]
                with m.If(over):
                    m.next = "DONE"
                with m.Else():
                    m.d.comb += [
                        self.arrivals.ready.eq(~virtual),
                        taken.eq(virtual | self.arrivals.valid),
                    ]
                    with m.If(taken & complete):
                        m.next = "STEP"
            with m.State("STEP"):
                m.d.sync += [
                    on[tap].eq(window[tap].spike & (window[tap].step <= step)) for tap in on
                ]
                m.d.sync += [place.i.eq(changed), now.eq(0)]
                with m.If(~any_spike & ~changed.any()):
                    m.next = "TAKE"
                with m.Elif(changed.any()):
                    m.next = "LOOK UP"
                with m.Else():
                    self._next_step(m, step)
            with m.State("LOOK UP"):
                m.d.comb += self.read.eq(1)
                m.d.sync += place.i.eq(place.rest)
                with m.If(~place.several):
                    m.next = "FOUND"
            with m.State("FOUND"):
                m.next = "ENTER"
            with m.State("ENTER"):
                m.d.comb += [self.lookup.eq(1), self.segment.eq(Cat(1, step, tile.index))]
                chosen = [
                    fresh.word_select(k, lanes) & tile.onehot[k].replicate(lanes)
                    for k in range(tiles)
                ]
                m.d.sync += [
                    fired.eq(fired | Cat(chosen)),
                    entered.mask.eq(_any(chosen)),
                    entered.tile.eq(tile.index),
                ]
                with m.If(tile.any):
                    m.next = "WRITE"
                with m.Else():
                    self._next_step(m, step)
            with m.State("WRITE"):
                m.d.comb += [
                    entered.valid.eq(1),
                    self.index.eq(self.found),
                    self.segment.eq(Cat(1, step, entered.tile)),
                    self.write_segment.eq(1),
                    self.position.eq(self.found + 1),
                ]
                m.next = "ENTER"
            with m.State("DONE"):
                m.d.comb += self.done.eq(1)
        return m

    def _next_step(self, m, step):
        m.d.sync += step.eq(step + 1)
        m.next = "STEP"
        with m.If(step == self._plan.steps - 1):
            m.next = "TAKE"

    def _raster(self, m, taken):
        """Pixel by pixel over the image and the padding behind it. Returns the field that ends with
        the position before, {(row, column): pixel}; whether a window is complete with the one that
        is taken now; whether all have been taken; and whether this one is of the padding.
        """
        first, entered = self._first, self.entered
        (height, width), (rows, columns) = first.shape, first.span
        y, x, over = Signal(range(rows)), Signal(range(columns)), Signal()
        # Positions until a window is complete, and its number.
        to_row, to_column = (
            Signal(range(max(begin + 1, move)), init=begin, name=name)
            for begin, move, name in zip(
                first.begin, first.move, ("to_row", "to_column"), strict=True
            )
        )
        row, column = Signal(range(first.windows[0] + 1)), Signal(range(first.windows[1] + 1))
        last_row, last_column, virtual = Signal(), Signal(), Signal()
        m.d.comb += [
            last_row.eq(y == rows - 1),
            last_column.eq(x == columns - 1),
            virtual.eq((y >= height) | (x >= width)),
        ]
        with m.If(taken):
            m.d.sync += [x.eq(x + 1), to_column.eq(to_column - 1), entered.x.eq(column)]
            with m.If(to_column == 0):
                m.d.sync += [to_column.eq(first.move[1] - 1), column.eq(column + 1)]
            with m.If(last_column):
                m.d.sync += [x.eq(0), to_column.eq(first.begin[1]), column.eq(0)]
                m.d.sync += [y.eq(y + 1), to_row.eq(to_row - 1), over.eq(last_row)]
                with m.If(to_row == 0):
                    m.d.sync += [to_row.eq(first.move[0] - 1), row.eq(row + 1)]
            m.d.sync += entered.y.eq(row)
        field = self._field(m, taken, virtual, x, last_column)
        return field, (to_row == 0) & (to_column == 0), over, virtual

    def _field(self, m, taken, virtual, x, last_column):
        """The pixels that a window sees: the lines above come from a memory, in columns."""
        first, arrival = self._first, self.arrivals.payload
        pixel = data.StructLayout({"spike": 1, "step": range(self._plan.steps)})
        rows, columns = first.field
        current = Signal(pixel)
        m.d.comb += [current.spike.eq(arrival.spike & ~virtual), current.step.eq(arrival.step[0])]
        entering = [current]
        if rows > 1:
            m.submodules.lines = lines = memory.Memory(
                shape=data.ArrayLayout(pixel, rows - 1),
                depth=first.shape[1],
                init=[],
                attrs={"ram_style": "block", "no_rw_check": 1},
            )
            read, write = lines.read_port(), lines.write_port()
            known = Signal(rows - 1)  # lines of this image, the newest in the highest bit
            inside = x < first.shape[1]
            above = [Signal(pixel, name=f"above_{k}") for k in range(rows - 1)]
            m.d.comb += [
                read.addr.eq(Mux(taken, Mux(last_column, 0, x + 1), x)),
                write.addr.eq(x),
                write.en.eq(taken & inside),
                Cat(write.data).eq(Cat(Cat(read.data)[pixel.size :], current)),
            ]
            for k, each in enumerate(above):
                m.d.comb += [
                    each.spike.eq(read.data[k].spike & known[k] & inside),
                    each.step.eq(read.data[k].step),
                ]
            with m.If(taken & last_column):
                m.d.sync += known.eq(Cat(known[1:], 1))
            entering = [*above, current]
        field = {
            (r, c): Signal(pixel, name=f"pixel_{r}_{c}", reset_less=True)
            for r in range(rows)
            for c in range(columns)
        }
        with m.If(taken):
            for (r, c), each in field.items():
                if c == columns - 1:
                    m.d.sync += each.eq(entering[r])
                else:  # the columns before are silent where a row begins
                    after = field[r, c + 1]
                    m.d.sync += [each.spike.eq(after.spike & (x != 0)), each.step.eq(after.step)]
        return field


def _any(values):
    return reduce(or_, values)
