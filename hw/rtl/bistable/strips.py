"""Strips: what a row of the first kernel looks at in the network's input, as one place."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring

from hw.rtl.bistable.layouts import intake_members
from hw.rtl.bistable.plan import BistablePlan

__all__ = ["Strips"]


class Strips(wiring.Component):
    """As Intake, but a place is what a row of the kernel looks at: the last pixels that came, in a
    shift register, wherever the first layer's kernel stands. A first layer has few channels; so a
    job listens to a row of the kernel at a time, and not to each pixel.

    Latency: ``plan.input_latency`` cycles from the image's last value to ``full``.
    Throughput: a value per cycle; at a row's end the padding at its right takes as many cycles as
    values would.

    Parameters
    ----------
    plan : BistablePlan
        With a strip.

    Members
    -------
    arrivals, release, full, valid, values, slot, place_ends
        As of Intake.
    """

    def __init__(self, plan: BistablePlan):
        if plan.strip is None:
            raise ValueError("Plan must have a strip")
        self._plan = plan
        self._strip = plan.strip
        super().__init__(intake_members(plan))

    def elaborate(self, platform):
        m = Module()
        strip, arrivals = self._strip, self.arrivals
        size = strip.kernel * strip.channels
        bits = self._plan.phases
        taken, padding = Signal(), Signal()  # all has come; zeros come at the right
        window = Signal(bits * size)
        channel, x = Signal(range(strip.channels)), Signal(range(strip.end + 1))
        to_come = Signal(range(max(strip.begin, strip.stride - 1) + 1), init=strip.begin)
        places, emits = Signal(range(strip.places + 1)), Signal()

        value, moves = Signal(bits), Signal()
        row_begins = (x == 0) & (channel == 0)
        pixel_ends, row_ends = channel == strip.channels - 1, Signal()
        m.d.comb += [
            arrivals.ready.eq(~taken & ~padding),
            moves.eq(padding | (arrivals.valid & arrivals.ready)),
            value.eq(Mux(padding, 0, ~arrivals.payload.step[0])),
            row_ends.eq(pixel_ends & (x == strip.end)),
        ]
        m.d.sync += emits.eq(0)
        with m.If(moves):
            before = Mux(row_begins, 0, window[bits:])
            m.d.sync += [window.eq(Cat(before, value)), channel.eq(channel + 1)]
            with m.If(pixel_ends):
                m.d.sync += [channel.eq(0), x.eq(x + 1), to_come.eq(to_come - 1)]
                with m.If((to_come == 0) & (places != strip.places)):
                    m.d.sync += [emits.eq(1), places.eq(places + 1), to_come.eq(strip.stride - 1)]
                with m.If(x == strip.width - 1):
                    m.d.sync += padding.eq(1)
            with m.If(row_ends):
                m.d.sync += [x.eq(0), places.eq(0), to_come.eq(strip.begin), padding.eq(0)]
            with m.If(~padding & arrivals.payload.last):
                m.d.sync += taken.eq(1)
        with m.If(self.release):
            m.d.sync += taken.eq(0)
        done = self._words(m, window, emits)
        m.d.sync += self.full.eq(~self.release & (self.full | (taken & ~padding & done)))
        return m

    def _words(self, m, window, emits):
        """The words of the place in ``window``; returns whether none comes behind this cycle's."""
        slots, width = self._plan.inputs.slots, self._plan.input_values * self._plan.phases
        if slots == 1:
            m.d.comb += [
                self.valid.eq(emits),
                self.values.as_value().eq(window),
                self.place_ends.eq(1),
            ]
            return 1
        # The first word from the window, the others from a copy: the window goes on.
        copy, left = Signal(len(window) - width), Signal(range(slots))
        m.d.comb += [
            self.valid.eq(emits | (left != 0)),
            self.values.as_value().eq(Mux(emits, window, copy)),
            self.slot.eq(Mux(emits, 0, slots - left)),
            self.place_ends.eq(left == 1),
        ]
        with m.If(emits):
            m.d.sync += [copy.eq(window[width:]), left.eq(slots - 1)]
        with m.Elif(left != 0):
            m.d.sync += [copy.eq(copy >> width), left.eq(left - 1)]
        return ~emits & (left <= 1)
