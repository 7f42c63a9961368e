"""Decide: the first output unit to fire names the class."""

from functools import reduce
from itertools import combinations
from operator import or_

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from hw.rtl.streams import MarginsLayout
from sw.network import Layer

__all__ = ["Decide", "ResultLayout", "compared_bits", "decide_latency"]


def decide_latency(outputs: int) -> int:
    """Cycles from the decisive potentials to the result: one for each division by four."""
    return max(1, -(-ceil_log2(outputs) // 2))


def compared_bits(outputs: int, margin_width: int) -> int:
    """Bits that the tree compares or chooses: of four candidates at a time all pairs of margins
    are compared, and one margin with its label is chosen.
    """
    result, candidates, label = 0, outputs, ceil_log2(outputs)
    while candidates > 1:
        fours = [min(4, candidates - first) for first in range(0, candidates, 4)]
        result += sum(n * (n - 1) // 2 * margin_width + margin_width + label for n in fours)
        candidates = len(fours)
    return result


class ResultLayout(data.StructLayout):
    """The result of one inference.

    Members
    -------
    label : range(outputs)
        Index of the class.
    step : range(steps)
        Decision step.
    margin : signed
        ``V − θ`` of the winning unit at the end of the decision step.
    fault : 1
        Only with ``can_fault``: the input was invalid (hw/rtl/bypass.py), and the rest of the
        result has no meaning.
    """

    def __init__(
        self,
        layer: Layer,
        steps: int,
        *,
        can_fault: bool = False,
        most_spikes: int | None = None,
    ):
        margins = MarginsLayout(layer, steps, most_spikes)
        super().__init__(
            {
                "label": range(layer.outputs),
                "step": range(steps),
                "margin": margins["margin"].shape.elem_shape,
                **({"fault": 1} if can_fault else {}),
            }
        )


class Decide(wiring.Component):
    """Decides in the first step in which an output unit fires, or in the final step (rule 5).

    Until an output fires, every margin is negative; in the decision step the units that fire are
    those whose margin is not. So in both cases the largest margin wins, then the lowest index:
    one tree of comparisons, with a level of registers for every four candidates: of four, all
    pairs are compared at once.

    Latency: ``latency`` = ceil(log4(outputs)) cycles from the decisive potentials to the result,
    at least one; ``decided`` comes one cycle after the potentials were accepted.
    Throughput: a decision every three cycles. All stall while a result is offered: no combinational
    path leads from the result's ready through the blocks before this one.

    Parameters
    ----------
    layer : sw.network.Layer
        The output layer.
    steps : int
        T.
    can_fault : bool
        The input may be invalid.
    most_spikes : int, optional
        Spikes that reach the layer at most, if its inputs may fire more than once.

    Members
    -------
    potentials : stream of MarginsLayout
    result : stream of ResultLayout
    fault : 1
        Only with ``can_fault``: the input was invalid.
    decided : 1
        Early exit: nothing that follows in this inference can change the result. Potentials that
        are accepted in this cycle belong to it still, and are dropped.
    """

    def __init__(
        self,
        *,
        layer: Layer,
        steps: int,
        can_fault: bool = False,
        most_spikes: int | None = None,
    ):
        self._units = layer.outputs
        self._final = steps - 1
        self._can_fault = can_fault
        result = ResultLayout(layer, steps, can_fault=can_fault, most_spikes=most_spikes)
        super().__init__(
            {
                "potentials": In(stream.Signature(MarginsLayout(layer, steps, most_spikes))),
                "result": Out(stream.Signature(result)),
                "decided": Out(1),
                **({"fault": In(1)} if can_fault else {}),
            }
        )

    @property
    def latency(self) -> int:
        """Cycles from the decisive potentials to the result."""
        return decide_latency(self._units)

    def elaborate(self, platform):
        m = Module()
        flow = Signal()  # the whole pipeline moves, or waits for the result to be accepted
        m.d.comb += [flow.eq(~self.result.valid), self.potentials.ready.eq(flow)]

        margins = self.potentials.payload.margin
        reached = Cat(~margins[k][-1] for k in range(self._units)).any()
        valid = Signal(name="valid_0")
        m.d.comb += valid.eq(
            self.potentials.valid
            & ~self.decided
            & (reached | (self.potentials.payload.step == self._final))
        )
        m.d.sync += self.decided.eq(valid & flow)

        candidate = data.StructLayout(
            {"label": range(self._units), "margin": self.result.payload.margin.shape()}
        )
        level = [Signal(candidate, name=f"level_0_{k}") for k in range(self._units)]
        m.d.comb += [
            entry.eq(Cat(Const(k, candidate["label"].shape), margins[k]))
            for k, entry in enumerate(level)
        ]
        step = self.potentials.payload.step
        fault = self.fault if self._can_fault else Const(0)
        for depth in range(1, self.latency + 1):
            fours = [level[k : k + 4] for k in range(0, len(level), 4)]
            best = [_best(m, four, f"{depth}_{k}") for k, four in enumerate(fours)]
            level = [Signal(candidate, name=f"level_{depth}_{k}") for k in range(len(best))]
            before, valid = valid, Signal(name=f"valid_{depth}")
            step_before, step = step, Signal.like(step, name=f"step_{depth}")
            fault_before, fault = fault, Signal(name=f"fault_{depth}")
            with m.If(flow):
                m.d.sync += [valid.eq(before), step.eq(step_before), fault.eq(fault_before)]
                m.d.sync += [entry.eq(winner) for entry, winner in zip(level, best, strict=True)]
        with m.If(self.result.valid & self.result.ready):
            m.d.sync += valid.eq(0)
        m.d.comb += [
            self.result.valid.eq(valid),
            self.result.payload.label.eq(level[0].label),
            self.result.payload.step.eq(step),
            self.result.payload.margin.eq(level[0].margin),
        ]
        if self._can_fault:
            m.d.comb += self.result.payload.fault.eq(fault)
        return m


def _best(m, candidates, name):
    """The candidate with the largest margin; of equal margins the lowest index."""
    wins = [1] * len(candidates)
    for low, high in combinations(range(len(candidates)), 2):
        larger = Signal(name=f"larger_{name}_{high}_{low}")
        m.d.comb += larger.eq(candidates[high].margin > candidates[low].margin)
        wins[high] &= larger
        wins[low] &= ~larger
    return reduce(or_, (Mux(win, each, 0) for win, each in zip(wins, candidates, strict=True)))
