"""Intake: how an input comes in a host's bytes, pixels of an image or items of events.

The parts of the link (hw/link/link.py) that differ between the two, as signals and statements for
it.
"""

from typing import Any, NamedTuple

from amaranth.hdl import Module, Mux, ResetInserter, Signal

from hw.link import protocol
from hw.link.items import Items
from hw.link.protocol import Fault
from hw.rtl.inputs.base import Input
from hw.rtl.inputs.events import Events
from hw.rtl.inputs.pixels import Pixels
from sw.cli import UserError
from sw.network import Network

__all__ = ["Intake", "check_units", "intake"]


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


def check_units(network: Network, source: Input) -> None:
    """Raises :class:`UserError` if the link cannot name the inputs of ``network``."""
    if source.port == Events.port and network.sizes[0] > protocol.END:
        raise UserError(
            f"network {network.name!r}: the link carries events of at most {protocol.END} inputs, "
            f"not {network.sizes[0]}"
        )


def intake(
    m: Module,
    link,
    source: Input,
    *,
    network: Network,
    taken: Signal,
    too_early: Signal,
    restart: Signal,
) -> Intake:
    """How ``source``, what the core takes, comes in the bytes of ``link``.

    Parameters
    ----------
    taken : Signal
        A byte is taken in this cycle.
    too_early : Signal
        Keeps this input from the core.
    restart : Signal
        Drops all.
    """
    if source.port == Pixels.port:
        return _pixels(m, link, pixels=source.load_cycles, too_early=too_early)
    return _events(m, link, network, taken=taken, too_early=too_early, restart=restart)


def _pixels(m: Module, link, *, pixels: int, too_early: Signal) -> Intake:
    """An image: a byte per pixel, the last one its end."""
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


def _events(
    m: Module, link, network: Network, *, taken: Signal, too_early: Signal, restart: Signal
) -> Intake:
    """Events: a spike or an end mark in three bytes.

    An inference may be answered before its end mark. That is kept back until the inference before
    it is answered, so that cycles are counted for one at a time.
    """
    items = Items(units=network.sizes[0], steps=network.steps)
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
