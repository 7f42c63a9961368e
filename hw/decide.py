"""Decide: the first output unit to fire names the class."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from hw.event import PotentialsLayout
from sw.network import Layer

__all__ = ["Decide", "ResultLayout"]


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
        potentials = PotentialsLayout(layer, steps)
        super().__init__(
            {
                "label": range(layer.outputs),
                "step": range(steps),
                "margin": potentials["margin"].shape.elem_shape,
            }
        )


class Decide(wiring.Component):
    """Decides in the first step in which an output unit fires, or in the final step (rule 5).

    Until somebody fires, every margin is negative; in the decision step the units that fire are
    those whose margin is not. So in both cases the largest margin wins, then the lowest index:
    one tree of comparisons, one register level per halving.

    Latency: ``latency`` = ceil(log2(outputs)) + 1 cycles from the decisive potentials to the
    result; ``decided`` comes in the cycle in which the potentials are accepted.
    Throughput: one decision a cycle.

    Parameters
    ----------
    layer : sw.network.Layer
        The output layer.
    steps : int
        T.

    Members
    -------
    i : stream of PotentialsLayout
    o : stream of ResultLayout
    decided : 1
        Early exit: nothing that follows in this inference can change the answer.
    """

    def __init__(self, *, layer: Layer, steps: int):
        self._units = layer.outputs
        self._final = steps - 1
        super().__init__(
            {
                "i": In(stream.Signature(PotentialsLayout(layer, steps))),
                "o": Out(stream.Signature(ResultLayout(layer, steps))),
                "decided": Out(1),
            }
        )

    @property
    def latency(self) -> int:
        """Cycles from the decisive potentials to the result."""
        return ceil_log2(self._units) + 1

    def elaborate(self, platform):
        m = Module()
        decisive, flow = Signal(), Signal()
        margins = [self.i.payload.margin[k] for k in range(self._units)]
        m.d.comb += [
            decisive.eq(
                Cat(~margin[-1] for margin in margins).any()
                | (self.i.payload.step == self._final)
            ),
            flow.eq(~self.o.valid | self.o.ready),
            self.i.ready.eq(flow | ~decisive),
            self.decided.eq(self.i.valid & decisive & flow),
        ]

        candidate = data.StructLayout(
            {"label": range(self._units), "margin": self.o.payload.margin.shape()}
        )
        valid = Signal(name="valid_0")
        step = Signal.like(self.o.payload.step, name="step_0")
        level = [Signal(candidate, name=f"level_0_{k}") for k in range(self._units)]
        with m.If(flow):
            m.d.sync += [valid.eq(self.decided), step.eq(self.i.payload.step)]
            for k, margin in enumerate(margins):
                m.d.sync += [level[k].label.eq(k), level[k].margin.eq(margin)]
        depth = 0
        while len(level) > 1:
            depth += 1
            winners = []
            for k in range(0, len(level) - 1, 2):
                first, second = level[k], level[k + 1]
                winner = Signal(candidate, name=f"level_{depth}_{k // 2}")
                with m.If(flow):
                    m.d.sync += winner.eq(Mux(first.margin >= second.margin, first, second))
                winners.append(winner)
            if len(level) % 2:
                rest = Signal(candidate, name=f"level_{depth}_{len(level) // 2}")
                with m.If(flow):
                    m.d.sync += rest.eq(level[-1])
                winners.append(rest)
            next_valid = Signal(name=f"valid_{depth}")
            next_step = Signal.like(step, name=f"step_{depth}")
            with m.If(flow):
                m.d.sync += [next_valid.eq(valid), next_step.eq(step)]
            level, valid, step = winners, next_valid, next_step
        m.d.comb += [
            self.o.valid.eq(valid),
            self.o.payload.label.eq(level[0].label),
            self.o.payload.step.eq(step),
            self.o.payload.margin.eq(level[0].margin),
        ]
        return m
