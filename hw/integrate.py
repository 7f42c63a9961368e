"""Integrate: the event-driven array of membrane potentials."""

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.event import EventLayout, MarginsLayout, ReachedLayout, potential_shapes
from sw.network import Layer

__all__ = ["Integrate"]


class Integrate(wiring.Component):
    """One layer's integrate step: each event adds its row of weights to all potentials at once.

    A potential starts at −θ, so its register is the margin V − θ and its sign bit the comparison;
    there is no comparator. The weights of one input are one row of a block RAM.

    Latency: the potentials are offered two cycles after the last event of their step was accepted.
    Throughput: one event a cycle.

    Parameters
    ----------
    layer : sw.network.Layer
    steps : int
        T.
    margins : bool
        Show the margins, for the output layer, and not only who reached the threshold.

    Members
    -------
    events : stream of EventLayout
        Of the layer before, in time order.
    potentials : stream of MarginsLayout or ReachedLayout
        At the end of each step that the events visit.
    restart : 1
        A new inference begins: drop what is in flight, set all potentials to −θ. Needed once after
        reset too: the potentials are not reset state.
    """

    def __init__(self, *, layer: Layer, steps: int, margins: bool):
        self._layer = layer
        self._margins = margins
        layout = MarginsLayout if margins else ReachedLayout
        super().__init__(
            {
                "events": In(stream.Signature(EventLayout(layer.inputs, steps))),
                "potentials": Out(stream.Signature(layout(layer, steps))),
                "restart": In(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        # A bit is set for the weight −1: then it is the sign extension of the addend as it is.
        minus = ~self._layer.weight.T
        m.submodules.rows = rows = memory.Memory(
            shape=self._layer.outputs,
            depth=self._layer.inputs,
            attrs={"ram_style": "block"},  # or synthesis spreads small ones over logic cells
            init=[sum(1 << int(j) for j in row.nonzero()[0]) for row in minus],
        )
        row = rows.read_port()

        event = Signal(self.events.payload.shape())
        event_valid = Signal()
        advance, accumulate = Signal(), Signal()
        m.d.comb += [
            advance.eq(~self.potentials.valid | self.potentials.ready),
            self.events.ready.eq(advance),
            row.addr.eq(self.events.payload.unit),
            row.en.eq(advance),
            accumulate.eq(advance & event_valid & event.spike),
        ]
        with m.If(advance):
            m.d.sync += [
                event_valid.eq(self.events.valid),
                event.eq(self.events.payload),
                self.potentials.valid.eq(event_valid & event.last),
                self.potentials.payload.step.eq(event.step),
            ]
        for j, shape in enumerate(potential_shapes(self._layer)):
            margin = Signal(shape, name=f"margin_{j}", reset_less=True)
            addend = Cat(Const(1, 1), row.data[j].replicate(shape.width - 1)).as_signed()
            with m.If(self.restart):
                m.d.sync += margin.eq(-int(self._layer.threshold[j]))
            with m.Elif(accumulate):
                m.d.sync += margin.eq(margin + addend)
            if self._margins:
                m.d.comb += self.potentials.payload.margin[j].eq(margin)
            else:
                m.d.comb += self.potentials.payload.reached[j].eq(~margin[-1])
        with m.If(self.restart):
            m.d.sync += [event_valid.eq(0), self.potentials.valid.eq(0)]
        return m
