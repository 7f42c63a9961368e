"""Decide: the largest margin, of units that come one after another."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.rtl.decide import ResultLayout
from hw.rtl.lines.dense import MarginLayout
from sw.network import Layer

__all__ = ["DecideSerially"]


class DecideSerially(wiring.Component):
    """The largest margin names the class, then the lowest index: rule 5 for a window of one step,
    in which every decision is that of the last step.

    Latency: 1 cycle from the last margin to the result.
    Throughput: one margin per cycle; none while a result is offered. The next image is not let in
    before the result is taken.

    Parameters
    ----------
    layer : sw.network.Layer
        The output layer.

    Members
    -------
    potentials : stream of MarginLayout
    result : stream of ResultLayout
    decided : 1
        In the cycle after the last margin.
    done : 1
        In the cycle after the result was taken.
    """

    def __init__(self, *, layer: Layer):
        result = ResultLayout(layer, 1)
        super().__init__(
            {
                "potentials": In(stream.Signature(MarginLayout(result["margin"].width))),
                "result": Out(stream.Signature(result)),
                "decided": Out(1),
                "done": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        unit = Signal.like(self.result.payload.label)
        best, margin = self.result.payload.margin, self.potentials.payload.margin
        take = Signal()
        m.d.comb += [
            self.potentials.ready.eq(~self.result.valid),
            take.eq(self.potentials.valid & self.potentials.ready),
        ]
        m.d.sync += [
            self.decided.eq(take & self.potentials.payload.last),
            self.done.eq(self.result.valid & self.result.ready),
        ]
        with m.If(take):
            m.d.sync += unit.eq(unit + 1)
            with m.If((unit == 0) | (margin > best)):
                m.d.sync += [best.eq(margin), self.result.payload.label.eq(unit)]
            with m.If(self.potentials.payload.last):
                m.d.sync += [unit.eq(0), self.result.valid.eq(1)]
        with m.Elif(self.result.ready):
            m.d.sync += self.result.valid.eq(0)
        return m
