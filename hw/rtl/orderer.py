"""Bucket queue: arrivals in any order in, events in time order out."""

from functools import reduce
from operator import or_

from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.rtl.banks import bank_of, bank_rows, row_of
from hw.rtl.encoder import ArrivalLayout
from hw.rtl.priority import LowestBit
from hw.rtl.streams import EventLayout

__all__ = ["BucketQueue"]


class BucketQueue(wiring.Component):
    """Puts the spikes of an image in time order in one pass.

    Times are small numbers and each unit fires once, so order needs no sorting: a linked list per
    step and bank of units takes one memory write per arrival and one read per event. There are two
    sides, each with all lists: the next image is loaded while this one is drained.

    Spikes of step 0 need no list if no other image is being drained: they are first in any case,
    and go out as they come, if the block after this one has room for them. So does the end of step
    0, with the image's last arrival, if no list has a spike of it.

    Latency: if the image before is finished by then, the end of step 0 is offered ``latency`` = 1
    cycle after the image's last arrival was accepted, the first event of the lists
    ``list_latency`` = 3 cycles after it.
    Throughput: one arrival of each lane a cycle in; one event a cycle out, with a spike of each
    bank. No gap between images or steps.

    Parameters
    ----------
    units : int
        Number of input units.
    steps : int
        T.
    banks : int, power of two
        Spikes of an event.
    lanes : int, power of two, at most ``banks``
        Arrivals that come at once.

    Members
    -------
    arrivals : stream of ArrivalLayout
        Of one image after the other. Those that come at once are of units that follow each other.
    events : stream of EventLayout
        Of one image: its non-empty steps, and in any case the first and the final step.
    room : 1
        The block after this one takes an event if it is offered one. Set where it always does so
        in step 0.
    finish : 1
        The image being drained is decided: drop the rest of it. Then the next image follows.
    """

    latency = 1
    list_latency = 3

    def __init__(self, *, units: int, steps: int, banks: int = 1, lanes: int = 1):
        self._units = units
        self._steps = steps
        self._banks = banks
        self._lanes = lanes
        super().__init__(
            {
                "arrivals": In(stream.Signature(ArrivalLayout(units, steps, lanes))),
                "events": Out(stream.Signature(EventLayout(units, steps, banks))),
                "room": In(1, init=1),
                "finish": In(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        steps, lanes, banks = self._steps, range(self._lanes), range(self._banks)
        rows = bank_rows(self._units, self._banks)

        # A list ends with the unit that came first. With one bank each link says whether it leads
        # there. With more, a row is as wide as a memory's word, and the ends have their own memory.
        marked = self._banks == 1
        link = data.StructLayout({"row": range(rows), **({"ends": 1} if marked else {})})
        # Of the arrivals that come at once each is to another memory of heads.
        word = data.ArrayLayout(link, self._banks // self._lanes)
        head_writes, head_loads, head_drains, end_writes, end_drains = [], [], [], [], []
        for lane in lanes:
            m.submodules[f"heads_{lane}"] = heads = _memory(word, 2 * steps)
            head_writes.append(heads.write_port(granularity=1))
            head_loads.append(heads.read_port(transparent_for=(head_writes[lane],)))
            head_drains.append(heads.read_port())
            if not marked:
                m.submodules[f"ends_{lane}"] = ends = _memory(word, 2 * steps)
                end_writes.append(ends.write_port(granularity=1))
                end_drains.append(ends.read_port())

        load_side, drain_side = Signal(), Signal()
        full = Array(Signal(name=f"full_{side}") for side in range(2))
        filled = [
            Array(Signal(steps, name=f"filled_{bank}_{side}") for side in range(2))
            for bank in banks
        ]
        active = Signal()  # an image is being drained
        closed = Signal()  # its step 0 has gone out before
        idle = Signal()

        # --- Load: read the head of the arrival's list, then put the arrival before it. Two in a
        # row may go to one list, so the head is read as it is being written.
        accept, arrived, final, closes, side_ahead = (Signal() for _ in range(5))
        m.d.comb += [
            side_ahead.eq(load_side ^ (arrived & final)),
            self.arrivals.ready.eq(~full[side_ahead]),
            accept.eq(self.arrivals.valid & self.arrivals.ready),
            idle.eq(~active & ~full[drain_side] & self.room),
        ]
        m.d.sync += arrived.eq(accept)
        with m.If(accept):
            m.d.sync += final.eq(self.arrivals.payload.last)
        with m.If(arrived & final):
            m.d.sync += [full[load_side].eq(1), load_side.eq(side_ahead), closed.eq(closes)]
        arrival = []
        for lane in lanes:
            came = self._came(m, lane)
            arrival.append(Signal(came.shape(), name=f"arrival_{lane}"))
            m.d.comb += [
                head_loads[lane].addr.eq(Cat(side_ahead, came.step)),
                head_loads[lane].en.eq(accept & came.spike),
            ]
            with m.If(accept):
                m.d.sync += arrival[lane].eq(came)
            for port in (head_writes[lane], *end_writes[lane : lane + 1]):
                m.d.comb += port.addr.eq(Cat(load_side, arrival[lane].step))

        # --- Drain: follow the links. The memories' output registers hold the current event.
        from_head, drain_valid, step = Signal(), Signal(), Signal(range(steps))
        begin, advance, change, last = Signal(), Signal(), Signal(), Signal()
        next_step, spikes, early = Signal.like(step), Signal(self._banks), Signal(self._banks)
        ended, listed = Signal(self._banks), Signal(self._banks)
        event = self.events.payload
        for bank in banks:
            lane, place = bank % self._lanes, bank // self._lanes
            new, mine = arrival[lane], Signal(name=f"mine_{bank}")
            new_row = row_of(new.unit, self._banks)
            put, loaded = Signal(name=f"put_{bank}"), Signal(steps, name=f"loaded_{bank}")
            m.d.comb += [
                mine.eq(arrived & new.spike & (bank_of(new.unit, self._banks) == bank)),
                early[bank].eq(mine & idle & (new.step == 0)),
                put.eq(mine & ~early[bank]),
                loaded.eq(filled[bank][load_side]),
                listed[bank].eq(loaded[0]),
            ]
            with m.If(put):
                m.d.sync += filled[bank][load_side].eq(loaded | (1 << new.step))

            m.submodules[f"links_{bank}"] = links = _memory(link, 2 * rows)
            link_write, link_drain = links.write_port(), links.read_port()
            begun = _select(loaded, new.step)  # the list is not empty
            head = head_writes[lane]
            m.d.comb += [
                head.data[place].row.eq(new_row),
                head.en[place].eq(put),
                link_write.addr.eq(Cat(load_side, new_row)),
                link_write.data.eq(head_loads[lane].data[place]),
                link_write.en.eq(put),
            ]
            current = Signal(link, name=f"current_{bank}")
            m.d.comb += [
                current.eq(Mux(from_head, head_drains[lane].data[place], link_drain.data)),
                link_drain.addr.eq(Cat(drain_side, current.row)),
                link_drain.en.eq(advance),
                event.row[bank].eq(Mux(active, current.row, new_row)),
            ]
            if marked:
                m.d.comb += [head.data[place].ends.eq(~begun), ended[bank].eq(current.ends)]
            else:
                m.d.comb += [
                    end_writes[lane].data[place].row.eq(new_row),
                    end_writes[lane].en[place].eq(put & ~begun),
                    ended[bank].eq(current.row == end_drains[lane].data[place].row),
                ]
        for port in (*head_drains, *end_drains):
            m.d.comb += [port.addr.eq(Cat(drain_side, next_step)), port.en.eq(change)]

        drained = [Signal(steps, name=f"drained_{bank}") for bank in banks]
        m.d.comb += [drained[bank].eq(filled[bank][drain_side]) for bank in banks]
        # Steps: with spikes; to be visited; of those, the later ones (a new name moves placements)
        some, visit, later = Signal(steps), Signal(steps), Signal(steps, name="todo")
        m.submodules.lowest = lowest = LowestBit(steps)
        m.d.comb += [
            # The first and the final step are visited even when empty.
            some.eq(Cat(Cat(bits[t] for bits in drained).any() for t in range(steps))),
            visit.eq(some | 1 << (steps - 1)),
            visit[0].eq(~closed),
            last.eq((ended | ~spikes).all()),
            begin.eq(~active & full[drain_side] & ~self.finish),
            advance.eq(drain_valid & self.events.ready),
            change.eq(begin | (advance & last)),
            lowest.i.eq(Mux(begin, visit, later)),
            next_step.eq(lowest.index),
        ]
        with m.If(change):
            m.d.sync += [
                from_head.eq(1),
                step.eq(next_step),
                spikes.eq(Cat((lowest.onehot & bits).any() for bits in drained)),
                later.eq(lowest.rest),
                drain_valid.eq(lowest.any),
            ]
        with m.Elif(advance):
            m.d.sync += [from_head.eq(0), spikes.eq(spikes & ~ended)]
        with m.If(begin):
            m.d.sync += active.eq(1)
        with m.If(self.finish):
            m.d.sync += [
                active.eq(0),
                drain_valid.eq(0),
                full[drain_side].eq(0),
                drain_side.eq(~drain_side),
                *(bits[drain_side].eq(0) for bits in filled),
            ]

        # --- What goes out: from the lists, or as it comes.
        m.d.comb += [
            closes.eq(idle & final & ~listed.any()),
            self.events.valid.eq(drain_valid | early.any() | (arrived & closes)),
            event.step.eq(Mux(active, step, 0)),
            event.spike.eq(Mux(active, spikes, early)),
            event.last.eq(Mux(active, last, closes)),
        ]
        return m

    def _came(self, m, lane):
        """Of what comes at once, the arrival to the heads' memory ``lane``."""
        payload = self.arrivals.payload
        came = Signal(
            data.StructLayout(
                {"unit": payload.unit[0].shape(), "step": payload.step[0].shape(), "spike": 1}
            ),
            name=f"came_{lane}",
        )
        ours = [
            Cat(payload.unit[k], payload.step[k], payload.spike[k])
            & (payload.spike[k] & (payload.unit[k] % self._lanes == lane)).replicate(
                len(came.as_value())
            )
            for k in range(self._lanes)
        ]
        m.d.comb += came.eq(reduce(or_, ours))
        return came


def _select(bits, index):
    """The bit of that number, by a tree: an Array of 256 was too much for synthesis on ECP5."""
    level = list(bits)
    for place in index:
        level = [Mux(place, level[k + 1], level[k]) for k in range(0, len(level) - 1, 2)]
    return level[0]


def _memory(shape, depth):
    """A block RAM, also where synthesis would take some hundred logic cells for a small one."""
    return memory.Memory(shape=shape, depth=depth, init=[], attrs={"ram_style": "block"})
