"""The sender: replies as frames on the serial line."""

from amaranth.hdl import Cat, Module, Mux, ResetInserter, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.link import protocol
from hw.link.checksum import Checksum
from hw.link.layouts import ReplyLayout

__all__ = ["Sender"]


class Sender(wiring.Component):
    """Sends replies, each with its checksum, bit by bit.

    Throughput: one reply in 130 bit times.

    Parameters
    ----------
    layout : ReplyLayout

    Members
    -------
    tick : 1
        One cycle in each bit time.
    reply : stream of layout
        Its highest bit is repeated up to the body's end.
    line : 1
        Idle is high.
    """

    def __init__(self, layout: ReplyLayout):
        super().__init__(
            {
                "tick": In(1),
                "reply": In(stream.Signature(layout)),
                "line": Out(1, init=1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        shift = Signal(len(self.reply.payload.as_value()), reset_less=True)
        left = Signal(range(protocol.REPLY_SIZE + 1))  # bytes still to send
        bit = Signal(range(10))  # of this byte with its start and stop bit
        checksum = Checksum()
        m.submodules.checksum = ResetInserter(left == 0)(checksum)
        m.d.comb += [
            self.reply.ready.eq(left == 0),
            checksum.data.eq(shift[0]),
            checksum.shift.eq(left <= protocol.CHECKSUM.size),
        ]
        with m.If(self.reply.ready), m.If(self.reply.valid):
            m.d.sync += [shift.eq(self.reply.payload), left.eq(protocol.REPLY_SIZE)]
        with m.Elif(self.tick):
            m.d.sync += bit.eq(bit + 1)
            with m.Switch(bit):
                with m.Case(0):
                    m.d.sync += self.line.eq(0)
                with m.Case(9):
                    m.d.sync += [self.line.eq(1), bit.eq(0), left.eq(left - 1)]
                with m.Default():
                    m.d.comb += checksum.valid.eq(1)
                    m.d.sync += [
                        self.line.eq(Mux(checksum.shift, checksum.bit, shift[0])),
                        shift.eq(Cat(shift[1:], shift[-1])),
                    ]
        return m
