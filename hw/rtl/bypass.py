"""Bypass: sensor events, which come in time order already, as audio and event cameras send them."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.rtl.streams import SpikeBeat

__all__ = ["Bypass", "SourceLayout"]


class SourceLayout(data.StructLayout):
    """A spike of an input unit, or the end of the inference's input.

    Members
    -------
    unit : range(units + 1)
        From ``units`` on it is out of range: a fault, which a source may send for a unit that does
        not fit the field.
    step : range(steps)
        Non-decreasing. Without meaning in an end mark, as is the unit.
    end : 1
        No spike: the input of this inference ends here.
    """

    def __init__(self, units: int, steps: int):
        super().__init__({"unit": range(units + 1), "step": range(steps), "end": 1})


class Bypass(wiring.Component):
    """Passes on spikes in time order, where a unit may fire more than once, and marks the steps.

    Whether a spike is the last of its step is known with the next item, so a spike waits for it.
    Items after the decision are accepted and dropped, up to the end mark.

    A non-monotonic step, an out-of-range unit or step, or more than ``most_spikes`` spikes would
    give a wrong answer: such an item ends the inference, and ``fault`` is set.

    Latency: ``latency`` = 1 cycle if the next item is there, another one if the first spike is not
    in step 0.
    Throughput: one spike per cycle.

    Parameters
    ----------
    units : int
        Number of input units.
    steps : int
        T.
    most_spikes : int
        Spikes of an inference that the potentials can hold.

    Members
    -------
    source : stream of SourceLayout
        The items of consecutive inferences.
    beats : stream of SpikeBeat
        Of one inference: its non-empty steps, and in any case the first and the final step.
    finish : 1
        The inference is decided: drop the rest of it. Then the next one follows.
    fault : 1
        An item of this inference was invalid.
    """

    latency = 1

    def __init__(self, *, units: int, steps: int, most_spikes: int):
        self._units = units
        self._steps = steps
        self._most_spikes = most_spikes
        super().__init__(
            {
                "source": In(stream.Signature(SourceLayout(units, steps))),
                "beats": Out(stream.Signature(SpikeBeat(units, steps))),
                "finish": In(1),
                "fault": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        final_step = self._steps - 1
        new, beat = self.source.payload, self.beats.payload
        # Names are given where a local function uses the signal: Amaranth cannot infer those.
        held = Signal(new.shape(), name="held")  # an item that waits for the next one
        held_valid = Signal(name="held_valid")
        spikes = Signal(range(self._most_spikes + 1), name="spikes")
        step_0_sent = Signal(name="step_0_sent")
        complete = Signal(name="complete")  # the end mark has been taken
        # Items are dropped up to the end mark: the inference has failed, or is decided.
        faulty, decided = Signal(name="faulty"), Signal(name="decided")

        accept, sent, skip_step_0, breaks_rules, ends = (
            Signal(name=name) for name in ("accept", "sent", "skip_step_0", "breaks_rules", "ends")
        )
        out_of_range = (new.unit >= self._units) | (new.step >= self._steps)
        non_monotonic = held_valid & (new.step < held.step)
        too_many = spikes == self._most_spikes

        def hold(item):
            # Nothing is left to send if the final step ends with the item before.
            nothing_left = ends & held_valid & (held.step == final_step)
            return [held.eq(item), held_valid.eq(~nothing_left), spikes.eq(spikes + 1)]

        def close_final_step():
            return [held.step.eq(final_step), held.end.eq(1)]

        def forget_inference():
            state = (held_valid, step_0_sent, complete, faulty, spikes, self.fault)
            return [each.eq(0) for each in state]

        m.d.comb += [
            accept.eq(self.source.valid & self.source.ready),
            breaks_rules.eq(~new.end & (out_of_range | non_monotonic | too_many)),
            ends.eq(new.end | breaks_rules),
            # A step 0 without spikes is sent before the first item, if that is not in it.
            skip_step_0.eq(~step_0_sent & (held.step != 0)),
            self.beats.valid.eq(held_valid & (skip_step_0 | held.end | self.source.valid)),
            sent.eq(self.beats.valid & self.beats.ready),
            beat.row[0].eq(held.unit),
            beat.step.eq(Mux(skip_step_0, 0, held.step)),
            beat.spike.eq(~held.end & ~skip_step_0),
            beat.last.eq(skip_step_0 | held.end | ends | (new.step != held.step)),
            self.source.ready.eq(
                ~self.finish
                & (decided | (~complete & (faulty | ~held_valid | (sent & ~skip_step_0))))
            ),
        ]
        with m.If(sent):
            m.d.sync += step_0_sent.eq(1)
            with m.If(~skip_step_0):
                m.d.sync += held_valid.eq(0)
        with m.If(accept & new.end):
            m.d.sync += [complete.eq(~decided), decided.eq(0), faulty.eq(0)]
        with m.If(accept & ~decided & ~faulty):
            m.d.sync += hold(new)
            with m.If(ends):
                m.d.sync += close_final_step()
            with m.If(breaks_rules):
                m.d.sync += [faulty.eq(1), self.fault.eq(1)]
        with m.If(self.finish):
            m.d.sync += [*forget_inference(), decided.eq(~complete)]
        return m
