"""Decide: the first output unit to fire names the class."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from hw.event import MarginsLayout
from sw.network import Layer

__all__ = ["Decide", "ResultLayout", "decide_latency"]


def decide_latency(outputs: int) -> int:
    """Cycles from the decisive potentials to the result: a level per halving, and the first."""
    return ceil_log2(outputs) + 1


class ResultLayout(data.StructLayout):
    """The answer to one input.

    Members
    -------
    label : range(outputs)
        Index of the class.
    step : range(steps)
        Decision step.
    margin : signed
        ``V − θ`` of the winning unit at the end of the decision step.
    """

    def __init__(self, layer: Layer, steps: int):
        margins = MarginsLayout(layer, steps)
        super().__init__(
            {
                "label": range(layer.outputs),
                "step": range(steps),
                "margin": margins["margin"].shape.elem_shape,
            }
        )


class Decide(wiring.Component):
    """Decides in the first step in which an output unit fires, or in the final step (rule 5).

    Until somebody fires, every margin is negative; in the decision step the units that fire are
    those whose margin is not. So in both cases the largest margin wins, then the lowest index:
    one tree of comparisons, one register level per halving.

    Latency: ``latency`` = ceil(log2(outputs)) + 1 cycles from the decisive potentials to the
    result; ``decided`` comes one cycle after the potentials were accepted.
    Throughput: one decision a cycle.

    Parameters
    ----------
    layer : sw.network.Layer
        The output layer.
    steps : int
        T.

    Members
    -------
    potentials : stream of MarginsLayout
    result : stream of ResultLayout
    decided : 1
        Early exit: nothing that follows in this inference can change the answer. Potentials that
        are accepted in this cycle belong to it still, and are dropped.
    """

    def __init__(self, *, layer: Layer, steps: int):
        self._units = layer.outputs
        self._final = steps - 1
        super().__init__(
            {
                "potentials": In(stream.Signature(MarginsLayout(layer, steps))),
                "result": Out(stream.Signature(ResultLayout(layer, steps))),
                "decided": Out(1),
            }
        )

    @property
    def latency(self) -> int:
        """Cycles from the decisive potentials to the result."""
        return decide_latency(self._units)

    def elaborate(self, platform):
        m = Module()
        flow = Signal()  # the whole pipeline moves, or waits for the result to be taken
        m.d.comb += [
            flow.eq(~self.result.valid | self.result.ready),
            self.potentials.ready.eq(flow),
        ]

        candidate = data.StructLayout(
            {"label": range(self._units), "margin": self.result.payload.margin.shape()}
        )
        # Level 0 holds all margins as they came, and finds out whether they are decisive.
        present = Signal()
        step = Signal.like(self.result.payload.step, name="step_0")
        level = [Signal(candidate, name=f"level_0_{k}") for k in range(self._units)]
        valid = Signal(name="valid_0")
        with m.If(flow):
            m.d.sync += [
                present.eq(self.potentials.valid & ~self.decided),
                step.eq(self.potentials.payload.step),
            ]
            for k, entry in enumerate(level):
                m.d.sync += [entry.label.eq(k), entry.margin.eq(self.potentials.payload.margin[k])]
        reached = Cat(~entry.margin[-1] for entry in level).any()
        m.d.comb += [
            valid.eq(present & (reached | (step == self._final))),
            self.decided.eq(valid & flow),
        ]

        # Each further level halves the candidates; of equal margins the lower index stays.
        for depth in range(1, self.latency):
            winners = []
            for k in range(0, len(level), 2):
                winner = Signal(candidate, name=f"level_{depth}_{k // 2}")
                winners.append(winner)
                pair = level[k : k + 2]
                with m.If(flow):
                    m.d.sync += winner.eq(pair[0])
                    with m.If(pair[-1].margin > pair[0].margin):
                        m.d.sync += winner.eq(pair[-1])
            next_valid, next_step = (
                Signal(name=f"valid_{depth}"),
                Signal.like(step, name=f"step_{depth}"),
            )
            with m.If(flow):
                m.d.sync += [next_valid.eq(valid), next_step.eq(step)]
            level, valid, step = winners, next_valid, next_step
        m.d.comb += [
            self.result.valid.eq(valid),
            self.result.payload.label.eq(level[0].label),
            self.result.payload.step.eq(step),
            self.result.payload.margin.eq(level[0].margin),
        ]
        return m
