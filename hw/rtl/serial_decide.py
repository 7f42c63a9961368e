"""Serial decide: the first output unit to fire names the class, margin by margin."""

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.rtl.decide import ResultLayout
from sw.network import Layer

__all__ = ["MarginLayout", "SerialDecide"]


class MarginLayout(data.StructLayout):
    """A margin of one output unit at the end of a step; those of a step come in the order of units.

    Parameters
    ----------
    layer : sw.network.Layer
    steps : int
        T.

    Members
    -------
    step : range(steps)
    margin : signed
        ``V − θ``; a clear sign bit means that the threshold is reached.
    last : 1
        It is that of the last unit.
    """

    def __init__(self, layer: Layer, steps: int):
        margin = ResultLayout(layer, steps)["margin"].shape
        super().__init__({"step": range(steps), "margin": margin, "last": 1})


class SerialDecide(wiring.Component):
    """As :class:`hw.rtl.decide.Decide`, for an engine that makes one margin at a time: rule 5, with
    one comparison instead of a tree.

    Latency: ``latency`` = 2 cycles from the last margin of the decisive step to the result, and to
    ``decided``.
    Throughput: a margin per cycle, and one cycle between steps; all stall while a result is
    offered.

    Parameters
    ----------
    layer : sw.network.Layer
        The output layer.
    steps : int
        T.
    can_fault : bool
        The input may be invalid.

    Members
    -------
    margins : stream of MarginLayout
    result : stream of ResultLayout
    fault : 1
        Only with ``can_fault``: the input was invalid.
    decided : 1
        Early exit: nothing that follows in this inference can change the result.
    """

    latency = 2

    def __init__(self, *, layer: Layer, steps: int, can_fault: bool = False):
        self._final = steps - 1
        self._can_fault = can_fault
        result = ResultLayout(layer, steps, can_fault=can_fault)
        super().__init__(
            {
                "margins": In(stream.Signature(MarginLayout(layer, steps))),
                "result": Out(stream.Signature(result)),
                "decided": Out(1),
                **({"fault": In(1)} if can_fault else {}),
            }
        )

    def elaborate(self, platform):
        m = Module()
        new, best = self.margins.payload, self.result.payload
        label = Signal.like(best.label)  # of the margin that comes next
        first, ends, decisive = Signal(init=1), Signal(), Signal()
        m.d.comb += [
            self.margins.ready.eq(~ends & ~self.result.valid),
            # Where nobody has fired every margin is negative: in both cases the largest wins.
            decisive.eq(ends & (~best.margin[-1] | (best.step == self._final))),
        ]
        m.d.sync += [ends.eq(0), self.decided.eq(decisive)]
        with m.If(self.margins.valid & self.margins.ready):
            m.d.sync += [
                label.eq(label + 1),
                first.eq(new.last),
                ends.eq(new.last),
                best.step.eq(new.step),
            ]
            with m.If(first | (new.margin > best.margin)):
                m.d.sync += [best.label.eq(label), best.margin.eq(new.margin)]
            with m.If(new.last):
                m.d.sync += label.eq(0)
        with m.If(decisive):
            m.d.sync += self.result.valid.eq(1)
            if self._can_fault:
                m.d.sync += best.fault.eq(self.fault)
        with m.If(self.result.valid & self.result.ready):
            m.d.sync += self.result.valid.eq(0)
        return m
