"""Speak: from sums to potentials, and from potentials to values, bit by bit."""

from amaranth.hdl import Array, Cat, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.rtl.bistable.layouts import PotentialsLayout, TurnLayout, WordLayout
from hw.rtl.bistable.plan import BistablePlan
from hw.rtl.bistable.turns import ConstantsLayout
from hw.rtl.by_layer import by_layer

__all__ = ["Speak", "divide"]


def divide(m, value, divisor, name):
    """One step of a restoring division: whether ``divisor`` goes into ``value``, and the rest."""
    rest = Signal(value.shape(), name=f"rest_{name}")
    difference = value - divisor
    fits = ~difference[-1]
    m.d.comb += rest.eq(Mux(fits, difference, value))
    return fits, rest


class Speak(wiring.Component):
    """The neurons of V channels when they speak (docs/spec.md, third part, rules 2, 3, 5 and 7):
    ``U = c + g · Σ b a`` and what a shortcut adds; then in each phase k, one after another, those
    with ``U >= θ · 2^(K−1−k)`` fire and subtract it.

    Latency: ``potentials`` come 2 cycles after a turn, ``word`` 2 + K.
    Throughput: a turn per cycle.

    Parameters
    ----------
    plan : BistablePlan

    Members
    -------
    layer : range(layers)
    turn : TurnLayout
    constants : ConstantsLayout
    sums, total : as in Listen
        Of the turn.
    past : array of K
        Only where the network has shortcuts: held values of these channels.
    potentials : PotentialsLayout
        Of the output layer.
    word : WordLayout
        Of a hidden layer.
    """

    def __init__(self, plan: BistablePlan):
        self._plan = plan
        past = data.ArrayLayout(plan.phases, plan.speaks)
        super().__init__(
            {
                "layer": In(range(len(plan.layers))),
                "turn": In(TurnLayout(plan)),
                "constants": In(ConstantsLayout(plan)),
                "sums": In(data.ArrayLayout(plan.sum_bits, plan.speaks)),
                "total": In(plan.total_bits),
                **({"past": In(past)} if plan.held_words else {}),
                "potentials": Out(PotentialsLayout(plan)),
                "word": Out(WordLayout(plan)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        plan, channels = self._plan, range(self._plan.speaks)
        turns = [self.turn]
        for stage in range(2 + plan.phases):
            turns.append(Signal(self.turn.shape(), name=f"turn_{stage + 1}"))
            m.d.sync += turns[-1].eq(turns[-2])
        output = self.layer == len(plan.layers) - 1
        m.d.sync += turns[3].valid.eq(turns[2].valid & ~output)
        names = [name for name, _ in self.turn.shape()]
        for into, before in ((self.potentials, turns[2]), (self.word, turns[-1])):
            m.d.comb += [into[name].eq(before[name]) for name in names]
        m.d.comb += self.potentials.valid.eq(turns[2].valid & output)
        for k in channels:
            potential, threshold = self._potential(m, k)
            m.d.comb += self.potentials.potentials[k].eq(potential)
            value = Cat()
            for phase in range(plan.phases):
                power = plan.phases - 1 - phase
                fits, rest = divide(m, potential, threshold << power, f"{k}_{phase}")
                before = value
                value = Signal(phase + 1, name=f"value_{k}_{phase}", reset_less=True)
                m.d.sync += value.eq(Cat(fits, before))
                if power:
                    own, name = threshold, f"{k}_{phase + 1}"
                    potential = Signal.like(rest, name=f"potential_{name}", reset_less=True)
                    threshold = Signal.like(own, name=f"own_{name}")
                    m.d.sync += [potential.eq(rest), threshold.eq(own)]
            m.d.comb += self.word.values[k].eq(value)
        return m

    def _potential(self, m, k):
        """Potential and threshold of channel ``k``, two cycles after its turn."""
        plan, constants = self._plan, self.constants
        difference = (self.sums[k] << 1) - self.total

        def register(shape, name):
            return Signal(shape, name=f"{name}_{k}", reset_less=True)

        bits = signed(plan.potential_bits)
        weighted, added = register(difference.shape(), "weighted"), register(bits, "added")
        shift = register(constants.shift[k].shape(), "shift")
        first, threshold = (register(plan.threshold_bits, name) for name in ("first", "own"))
        potential = register(bits, "potential")
        shifted = Array(weighted << amount for amount in plan.shifts)[shift]
        m.d.sync += [
            weighted.eq(difference),
            added.eq(constants.bias[k].as_signed() + self._past(m, k)),
            shift.eq(constants.shift[k]),
            first.eq(constants.threshold[k]),
            potential.eq(shifted + added),
            threshold.eq(first),
        ]
        return potential, threshold

    def _past(self, m, k):
        """What a shortcut adds to channel ``k``."""
        plan = self._plan
        if not plan.held_words:
            return 0
        shifts = sorted({each.past_shift for each in plan.layers if each.past is not None})
        past = Array([0, *(self.past[k] << amount for amount in shifts)])
        which = [
            0 if each.past is None else 1 + shifts.index(each.past_shift) for each in plan.layers
        ]
        return past[by_layer(m, self.layer, which)]
