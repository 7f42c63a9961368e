"""A UART: 8 data bits, no parity, 1 stop bit."""

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import cdc, stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Receiver", "Transmitter"]


class Receiver(wiring.Component):
    """Turns a serial line into bytes. A byte that is not taken before the next one is lost.

    Latency: a byte is offered in the middle of its stop bit.

    Parameters
    ----------
    divisor : int, at least 4
        Clock cycles per bit.

    Members
    -------
    line : 1
        Asynchronous; idle is high.
    bytes : stream of 8
    broken : 1
        One cycle per frame in which the line stays low through the stop bit: a break.
    """

    def __init__(self, *, divisor: int):
        _check(divisor)
        self._divisor = divisor
        super().__init__(
            {"line": In(1, init=1), "bytes": Out(stream.Signature(8)), "broken": Out(1)}
        )

    def elaborate(self, platform):
        m = Module()
        line = Signal(init=1)
        m.submodules.synchronizer = cdc.FFSynchronizer(self.line, line, init=1)

        timer = Signal(range(self._divisor))
        count = Signal(range(10))  # bits still to sample, 0 while idle
        shift = Signal(9)
        busy = Signal()
        m.d.sync += self.broken.eq(0)
        with m.If(self.bytes.ready):
            m.d.sync += self.bytes.valid.eq(0)
        with m.If(~busy):
            # Half a bit into the start bit, then whole bits: each is sampled in its middle.
            m.d.sync += [timer.eq(self._divisor // 2 - 1), count.eq(9)]
            with m.If(~line):
                m.d.sync += busy.eq(1)
        with m.Elif(timer != 0):
            m.d.sync += timer.eq(timer - 1)
        with m.Else():
            m.d.sync += [timer.eq(self._divisor - 1), count.eq(count - 1)]
            m.d.sync += shift.eq(Cat(shift[1:], line))
            with m.If((count == 9) & line):
                m.d.sync += busy.eq(0)  # a glitch, not a start bit
            with m.If(count == 0):
                with m.If(line):
                    m.d.sync += [
                        busy.eq(0),
                        self.bytes.payload.eq(shift[1:]),
                        self.bytes.valid.eq(1),
                    ]
                with m.Else():
                    # No stop bit. Wait here for the line to rise; report a break once.
                    m.d.sync += [count.eq(0), timer.eq(0), self.broken.eq(~shift[1:].any())]
                    m.d.sync += shift.eq(Const(-1, 9))
        return m


class Transmitter(wiring.Component):
    """Turns bytes into a serial line.

    Throughput: one byte in ten bit times.

    Parameters
    ----------
    divisor : int, at least 4
        Clock cycles per bit.

    Members
    -------
    bytes : stream of 8
    line : 1
    """

    def __init__(self, *, divisor: int):
        _check(divisor)
        self._divisor = divisor
        super().__init__({"bytes": In(stream.Signature(8)), "line": Out(1, init=1)})

    def elaborate(self, platform):
        m = Module()
        timer = Signal(range(self._divisor))
        count = Signal(range(11))  # bits still to send
        shift = Signal(9)
        m.d.comb += self.bytes.ready.eq(count == 0)
        with m.If(count == 0):
            m.d.sync += self.line.eq(1)
            with m.If(self.bytes.valid):
                m.d.sync += [
                    self.line.eq(0),
                    shift.eq(Cat(self.bytes.payload, 1)),
                    count.eq(10),
                    timer.eq(self._divisor - 1),
                ]
        with m.Elif(timer != 0):
            m.d.sync += timer.eq(timer - 1)
        with m.Else():
            m.d.sync += [
                timer.eq(self._divisor - 1),
                count.eq(count - 1),
                self.line.eq(shift[0]),
                shift.eq(Cat(shift[1:], 1)),
            ]
        return m


def _check(divisor: int):
    if divisor < 4:
        raise ValueError(f"Divisor must be at least 4 cycles per bit, not {divisor!r}")
