"""Bucket queue: arrivals in any order in, spikes in time order out."""

from functools import reduce
from operator import or_
from typing import Any, NamedTuple

from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.rtl.banks import bank_of, bank_rows, row_of
from hw.rtl.encoder import ArrivalLayout
from hw.rtl.priority import LowestBit
from hw.rtl.streams import SpikeBeat

__all__ = ["BucketQueue"]


class BucketQueue(wiring.Component):
    """Puts the spikes of an image in time order in one pass.

    Times are small numbers and each unit fires once, so order needs no sorting: a linked list per
    step and bank of units takes one memory write per arrival and one read per spike. There are two
    sides, each with all lists: the next image is loaded while this one is drained.

    Spikes of step 0 need no list if no other image is being drained: they are first in any case,
    and pass straight through, if the block after this one accepts them. So does the end of step 0,
    with the image's last arrival, if no list has a spike of it.

    Latency: if the image before is finished by then, the end of step 0 is offered ``latency`` = 1
    cycle after the image's last arrival was accepted, the first beat of the lists
    ``list_latency`` = 3 cycles after it.
    Throughput: one arrival of each lane per cycle in; one beat per cycle out, with a spike of each
    bank. No gap between images or steps.

    Parameters
    ----------
    units : int
        Number of input units.
    steps : int
        T.
    banks : int, power of two
        Spikes of a beat.
    lanes : int, power of two, at most ``banks``
        Pixel lanes: arrivals that come in one cycle.

    Members
    -------
    arrivals : stream of ArrivalLayout
        Of consecutive images. Those of one cycle are of consecutive units.
    beats : stream of SpikeBeat
        Of one image: its non-empty steps, and in any case the first and the final step.
    can_accept : 1
        The block after this one accepts a beat if it is offered one. Constant 1 where it always
        does so in step 0.
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
        self._rows = bank_rows(units, banks)
        # A list ends with the unit that came first. With one bank each link says whether it leads
        # there. With more, a row is as wide as a memory's word, and the ends have their own memory.
        self._link_tells_end = banks == 1
        end = {"ends": 1} if self._link_tells_end else {}
        self._link = data.StructLayout({"row": range(self._rows), **end})
        # Of the arrivals that come at once each is to another memory of heads.
        self._word = data.ArrayLayout(self._link, banks // lanes)
        super().__init__(
            {
                "arrivals": In(stream.Signature(ArrivalLayout(units, steps, lanes))),
                "beats": Out(stream.Signature(SpikeBeat(units, steps, banks))),
                "can_accept": In(1, init=1),
                "finish": In(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        steps, lanes, banks = self._steps, range(self._lanes), range(self._banks)

        load_side, drain_side, next_load_side = Signal(), Signal(), Signal()
        full = Array(Signal(name=f"full_{side}") for side in range(2))  # it holds a whole image
        # Of each bank and side: the steps whose lists are not empty.
        occupied = [
            Array(Signal(steps, name=f"occupied_{bank}_{side}") for side in range(2))
            for bank in banks
        ]
        heads = [self._heads(m, lane) for lane in lanes]
        ends = [self._ends(m, lane) for lane in lanes if not self._link_tells_end]

        # --- Load: read the head of the arrival's list, then put the arrival before it. Two in a
        # row may go to one list, so the head is read as it is being written.
        accept, arrived, image_ends, step_0_ends = Signal(), Signal(), Signal(), Signal()
        draining = Signal()
        step_0_sent = Signal()  # of the image that is drained, as it came
        pass_on = Signal()  # spikes of step 0 pass straight through
        m.d.comb += [
            next_load_side.eq(load_side ^ (arrived & image_ends)),
            self.arrivals.ready.eq(~full[next_load_side]),
            accept.eq(self.arrivals.valid & self.arrivals.ready),
            pass_on.eq(~draining & ~full[drain_side] & self.can_accept),
        ]
        m.d.sync += arrived.eq(accept)
        with m.If(accept):
            m.d.sync += image_ends.eq(self.arrivals.payload.last)
        with m.If(arrived & image_ends):
            m.d.sync += [
                full[load_side].eq(1),
                load_side.eq(next_load_side),
                step_0_sent.eq(step_0_ends),
            ]
        arrivals = []
        for lane in lanes:
            next_arrival = self._arrival_of(m, lane)
            arrival = Signal(next_arrival.shape(), name=f"arrival_{lane}")
            arrivals.append(arrival)
            m.d.comb += [
                heads[lane].load.addr.eq(Cat(next_load_side, next_arrival.step)),
                heads[lane].load.en.eq(accept & next_arrival.spike),
            ]
            with m.If(accept):
                m.d.sync += arrival.eq(next_arrival)
            for port in (heads[lane].write, *(each.write for each in ends[lane : lane + 1])):
                m.d.comb += port.addr.eq(Cat(load_side, arrival.step))

        # --- Drain: follow the links. The memories' output registers hold the current row.
        at_head, drain_valid, step = Signal(), Signal(), Signal(range(steps))
        begin, advance, change_step = Signal(), Signal(), Signal()
        next_step, spikes, passed = Signal.like(step), Signal(self._banks), Signal(self._banks)
        at_end, step_0_queued = Signal(self._banks), Signal(self._banks)
        last = Signal()
        beat = self.beats.payload

        for bank in banks:
            lane = bank_of(bank, self._lanes)
            arrival = arrivals[lane]
            row = row_of(arrival.unit, self._banks)
            lists = _Lists(
                m,
                bank,
                place=row_of(bank, self._lanes),
                link=self._link,
                rows=self._rows,
                heads=heads[lane],
                ends=ends[lane] if ends else None,
            )
            spike, enqueue = Signal(name=f"arrived_{bank}"), Signal(name=f"enqueue_{bank}")
            begun = Signal(steps, name=f"lists_{bank}")  # that are not empty, where it is loaded
            m.d.comb += [
                spike.eq(arrived & arrival.spike & (bank_of(arrival.unit, self._banks) == bank)),
                passed[bank].eq(spike & pass_on & (arrival.step == 0)),
                enqueue.eq(spike & ~passed[bank]),
                begun.eq(occupied[bank][load_side]),
                step_0_queued[bank].eq(begun[0]),
                *lists.put_before_head(load_side, row, when=enqueue),
                *lists.note_end(row, when=enqueue, first=~_select(begun, arrival.step)),
                *lists.follow(drain_side, at_head=at_head, when=advance),
                at_end[bank].eq(lists.at_end),
                beat.row[bank].eq(Mux(draining, lists.current.row, row)),
            ]
            with m.If(enqueue):
                m.d.sync += occupied[bank][load_side].eq(begun | (1 << arrival.step))
        for ports in (*heads, *ends):
            m.d.comb += [
                ports.drain.addr.eq(Cat(drain_side, next_step)),
                ports.drain.en.eq(change_step),
            ]

        drained = [Signal(steps, name=f"drained_{bank}") for bank in banks]
        m.d.comb += [drained[bank].eq(occupied[bank][drain_side]) for bank in banks]
        with_spikes, to_visit, later_steps = (Signal(steps) for _ in range(3))
        m.submodules.lowest = lowest = LowestBit(steps)
        m.d.comb += [
            # The first and the final step are visited even when empty.
            with_spikes.eq(Cat(Cat(lists[t] for lists in drained).any() for t in range(steps))),
            to_visit.eq(with_spikes | 1 << (steps - 1)),
            to_visit[0].eq(~step_0_sent),
            last.eq((at_end | ~spikes).all()),
            begin.eq(~draining & full[drain_side] & ~self.finish),
            advance.eq(drain_valid & self.beats.ready),
            change_step.eq(begin | (advance & last)),
            lowest.i.eq(Mux(begin, to_visit, later_steps)),
            next_step.eq(lowest.index),
        ]
        with m.If(change_step):
            m.d.sync += [
                at_head.eq(1),
                step.eq(next_step),
                spikes.eq(Cat((lowest.onehot & lists).any() for lists in drained)),
                later_steps.eq(lowest.rest),
                drain_valid.eq(lowest.any),
            ]
        with m.Elif(advance):
            m.d.sync += [at_head.eq(0), spikes.eq(spikes & ~at_end)]
        with m.If(begin):
            m.d.sync += draining.eq(1)
        with m.If(self.finish):
            m.d.sync += [
                draining.eq(0),
                drain_valid.eq(0),
                full[drain_side].eq(0),
                drain_side.eq(~drain_side),
                *(sides[drain_side].eq(0) for sides in occupied),
            ]

        # --- Output: from the lists, or straight through.
        m.d.comb += [
            step_0_ends.eq(pass_on & image_ends & ~step_0_queued.any()),
            self.beats.valid.eq(drain_valid | passed.any() | (arrived & step_0_ends)),
            beat.step.eq(Mux(draining, step, 0)),
            beat.spike.eq(Mux(draining, spikes, passed)),
            beat.last.eq(Mux(draining, last, step_0_ends)),
        ]
        return m

    def _heads(self, m, lane):
        """Where the lists of the lane's banks begin: read for loading and for draining."""
        m.submodules[f"heads_{lane}"] = heads = _memory(self._word, 2 * self._steps)
        write = heads.write_port(granularity=1)
        return _Ports(write, heads.read_port(), heads.read_port(transparent_for=(write,)))

    def _ends(self, m, lane):
        """Where they end."""
        m.submodules[f"ends_{lane}"] = ends = _memory(self._word, 2 * self._steps)
        return _Ports(ends.write_port(granularity=1), ends.read_port())

    def _arrival_of(self, m, lane):
        """Of the arrivals that come at once, the one to the lists of ``lane``."""
        payload = self.arrivals.payload
        result = Signal(
            data.StructLayout(
                {"unit": payload.unit[0].shape(), "step": payload.step[0].shape(), "spike": 1}
            ),
            name=f"next_arrival_{lane}",
        )
        candidates = [
            Cat(payload.unit[k], payload.step[k], payload.spike[k])
            & (payload.spike[k] & (bank_of(payload.unit[k], self._lanes) == lane)).replicate(
                len(result.as_value())
            )
            for k in range(self._lanes)
        ]
        m.d.comb += result.eq(reduce(or_, candidates))
        return result


class _Ports(NamedTuple):
    """Of a memory with an entry for each step, or several where lanes have several banks."""

    write: Any
    drain: Any
    load: Any = None


class _Lists:
    """The lists of a bank: a head for each step, a link from each row to the next, and an end. With
    ``ends`` None the link says whether it leads to the end.

    ``current`` is the row that is drained.
    """

    def __init__(self, m, bank, *, place, link, rows, heads, ends):
        self._place = place  # in a word of the heads' and the ends' memory
        self._heads = heads
        self._ends = ends
        m.submodules[f"links_{bank}"] = links = _memory(link, 2 * rows)
        self._write, self._drain = links.write_port(), links.read_port()
        self.current = Signal(link, name=f"current_{bank}")

    def put_before_head(self, side, row, *, when):
        head = self._heads
        return [
            head.write.data[self._place].row.eq(row),
            head.write.en[self._place].eq(when),
            self._write.addr.eq(Cat(side, row)),
            self._write.data.eq(head.load.data[self._place]),
            self._write.en.eq(when),
        ]

    def note_end(self, row, *, when, first):
        """The first row of a list is its end."""
        if self._ends is None:
            return [self._heads.write.data[self._place].ends.eq(first)]
        return [
            self._ends.write.data[self._place].row.eq(row),
            self._ends.write.en[self._place].eq(when & first),
        ]

    def follow(self, side, *, at_head, when):
        return [
            self.current.eq(Mux(at_head, self._heads.drain.data[self._place], self._drain.data)),
            self._drain.addr.eq(Cat(side, self.current.row)),
            self._drain.en.eq(when),
        ]

    @property
    def at_end(self):
        """The current row is the last."""
        if self._ends is None:
            return self.current.ends
        return self.current.row == self._ends.drain.data[self._place].row


def _select(bits, index):
    """The bit of that number, by a tree: an Array of 256 was too much for synthesis on ECP5."""
    level = list(bits)
    for place in index:
        level = [Mux(place, level[k + 1], level[k]) for k in range(0, len(level) - 1, 2)]
    return level[0]


def _memory(shape, depth):
    """A block RAM, also where synthesis would take some hundred logic cells for a small one."""
    return memory.Memory(shape=shape, depth=depth, init=[], attrs={"ram_style": "block"})
