"""Fire: turns potentials that reach their threshold into spikes, each unit once."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.event import EventLayout, PotentialsLayout
from hw.priority import LowestBit
from sw.network import Layer

__all__ = ["Fire"]


class Fire(wiring.Component):
    """Compares at the end of a step and sends the units that fire, lowest index first.

    Latency: the first event of a step is offered two cycles after its potentials were accepted.
    Throughput: one spike a cycle; a step without spikes takes one cycle.

    Parameters
    ----------
    layer : sw.network.Layer
    steps : int
        T.

    Members
    -------
    i : stream of PotentialsLayout
    o : stream of EventLayout
        Spikes of the units that reach their threshold for the first time.
    restart : 1
        A new inference begins: nobody has fired, nothing is in flight.
    """

    def __init__(self, *, layer: Layer, steps: int):
        self._units = layer.outputs
        super().__init__(
            {
                "i": In(stream.Signature(PotentialsLayout(layer, steps))),
                "o": Out(stream.Signature(EventLayout(layer.outputs, steps))),
                "restart": In(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        reached, fired, pending = (Signal(self._units, name=n) for n in ("reached", "fired", "pending"))
        step = Signal.like(self.i.payload.step)
        busy, advance = Signal(), Signal()
        m.submodules.lowest = lowest = LowestBit(self._units)
        m.d.comb += [
            reached.eq(Cat(~self.i.payload.margin[j][-1] for j in range(self._units))),
            lowest.i.eq(pending),
            advance.eq(busy & (~self.o.valid | self.o.ready)),
            # The next step may come in while the last spike of this one moves to the output.
            self.i.ready.eq(~busy | (advance & ~lowest.rest.any())),
        ]
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(advance):
            m.d.sync += [
                self.o.valid.eq(1),
                self.o.payload.unit.eq(lowest.index),
                self.o.payload.step.eq(step),
                self.o.payload.spike.eq(lowest.any),
                self.o.payload.last.eq(~lowest.rest.any()),
                pending.eq(lowest.rest),
                busy.eq(lowest.rest.any()),
            ]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [
                busy.eq(1),
                step.eq(self.i.payload.step),
                pending.eq(reached & ~fired),
                fired.eq(fired | reached),
            ]
        with m.If(self.restart):
            m.d.sync += [self.o.valid.eq(0), busy.eq(0), fired.eq(0)]
        return m
