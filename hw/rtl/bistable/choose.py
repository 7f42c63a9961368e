"""Choose: the class is the output unit with the largest potential."""

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from hw.rtl.bistable.layouts import PotentialsLayout
from hw.rtl.bistable.plan import BistablePlan

__all__ = ["Choose", "ChosenLayout", "choose_latency"]


def choose_latency(plan: BistablePlan) -> int:
    """Cycles from the potentials of the first output units to the result, if those of the others
    follow as soon as they can be taken.
    """
    return plan.outputs + 2


class ChosenLayout(data.StructLayout):
    """The result of one inference.

    Members
    -------
    label : range(outputs)
        Index of the class.
    step : range(steps)
        The step, from the first one of the input on, at whose end the output has listened: always
        the same, the last one.
    margin : signed
        What the class's potential has over the next largest one; 0 is a tie.
    """

    def __init__(self, plan: BistablePlan):
        super().__init__(
            {
                "label": range(plan.outputs),
                "step": range(plan.steps),
                "margin": signed(1 + plan.margin_bits),
            }
        )


class Choose(wiring.Component):
    """Compares potentials one by one: the largest, then the lowest index (docs/spec.md, third part,
    rule 6), and the next largest.

    Latency: :func:`choose_latency` cycles.
    Throughput: a unit per cycle.

    Parameters
    ----------
    plan : BistablePlan

    Members
    -------
    potentials : PotentialsLayout
        Of V units, every V cycles at most.
    result : stream of ChosenLayout
    decided : 1
        The result is there from the next cycle on.
    free : 1
        No result waits to be taken.
    """

    def __init__(self, plan: BistablePlan):
        self._plan = plan
        super().__init__(
            {
                "potentials": In(PotentialsLayout(plan)),
                "result": Out(stream.Signature(ChosenLayout(plan))),
                "decided": Out(1),
                "free": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        plan, result = self._plan, self.result
        waiting = Signal(self.potentials.potentials.shape(), reset_less=True)
        left = Signal(range(plan.speaks + 1))  # that are to be compared
        unit, label = Signal(range(plan.outputs)), Signal(range(plan.outputs))
        own = waiting[0]
        best, second = (Signal.like(own, name=name, reset_less=True) for name in ("best", "second"))
        larger, last = Signal(), Signal()
        m.d.comb += larger.eq((unit == 0) | (own > best))
        with m.If(left != 0):
            m.d.comb += last.eq(unit == plan.outputs - 1)
            m.d.sync += [
                waiting.eq(waiting.as_value() >> plan.potential_bits),
                left.eq(Mux(last, 0, left - 1)),
                unit.eq(Mux(last, 0, unit + 1)),
            ]
            with m.If(larger):
                m.d.sync += [best.eq(own), label.eq(unit)]
            with m.If(unit == 0):
                m.d.sync += second.eq(own)
            with m.Elif(larger):
                m.d.sync += second.eq(best)
            with m.Elif((unit == 1) | (own > second)):
                m.d.sync += second.eq(own)
        with m.If(self.potentials.valid):
            m.d.sync += [waiting.eq(self.potentials.potentials), left.eq(plan.speaks)]

        m.d.sync += self.decided.eq(last)
        with m.If(self.decided):
            m.d.sync += [
                result.valid.eq(1),
                result.payload.label.eq(label),
                result.payload.margin.eq((best - second) >> exact_log2(plan.layers[-1].scale)),
            ]
        with m.Elif(result.ready):
            m.d.sync += result.valid.eq(0)
        m.d.comb += [
            result.payload.step.eq(plan.steps - 1),
            self.free.eq(~self.decided & ~result.valid),
        ]
        return m
