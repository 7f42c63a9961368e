"""Bypass: events that come in time order already, as audio and sensors send them."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.rtl.streams import EventLayout

__all__ = ["Bypass", "SourceLayout"]


class SourceLayout(data.StructLayout):
    """A spike of an input unit, or the end of the inference's input.

    Members
    -------
    unit : range(units + 1)
        From ``units`` on there is none: a fault that a source may send for what it cannot write.
    step : range(steps)
        Not before that of the item before. Without meaning at the end, as is the unit.
    end : 1
        No spike: the input of this inference ends here.
    """

    def __init__(self, units: int, steps: int):
        super().__init__({"unit": range(units + 1), "step": range(steps), "end": 1})


class Bypass(wiring.Component):
    """Passes on spikes in time order, where a unit may fire more than once, and marks the steps.

    That a spike is its step's last is known when the next item is there, so a spike waits for that.
    What comes after the decision is taken and dropped up to the end mark.

    A non-monotonic step, an out-of-range unit or step, or more than ``most_spikes`` spikes would
    give a wrong answer: such an item ends the inference, and ``fault`` is set.

    Latency: ``latency`` = 1 cycle if the next item is there, another one if the first spike is not
    in step 0.
    Throughput: one spike a cycle.

    Parameters
    ----------
    units : int
        Number of input units.
    steps : int
        T.
    most_spikes : int
        Spikes of an inference that the potentials have room for.

    Members
    -------
    source : stream of SourceLayout
        Of one inference after the other.
    events : stream of EventLayout
        Of one inference: its non-empty steps, and in any case the first and the final step.
    finish : 1
        The inference is decided: drop the rest of it. Then the next one follows.
    fault : 1
        An item of this inference broke these rules.
    """

    latency = 1

    def __init__(self, *, units: int, steps: int, most_spikes: int):
        self._units = units
        self._steps = steps
        self._most_spikes = most_spikes
        super().__init__(
            {
                "source": In(stream.Signature(SourceLayout(units, steps))),
                "events": Out(stream.Signature(EventLayout(units, steps))),
                "finish": In(1),
                "fault": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        final_step = self._steps - 1
        new, event = self.source.payload, self.events.payload
        item, item_valid = Signal(new.shape()), Signal()
        count = Signal(range(self._most_spikes + 1))
        opened = Signal()  # step 0 has been sent
        complete = Signal()  # the end mark has been taken
        broken = Signal()  # the inference ended with a fault, its end mark is still to come
        over = Signal()  # the inference is decided, its end mark is still to come

        accept, sent, empty_first, wrong, stop = (Signal() for _ in range(5))
        m.d.comb += [
            # A step 0 without spikes is sent before the first item, if that is not in it.
            empty_first.eq(~opened & (item.step != 0)),
            self.events.valid.eq(item_valid & (empty_first | item.end | self.source.valid)),
            event.step.eq(Mux(empty_first, 0, item.step)),
            event.last.eq(empty_first | item.end | stop | (new.step != item.step)),
            sent.eq(self.events.valid & self.events.ready),
            self.source.ready.eq(
                ~self.finish & (over | (~complete & (broken | ~item_valid | (sent & ~empty_first))))
            ),
            accept.eq(self.source.valid & self.source.ready),
            wrong.eq(
                ~new.end
                & (
                    (new.unit >= self._units)
                    | (new.step >= self._steps)
                    | (item_valid & (new.step < item.step))
                    | (count == self._most_spikes)
                )
            ),
            stop.eq(new.end | wrong),
            event.row[0].eq(item.unit),
            event.spike.eq(~item.end & ~empty_first),
        ]
        with m.If(sent):
            m.d.sync += opened.eq(1)
            with m.If(~empty_first):
                m.d.sync += item_valid.eq(0)
        with m.If(accept & new.end):
            m.d.sync += [complete.eq(~over), over.eq(0), broken.eq(0)]
        with m.If(accept & ~over & ~broken):
            m.d.sync += [
                item.eq(new),
                # Nothing is left to send if the final step ends with the item before.
                item_valid.eq(~(stop & item_valid & (item.step == final_step))),
                count.eq(count + 1),
            ]
            with m.If(stop):
                m.d.sync += [item.step.eq(final_step), item.end.eq(1)]
            with m.If(wrong):
                m.d.sync += [broken.eq(1), self.fault.eq(1)]
        with m.If(self.finish):
            m.d.sync += [
                *(each.eq(0) for each in (item_valid, opened, complete, broken, count)),
                self.fault.eq(0),
                over.eq(~complete),
            ]
        return m
