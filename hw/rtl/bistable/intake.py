"""Intake: the values of the network's input, word by word."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring

from hw.rtl.bistable.layouts import intake_members
from hw.rtl.bistable.plan import BistablePlan

__all__ = ["Intake"]


class Intake(wiring.Component):
    """Takes an image's values as the encoder gives them, and then no other until it is released.

    The encoder is that of first-spike networks with 2^K steps: the step in which a pixel would fire
    is its value with all bits inverted.

    Latency: 1 cycle from a word's last value to the word, 2 from the image's last to ``full``.
    Throughput: a value per cycle.

    Parameters
    ----------
    plan : BistablePlan

    Members
    -------
    arrivals : stream of ArrivalLayout
    release : 1
        The image is no longer needed.
    full : 1
        There is a whole image, and its lists are written.
    valid : 1
        A word.
    values : array of K
    slot : plan.input_slot_bits
    place_ends : 1
        It is its place's last.
    """

    def __init__(self, plan: BistablePlan):
        self._plan = plan
        self._channels = plan.inputs.values
        super().__init__(intake_members(plan))

    def elaborate(self, platform):
        m = Module()
        plan, arrivals = self._plan, self.arrivals
        taken, ends = Signal(), Signal()  # the image has been taken; its last word comes now
        channel, own = Signal(range(self._channels)), Signal(range(plan.input_values))
        slot, values = Signal(plan.input_slot_bits), self.values.as_value()
        in_word, last = own == plan.input_values - 1, channel == self._channels - 1
        m.d.comb += arrivals.ready.eq(~taken)
        m.d.sync += [self.valid.eq(0), ends.eq(0), self.full.eq(ends | (self.full & ~self.release))]
        with m.If(arrivals.valid & arrivals.ready):
            with m.If(arrivals.payload.spike):
                value = ~arrivals.payload.step[0]
                with m.If(own == 0):
                    m.d.sync += values.eq(value)
                for k in range(1, plan.input_values):
                    with m.If(own == k):
                        m.d.sync += self.values[k].eq(value)
                m.d.sync += [
                    channel.eq(channel + 1),
                    own.eq(own + 1),
                    self.valid.eq(in_word | last),
                    self.slot.eq(slot),
                    self.place_ends.eq(last),
                ]
                with m.If(in_word | last):
                    m.d.sync += [own.eq(0), slot.eq(slot + 1)]
                with m.If(last):
                    m.d.sync += [channel.eq(0), slot.eq(0)]
            with m.If(arrivals.payload.last):
                m.d.sync += [taken.eq(1), ends.eq(1)]
        with m.If(self.release):
            m.d.sync += taken.eq(0)
        return m
