"""Listen: the sums of P channels, and the twin registers from which they speak."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.rtl.bistable.layouts import JobLayout, PartLayout
from hw.rtl.bistable.plan import BistablePlan

__all__ = ["Listen", "listen_latency"]


def listen_latency(plan: BistablePlan) -> int:
    """Cycles from a part to the sums that have it."""
    return 2 + (plan.listens > 1)


class Listen(wiring.Component):
    """Adds values whose weight is +1, in each lane, and once for all lanes the sum of all values:
    ``Σ b a = 2 · Σ (values with +1) − Σ (all values)`` (docs/spec.md, "Identities").

    All K phases of a value come in the same cycle: a sum of numbers of K bits is what K sums of
    spikes, each doubled once more than the next, come to.

    Latency: :func:`listen_latency` cycles from ``part.speak`` to the twin registers.
    Throughput: one part per cycle.

    Parameters
    ----------
    plan : BistablePlan

    Members
    -------
    part : PartLayout
    plus : P · E
        The row of weights, in the cycle after ``part.row`` came.
    ends : 1
        From the next cycle on the twin registers have the sums of a job.
    job : JobLayout
        With ``ends``.
    next : 1
        The next V lanes.
    sums : array of V
        Of the first V lanes.
    total : plan.total_bits
        The sum of all values.
    """

    def __init__(self, plan: BistablePlan):
        self._plan = plan
        super().__init__(
            {
                "part": In(PartLayout(plan)),
                "plus": In(plan.weight_width),
                "ends": Out(1),
                "job": Out(JobLayout(plan)),
                "next": In(1),
                "sums": Out(data.ArrayLayout(plan.sum_bits, plan.speaks)),
                "total": Out(plan.total_bits),
            }
        )

    def elaborate(self, platform):
        m = Module()
        plan = self._plan
        now = Signal(PartLayout(plan))  # with its weights
        m.d.sync += now.eq(self.part)
        values = [now.values[k] for k in range(plan.listens)]
        heard = [
            sum(Mux(self.plus[lane * plan.listens + k], value, 0) for k, value in enumerate(values))
            for lane in range(plan.lanes)
        ]
        every = sum(values)
        add, speak, job = now.add, now.speak, now.job
        if plan.listens > 1:  # a stage between the trees and the sums
            add, speak = Signal(name="add"), Signal(name="speak")
            job = Signal.like(now.job, name="job_now")
            m.d.sync += [add.eq(now.add), speak.eq(now.speak), job.eq(now.job)]
            bits = range(plan.listens * plan.top + 1)
            heard = [_registered(m, each, bits, f"heard_{k}") for k, each in enumerate(heard)]
            every = _registered(m, every, bits, "every")
        lanes = [Signal(plan.sum_bits, name=f"sum_{k}") for k in range(plan.lanes)]
        twins = [
            Signal(plan.sum_bits, name=f"twin_{k}", reset_less=True) for k in range(plan.lanes)
        ]
        total = Signal(plan.total_bits)
        with m.If(speak):
            m.d.sync += [each.eq(0) for each in (*lanes, total)]
            m.d.sync += self.total.eq(total)
        with m.Elif(add):
            m.d.sync += [each.eq(each + more) for each, more in zip(lanes, heard, strict=True)]
            m.d.sync += total.eq(total + every)
        # What leaves at the end comes in again: it costs no more than a constant.
        behind = [*twins[plan.speaks :], *twins[: plan.speaks]]
        with m.If(speak | self.next):
            m.d.sync += [
                twin.eq(Mux(speak, lane, after))
                for twin, lane, after in zip(twins, lanes, behind, strict=True)
            ]
        m.d.comb += [
            self.ends.eq(speak),
            self.job.eq(job),
            self.sums.eq(Cat(twins[: plan.speaks])),
        ]
        return m


def _registered(m, value, shape, name):
    register = Signal(shape, name=name, reset_less=True)
    m.d.sync += register.eq(value)
    return register
