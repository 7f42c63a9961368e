"""A UART: 8 data bits, no parity, 1 stop bit."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import cdc, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

__all__ = ["Receiver", "Transmitter"]


class Receiver(wiring.Component):
    """Turns a serial line into bytes. A byte that is not accepted before the next one is lost,
    and so is one without a stop bit.

    Latency: a byte is offered in the middle of its stop bit.

    Parameters
    ----------
    divisor : int, at least 4
        Clock cycles per bit.
    timeout : int, at least a frame of 10 bits
        Clock cycles after which an idle line is silent, rounded up to a power of two.

    Members
    -------
    line : 1
        Asynchronous; idle is high.
    bytes : stream of 8
    broken : 1
        A break: one cycle when the line has been low for 9.5 bits, wherever they began, and
        repeatedly while it stays low. Drops the byte on offer.
    silent : 1
        The line has been idle for ``timeout`` cycles; set for as many, then clear for as many, and
        so on. Drops the byte on offer.
    """

    def __init__(self, *, divisor: int, timeout: int):
        _check(divisor)
        if timeout < 10 * divisor:
            raise ValueError(
                f"Time-out must be at least a frame of {10 * divisor} cycles, not {timeout!r}"
            )
        self._divisor = divisor
        self.timeout = 1 << ceil_log2(timeout)
        super().__init__(
            {
                "line": In(1, init=1),
                "bytes": Out(stream.Signature(8)),
                "broken": Out(1),
                "silent": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        line = Signal(init=1)
        m.submodules.synchronizer = cdc.FFSynchronizer(self.line, line, init=1)

        timer = Signal(range(self._divisor))
        count = Signal(range(10))  # bits still to sample, 0 while idle
        shift = Signal(9)
        busy = Signal()
        lost = Signal()  # no stop bit; wait for the line to rise
        with m.If(self.bytes.ready):
            m.d.sync += self.bytes.valid.eq(0)
        with m.If(~busy):
            # Half a bit into the start bit, then whole bits: each is sampled in its middle.
            m.d.sync += [timer.eq(self._divisor // 2 - 1), count.eq(9), lost.eq(0)]
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
                    m.d.sync += busy.eq(0)
                    with m.If(~lost):
                        m.d.sync += [self.bytes.payload.eq(shift[1:]), self.bytes.valid.eq(1)]
                with m.Else():
                    m.d.sync += [count.eq(0), timer.eq(0), lost.eq(1)]

        # For how many cycles the line has not changed. Nine low bits may be a frame of zeros, and
        # a break may cut a frame, so the state machine cannot detect breaks.
        level = Signal(init=1)
        steady = Signal(range(2 * self.timeout))
        longest = 19 * self._divisor // 2
        m.d.sync += [level.eq(line), steady.eq(steady + 1)]
        with m.If(line != level):
            m.d.sync += steady.eq(0)
        lowest = steady[: (longest - 1).bit_length()]
        m.d.sync += self.broken.eq(~line & (lowest == longest - 2))
        m.d.comb += self.silent.eq(level & steady[-1])
        with m.If(self.broken | self.silent):
            m.d.sync += self.bytes.valid.eq(0)
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
        count = Signal(range(10))  # bits still to begin
        shift = Signal(9)
        m.d.comb += self.bytes.ready.eq((timer == 0) & (count == 0))
        with m.If(timer != 0):
            m.d.sync += timer.eq(timer - 1)
        with m.Elif(count != 0):
            m.d.sync += [
                timer.eq(self._divisor - 1),
                count.eq(count - 1),
                self.line.eq(shift[0]),
                shift.eq(shift[1:]),
            ]
        with m.Elif(self.bytes.valid):
            m.d.sync += [
                timer.eq(self._divisor - 1),
                count.eq(9),
                self.line.eq(0),
                shift.eq(Cat(self.bytes.payload, 1)),
            ]
        return m


def _check(divisor: int):
    if divisor < 4:
        raise ValueError(f"Divisor must be at least 4 cycles per bit, not {divisor!r}")
