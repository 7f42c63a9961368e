"""Intake: how an input comes in a host's bytes, pixels of an image or items of events.

The parts of the link (hw/link/link.py) that differ between the two, as signals and statements for
it.
"""

from typing import Any, NamedTuple

from amaranth.hdl import Module, Mux, ResetInserter, Signal

from hw.link import protocol
from hw.link.items import Items
from hw.link.protocol import Fault

__all__ = ["Intake", "event_intake", "pixel_intake"]


class Intake(NamedTuple):
    """One kind of input, as Amaranth's values and statements.

    Parameters
    ----------
    command : bytes
        After it an input comes.
    begin, take : statement
        What the command does, and what a byte of the input does that is taken.
    busy : value
        A byte of an input is due, not a command.
    ready, last : value
        That byte can be taken; it is the last one.
    end : value
        The core takes the end of an input.
    counted : value, optional
        The end has been taken, so that cycles from there on are counted; else an answer came early.
    overrun : value, optional
        Bytes came faster than they could be taken, which ends all but a reset.
    """

    command: bytes
    begin: Any
    take: Any
    busy: Any
    ready: Any
    last: Any
    end: Any
    counted: Any = None
    overrun: Any = None

    def cycles(self, count):
        """The cycles that an answer reports, where ``count`` are those from the end on."""
        return count if self.counted is None else Mux(self.counted, count, 1)

    def refusal(self, status):
        """What an input without a class is answered, where ``status`` is that of the weights."""
        return status if self.overrun is None else Mux(self.overrun, Fault.OVERRUN, status)


def pixel_intake(m: Module, link, *, pixels: int, too_early: Signal) -> Intake:
    """An image: a byte per pixel, the last one its end. ``too_early`` keeps it from the core."""
    left = Signal(range(pixels + 1))  # pixels of this image still to come
    busy, last, end = left != 0, left == 1, Signal(name="last_pixel")
    m.d.comb += [
        link.pixels.payload.eq(link.received.payload),
        link.pixels.valid.eq(link.received.valid & busy & ~too_early),
        end.eq(link.pixels.valid & link.pixels.ready & last),
    ]
    return Intake(
        command=protocol.IMAGE,
        begin=left.eq(pixels),
        take=left.eq(left - 1),
        busy=busy,
        ready=link.pixels.ready,
        last=last,
        end=end,
    )


def event_intake(
    m: Module, link, *, units: int, steps: int, taken: Signal, too_early: Signal, restart: Signal
) -> Intake:
    """Events: a spike or an end mark in three bytes. ``too_early`` keeps them from the core.

    An inference may be answered before its end mark. That is kept back until the inference before
    it is answered, so that cycles are counted for one at a time. ``restart`` drops all.
    """
    items = Items(units=units, steps=steps)
    m.submodules.items = ResetInserter(restart)(items)
    source, item = link.source, items.source
    busy, end = Signal(), Signal(name="end_mark")
    due = Signal()  # an inference has ended, its answer is to come
    early = Signal()  # an inference is answered, its end is to come
    answered, kept = Signal(), Signal()
    m.d.comb += [
        items.bytes.payload.eq(link.received.payload),
        items.bytes.valid.eq(taken & busy),
        kept.eq(item.payload.end & due),
        item.ready.eq(too_early | (source.ready & ~kept)),
        source.payload.eq(item.payload),
        source.valid.eq(item.valid & ~too_early & ~kept),
        end.eq(source.valid & source.ready & source.payload.end),
        answered.eq(link.result.valid & link.result.ready),
    ]
    with m.If(restart):
        m.d.sync += [due.eq(0), early.eq(0)]
    with m.Elif(end & ~answered):
        m.d.sync += [due.eq(~early), early.eq(0)]
    with m.Elif(answered & ~end):
        m.d.sync += [due.eq(0), early.eq(~due)]
    return Intake(
        command=protocol.EVENTS,
        begin=busy.eq(1),
        take=busy.eq(~items.ends),
        busy=busy,
        ready=1,
        last=items.ends,
        end=end,
        counted=due,
        overrun=items.overrun,
    )
