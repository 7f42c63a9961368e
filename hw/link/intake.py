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
    """One kind of input. Amaranth's values and statements; ``end`` and ``lost`` are signals.

    Parameters
    ----------
    command : bytes
        After it an input comes.
    begin, take : statement
        What the command does, and what a byte of the input does that is taken.
    idle, busy : value
        A command is due; a byte of an input is.
    ready, last : value
        That byte can be taken; it is the last one.
    offer : list of statements
        What the core is offered.
    end, ended : signal, value
        The core takes the end of an input; what says so.
    counted : value, optional
        The end has been taken, so that cycles from there on are counted; else an answer came early.
    lost : signal, optional
        Bytes came faster than they could be taken, which ends all but a reset.
    """

    command: bytes
    begin: Any
    take: Any
    idle: Any
    busy: Any
    ready: Any
    last: Any
    offer: list
    end: Signal
    ended: Any
    counted: Any = None
    lost: Any = None

    def cycles(self, count):
        """The cycles that an answer tells of, where ``count`` are those from the end on."""
        return count if self.counted is None else Mux(self.counted, count, 1)

    def status(self, weights):
        """What is told of an input without a class, where ``weights`` is the status of those."""
        return weights if self.lost is None else Mux(self.lost, Fault.OVERRUN, weights)


def pixel_intake(link, *, pixels: int, dropped: Signal) -> Intake:
    """An image: a byte is a pixel, and the last one its end."""
    left = Signal(range(pixels + 1))  # pixels of this image still to come
    last_pixel = Signal()
    return Intake(
        command=protocol.IMAGE,
        begin=left.eq(pixels),
        take=left.eq(left - 1),
        idle=left == 0,
        busy=left != 0,
        ready=link.pixels.ready,
        last=left == 1,
        offer=[
            link.pixels.payload.eq(link.received.payload),
            link.pixels.valid.eq(link.received.valid & (left != 0) & ~dropped),
        ],
        end=last_pixel,
        ended=link.pixels.valid & link.pixels.ready & (left == 1),
    )


def event_intake(
    m: Module, link, *, units: int, steps: int, accept: Signal, dropped: Signal, again: Signal
) -> Intake:
    """Events: a spike or an end mark in three bytes.

    An inference may be answered before its end mark. That is kept back until the inference before
    it is answered, so that cycles are counted for one at a time. ``again`` drops all.
    """
    items = Items(units=units, steps=steps)
    m.submodules.items = ResetInserter(again)(items)
    source, item = link.source, items.source
    busy, end_mark = Signal(), Signal()
    due = Signal()  # an inference has ended, its answer is to come
    early = Signal()  # an inference is answered, its end is to come
    answered, kept = Signal(), Signal()
    m.d.comb += [
        items.bytes.payload.eq(link.received.payload),
        items.bytes.valid.eq(accept & busy),
        kept.eq(item.payload.end & due),
        item.ready.eq(dropped | (source.ready & ~kept)),
        answered.eq(link.result.valid & link.result.ready),
    ]
    with m.If(again):
        m.d.sync += [due.eq(0), early.eq(0)]
    with m.Elif(end_mark & ~answered):
        m.d.sync += [due.eq(~early), early.eq(0)]
    with m.Elif(answered & ~end_mark):
        m.d.sync += [due.eq(0), early.eq(~due)]
    return Intake(
        command=protocol.EVENTS,
        begin=busy.eq(1),
        take=busy.eq(~items.ends),
        idle=~busy,
        busy=busy,
        ready=1,
        last=items.ends,
        offer=[source.payload.eq(item.payload), source.valid.eq(item.valid & ~dropped & ~kept)],
        end=end_mark,
        ended=source.valid & source.ready & source.payload.end,
        counted=due,
        lost=items.lost,
    )
