"""Frames: where one begins and ends in a host's bytes, whether it is right, and which have no
reply yet.
"""

from collections.abc import Mapping

from amaranth.hdl import Cat, Module, Mux, ResetInserter, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.link import protocol
from hw.link.checksum import Checksum
from hw.link.protocol import Kind

__all__ = ["Frames"]

_CHECKSUM = protocol.CHECKSUM.size


class Frames(wiring.Component):
    """Finds frames (hw/link/protocol.py) and checks them.

    A payload is passed on as it comes, before it is checked. After a damaged frame nothing is heard
    until the line has been idle, since it is not known where the next one begins.

    Latency: ``accepted`` or ``damaged`` comes with the frame's last byte.

    Parameters
    ----------
    sizes : dict of Kind to int, or None
        The kinds of frames there are, and the bytes of their payload; None where ``last`` tells.
    drops : set of Kind
        Once such a frame is accepted, those before it get no reply.

    Members
    -------
    bits, bytes : stream of 1 and of 8, always ready
        Each byte comes after its bits.
    broken, silent : 1
        As the receiver has them (hw/link/uart.py).
    abort : 1
        This frame's payload cannot be taken, so it counts as damaged.
    last : 1
        Where a payload's size is not known: nothing of it follows the byte of this cycle.
    answered : 1
        The oldest frame without a reply gets it.
    begins : 1
        The header came in the cycle before.
    kind : range(len(sizes))
        Of this frame or, between two, of the last one; see :meth:`is_kind`.
    payload : stream of 8, always ready
    left : range(…)
        Bytes of this frame still to come; 0 between two.
    accepted, damaged : 1
        What this frame was. One cycle.
    waiting : 1
        A frame has been accepted and has no reply.
    oldest : 4
        The sequence number of the first such frame.
    """

    def __init__(self, sizes: Mapping[Kind, int | None], *, drops: frozenset[Kind]):
        self._sizes = dict(sizes)
        self._kinds = tuple(sizes)
        self._drops = drops
        super().__init__(
            {
                "bits": In(stream.Signature(1, always_ready=True)),
                "bytes": In(stream.Signature(8, always_ready=True)),
                "broken": In(1),
                "silent": In(1),
                "abort": In(1),
                "last": In(1),
                "answered": In(1),
                "begins": Out(1),
                "kind": Out(range(len(self._kinds))),
                "payload": Out(stream.Signature(8, always_ready=True)),
                "left": Out(range(1 + _CHECKSUM + max(size or 1 for size in sizes.values()))),
                "accepted": Out(1),
                "damaged": Out(1),
                "waiting": Out(1),
                "oldest": Out(4),
            }
        )

    def is_kind(self, kind: Kind) -> Value:
        """Whether it is the one of this frame."""
        return self.kind == self._kinds.index(kind)

    def elaborate(self, platform):
        m = Module()
        left = self.left
        deaf = Signal()  # until the line is silent
        byte, heard, ends = self.bytes.payload, Signal(), Signal()
        unanswered = Signal(range(protocol.IN_FLIGHT + 1))
        full = unanswered == protocol.IN_FLIGHT
        # Sequence numbers of this frame and of the one before it.
        newest, before = (Signal(4, reset_less=True) for _ in range(2))
        in_payload = left > _CHECKSUM
        sized = Cat(
            self.is_kind(kind) for kind, size in self._sizes.items() if size is not None
        ).any()
        drops = Cat(self.is_kind(kind) for kind in self._drops).any()

        checksum, wrong = Checksum(), Signal()
        m.submodules.checksum = ResetInserter(ends | self.silent)(checksum)
        in_checksum = (left != 0) & ~in_payload
        with m.If(self.bits.valid & in_checksum & (self.bits.payload != checksum.bit)):
            m.d.sync += wrong.eq(1)
        with m.If(ends | self.silent):
            m.d.sync += wrong.eq(0)
        m.d.comb += [
            checksum.data.eq(self.bits.payload),
            checksum.valid.eq(self.bits.valid),
            checksum.shift.eq(in_checksum),
            heard.eq(self.bytes.valid & ~deaf),
            ends.eq(heard & (left == 1)),
            self.payload.payload.eq(byte),
            self.payload.valid.eq(heard & in_payload),
            self.accepted.eq(ends & ~wrong),
            self.waiting.eq(unanswered != 0),
            self.oldest.eq(Mux((left != 0) | full, before, newest)),
        ]
        unknown = Signal()
        m.d.sync += self.begins.eq(0)
        with m.If(heard & (left == 0)):
            m.d.sync += [newest.eq(byte[:4]), before.eq(newest), self.begins.eq(1)]
            m.d.comb += unknown.eq(1)
            for index, (kind, size) in enumerate(self._sizes.items()):
                with m.If(byte[4:] == kind):
                    m.d.comb += unknown.eq(0)
                    m.d.sync += [
                        self.kind.eq(index),
                        left.eq((1 if size is None else size) + _CHECKSUM),
                    ]
        with m.Elif(heard & (~self.payload.valid | sized | self.last)):
            m.d.sync += left.eq(left - 1)

        with m.If(self.damaged):
            m.d.sync += [deaf.eq(1), left.eq(0)]
        with m.If(self.silent):
            m.d.sync += [deaf.eq(0), left.eq(0)]

        with m.If(self.damaged):
            m.d.sync += unanswered.eq(0)
        with m.Elif(self.accepted & drops):
            m.d.sync += unanswered.eq(1)
        with m.Elif(self.accepted & ~self.answered):
            m.d.sync += unanswered.eq(unanswered + 1)
        with m.Elif(self.answered & ~self.accepted):
            m.d.sync += unanswered.eq(unanswered - 1)
        m.d.comb += self.damaged.eq(
            ~deaf
            & (
                (heard & (left == 0) & (unknown | full))
                | (ends & wrong)
                | (self.silent & (left != 0))
                | self.broken
                | self.abort
            )
        )
        return m
