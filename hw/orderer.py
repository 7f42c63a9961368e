"""Bucket queue: arrivals in any order in, events in time order out."""

from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.encoder import ArrivalLayout
from hw.event import EventLayout
from hw.priority import LowestBit

__all__ = ["BucketQueue"]


class BucketQueue(wiring.Component):
    """Puts the spikes of an image in time order in one pass.

    Times are small numbers and each unit fires once, so order needs no sorting: a linked list per
    step takes one memory write per arrival and one read per event. There are two banks of lists:
    the next image is loaded while this one is drained.

    Latency: the first event is offered three cycles after the image's last arrival was accepted
    if the bank before it is free by then.
    Throughput: one arrival a cycle in, with one cycle of rest after an image's last; one event a
    cycle out, no gap between steps.

    Parameters
    ----------
    units : int
        Number of input units.
    steps : int
        T.

    Members
    -------
    arrivals : stream of ArrivalLayout
        Of one image after the other.
    events : stream of EventLayout
        Of one image: its non-empty steps, and in any case the first and the final step.
    finish : 1
        The image being drained is decided: drop the rest of it. Then the next image follows.
    """

    def __init__(self, *, units: int, steps: int):
        self._units = units
        self._steps = steps
        super().__init__(
            {
                "arrivals": In(stream.Signature(ArrivalLayout(units, steps))),
                "events": Out(stream.Signature(EventLayout(units, steps))),
                "finish": In(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        steps = self._steps
        # A link names a unit and says whether the list ends with it.
        link = data.StructLayout({"unit": range(self._units), "ends": 1})
        # Entries of the two banks alternate: address = (index, bank).
        m.submodules.heads = heads = _memory(link, 2 * steps)
        m.submodules.links = links = _memory(link, 2 * self._units)
        head_write, link_write = heads.write_port(), links.write_port()
        head_load = heads.read_port(transparent_for=(head_write,))
        head_drain = heads.read_port()
        link_drain = links.read_port()

        filled = Array(Signal(steps, name=f"filled_{bank}") for bank in range(2))
        full = Array(Signal(name=f"full_{bank}") for bank in range(2))

        # --- Load: read the head of the arrival's list, then put the arrival before it. Two in a
        # row may go to one list, so the head is read as it is being written. After an image's
        # last arrival it takes a cycle to change banks.
        load_bank = Signal()
        arrival = Signal(self.arrivals.payload.shape())
        arrived = Signal()
        m.d.comb += [
            self.arrivals.ready.eq(~full[load_bank] & ~(arrived & arrival.last)),
            head_load.addr.eq(Cat(load_bank, self.arrivals.payload.step)),
            head_write.addr.eq(Cat(load_bank, arrival.step)),
            head_write.data.unit.eq(arrival.unit),
            head_write.data.ends.eq(~Array(filled[load_bank])[arrival.step]),
            head_write.en.eq(arrived & arrival.spike),
            link_write.addr.eq(Cat(load_bank, arrival.unit)),
            link_write.data.eq(head_load.data),
            link_write.en.eq(arrived & arrival.spike),
        ]
        m.d.sync += [
            arrived.eq(self.arrivals.valid & self.arrivals.ready),
            arrival.eq(self.arrivals.payload),
        ]
        with m.If(head_write.en):
            m.d.sync += filled[load_bank].eq(filled[load_bank] | (1 << arrival.step))
        with m.If(arrived & arrival.last):
            m.d.sync += [full[load_bank].eq(1), load_bank.eq(~load_bank)]

        # --- Drain: follow the links. The memories' output registers hold the current event.
        drain_bank = Signal()
        active = Signal()  # an image is being drained
        todo = Signal(steps)  # steps not yet begun
        from_head = Signal()
        current = Signal(link)
        step, spike, last = Signal(range(steps)), Signal(), Signal()
        begin, advance = Signal(), Signal()
        drained = Signal(steps)
        # The first and the final step are visited even when empty.
        visit = Cat(1 if t in (0, steps - 1) else drained[t] for t in range(steps))
        next_step = Signal(range(steps))
        next_spike = Signal()
        m.submodules.lowest = lowest = LowestBit(steps)
        m.d.comb += [
            current.eq(Mux(from_head, head_drain.data, link_drain.data)),
            last.eq(current.ends | ~spike),
            self.events.payload.unit.eq(current.unit),
            self.events.payload.step.eq(step),
            self.events.payload.spike.eq(spike),
            self.events.payload.last.eq(last),
            begin.eq(~active & full[drain_bank] & ~self.finish),
            advance.eq(self.events.valid & self.events.ready),
            drained.eq(filled[drain_bank]),
            lowest.i.eq(Mux(begin, visit, todo)),
            next_step.eq(lowest.index),
            next_spike.eq((lowest.onehot & drained).any()),
            head_drain.addr.eq(Cat(drain_bank, next_step)),
            link_drain.addr.eq(Cat(drain_bank, current.unit)),
            head_drain.en.eq(begin | (advance & last)),
            link_drain.en.eq(advance),
        ]
        with m.If(begin | (advance & last)):
            m.d.sync += [
                from_head.eq(1),
                step.eq(next_step),
                spike.eq(next_spike),
                todo.eq(lowest.rest),
                self.events.valid.eq(lowest.any),
            ]
        with m.Elif(advance):
            m.d.sync += from_head.eq(0)
        with m.If(begin):
            m.d.sync += active.eq(1)
        with m.If(self.finish):
            m.d.sync += [
                active.eq(0),
                self.events.valid.eq(0),
                filled[drain_bank].eq(0),
                full[drain_bank].eq(0),
                drain_bank.eq(~drain_bank),
            ]
        return m


def _memory(shape, depth):
    """A block RAM, also where synthesis would take some hundred logic cells for a small one."""
    return memory.Memory(shape=shape, depth=depth, init=[], attrs={"ram_style": "block"})
