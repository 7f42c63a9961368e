"""Intake: how an input comes in a frame's payload, pixels of an image or items of events.

The parts of the link (hw/link/link.py) that differ between the two, as signals and statements for
it.
"""

from typing import Any, NamedTuple

from amaranth.hdl import Const, Module, ResetInserter, Signal, Value

from hw.link import protocol
from hw.link.items import Items
from hw.link.protocol import Kind
from hw.rtl.inputs.base import Input
from hw.rtl.inputs.events import Events
from hw.rtl.inputs.pixels import Pixels
from sw.cli import UserError
from sw.network import Network

__all__ = ["Intake", "check_units", "intake", "kind_of"]


class Intake(NamedTuple):
    """One kind of input, as Amaranth's values.

    Parameters
    ----------
    last : value
        This byte is the payload's last.
    end : value
        The core takes the end of an input: cycles are counted from there on.
    overrun : value
        Bytes came faster than they could be taken.
    """

    last: Any
    end: Any
    overrun: Any


def kind_of(source: Input) -> Kind:
    """The kind of the frames that bring such inputs."""
    return Kind.IMAGE if source.port == Pixels.port else Kind.EVENTS


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
    left: Signal,
    too_early: Signal,
    waits: bool,
    restart: Value,
) -> Intake:
    """How ``source``, what the core takes, comes in the bytes of ``link``.

    Parameters
    ----------
    taken : Signal
        The byte of this cycle is of an input's payload.
    left : Signal
        Where the payload's size is known: bytes of the frame still to come, with this one.
    too_early : Signal
        Keeps this input from the core.
    waits : bool
        The core may not take what comes at once.
    restart : value
        Drops all.
    """
    if source.port == Pixels.port:
        return _pixels(m, link, taken=taken, left=left, too_early=too_early, waits=waits)
    return _events(m, link, network, taken=taken, too_early=too_early, restart=restart)


def _pixels(
    m: Module, link, *, taken: Signal, left: Signal, too_early: Signal, waits: bool
) -> Intake:
    """An image: a byte per pixel and channel. Unless the core ``waits``, it takes each at once,
    since at most two are in flight.
    """
    last, end = left == protocol.CHECKSUM.size + 1, Signal(name="last_pixel")
    m.d.comb += [
        link.pixels.payload.eq(link.bytes.payload),
        link.pixels.valid.eq(taken & ~too_early),
        end.eq(link.pixels.valid & last),
    ]
    overrun = Signal() if waits else Const(0)
    if waits:
        # A cycle later, and so in the same frame: what aborts it need not wait for the core.
        m.d.sync += overrun.eq(link.pixels.valid & ~link.pixels.ready)
    return Intake(last=last, end=end, overrun=overrun)


def _events(
    m: Module, link, network: Network, *, taken: Signal, too_early: Signal, restart: Value
) -> Intake:
    """Events: a spike or an end mark in three bytes.

    The core may have the result before the end mark. That is kept back until the inference before
    it is answered, so that cycles are counted for one at a time.
    """
    items = Items(units=network.sizes[0], steps=network.steps)
    m.submodules.items = ResetInserter(restart)(items)
    source, item = link.source, items.source
    end = Signal(name="end_mark")
    due, kept = Signal(), Signal()  # an inference has ended, its answer is to come
    m.d.comb += [
        items.bytes.payload.eq(link.bytes.payload),
        items.bytes.valid.eq(taken),
        kept.eq(item.payload.end & due),
        item.ready.eq(too_early | (source.ready & ~kept)),
        source.payload.eq(item.payload),
        source.valid.eq(item.valid & ~too_early & ~kept),
        end.eq(source.valid & source.ready & source.payload.end),
    ]
    with m.If(end):
        m.d.sync += due.eq(1)
    with m.Elif(restart | (link.result.valid & link.result.ready)):
        m.d.sync += due.eq(0)
    return Intake(last=items.ends, end=end, overrun=items.overrun)
