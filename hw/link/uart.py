"""A UART's receiver: 8 data bits, no parity, 1 stop bit; and the clock of bits."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import cdc, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

__all__ = ["BitClock", "Receiver"]


class BitClock(wiring.Component):
    """Divides time into bits, for what needs no phase.

    Parameters
    ----------
    divisor : int, at least 4
        Clock cycles per bit.

    Members
    -------
    tick : 1
        One cycle of each ``divisor``.
    """

    def __init__(self, *, divisor: int):
        _check(divisor)
        self._divisor = divisor
        super().__init__({"tick": Out(1)})

    def elaborate(self, platform):
        m = Module()
        timer = Signal(range(self._divisor), reset_less=True)
        m.d.sync += timer.eq(timer - 1)
        m.d.comb += self.tick.eq(timer == 0)
        with m.If(self.tick):
            m.d.sync += timer.eq(self._divisor - 1)
        return m


class Receiver(wiring.Component):
    """Turns a serial line into bits and bytes.

    Latency: a byte is valid from the middle of its stop bit on, in the second cycle after that; its
    payload stays until the next start bit.

    Parameters
    ----------
    divisor : int, at least 4
        Clock cycles per bit.
    timeout : int, at least 10
        Bit times after which an idle line is silent, rounded up to a power of two.

    Members
    -------
    line : 1
        Asynchronous; idle is high.
    tick : 1
        Of a :class:`BitClock`.
    bits : stream of 1, always ready
        The data bits as they come, the lowest of a byte first.
    bytes : stream of 8, always ready
    broken : 1
        A byte has no stop bit: a break, noise, or another baud rate. What comes as its end is no
        byte that was sent.
    silent : 1
        The line has been idle for ``timeout`` bit times; set for as many, then clear for as many,
        and so on.
    """

    def __init__(self, *, divisor: int, timeout: int):
        _check(divisor)
        if timeout < 10:
            raise ValueError(f"Time-out must be at least a byte of 10 bits, not {timeout!r}")
        self._divisor = divisor
        self.timeout = 1 << ceil_log2(timeout)
        super().__init__(
            {
                "line": In(1, init=1),
                "tick": In(1),
                "bits": Out(stream.Signature(1, always_ready=True)),
                "bytes": Out(stream.Signature(8, always_ready=True)),
                "broken": Out(1),
                "silent": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        line = Signal(init=1)
        m.submodules.synchronizer = cdc.FFSynchronizer(self.line, line, init=1)

        timer = Signal(range(self._divisor), reset_less=True)
        busy, begins = Signal(), Signal()  # within a byte, in its start bit
        # Ones until the start bit, whose zero moves down before the data: no bits are counted.
        shift = Signal(9, reset_less=True)
        ends = ~shift[0]
        m.d.comb += [self.bits.payload.eq(line), self.bytes.payload.eq(shift[1:])]
        m.d.sync += self.bytes.valid.eq(0)
        with m.If(~busy):
            # Half a bit into the start bit, then whole bits: each is sampled in its middle.
            m.d.sync += timer.eq(self._divisor // 2 - 1)
            with m.If(~line):
                m.d.sync += [busy.eq(1), begins.eq(1), shift.eq(-1)]
        with m.Elif(timer != 0):
            m.d.sync += timer.eq(timer - 1)
        with m.Elif(ends):
            with m.If(line):
                m.d.sync += [busy.eq(0), self.bytes.valid.eq(1)]
            with m.Else():  # wait for the line to rise
                m.d.comb += self.broken.eq(1)
        with m.Else():
            m.d.sync += [timer.eq(self._divisor - 1), shift.eq(Cat(shift[1:], line)), begins.eq(0)]
            m.d.comb += self.bits.valid.eq(~begins)
            with m.If(begins & line):
                m.d.sync += busy.eq(0)  # a glitch, not a start bit

        idle = Signal(range(2 * self.timeout))
        with m.If(~line):
            m.d.sync += idle.eq(0)
        with m.Elif(self.tick):
            m.d.sync += idle.eq(idle + 1)
        m.d.comb += self.silent.eq(idle[-1])
        return m


def _check(divisor: int):
    if divisor < 4:
        raise ValueError(f"Divisor must be at least 4 cycles per bit, not {divisor!r}")
