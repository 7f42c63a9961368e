"""The UART's receiver, bit by bit."""

import pytest
from amaranth.hdl import Module
from amaranth.sim import Simulator
from samples import deep, unfinished  # noqa: F401
from simulated_line import CYCLE, send_character

from hw.link.uart import BitClock, Receiver

DIVISORS = (4, 24, *deep(5, 12, 60))
BYTES = (0x00, 0xFF, 0x55, 0xAA, 0x01, 0x80, 0x49, 0x3F)


def with_clock(divisor, timeout=100):
    """A receiver with the clock of bits that it needs."""
    m = Module()
    m.submodules.clock = clock = BitClock(divisor=divisor)
    m.submodules.receiver = dut = Receiver(divisor=divisor, timeout=timeout)
    m.d.comb += dut.tick.eq(clock.tick)
    return m, dut


def listen(divisor, drive):
    """What a receiver reports while ``drive(ctx, line, bit)`` moves its line: a list of bytes and,
    for one without a stop bit, None. The bits of the bytes must have come before them.
    """
    m, dut = with_clock(divisor)
    reports, bits = [], []

    async def line(ctx):
        await ctx.delay(5.3 * CYCLE)  # the line keeps its own time
        await drive(ctx, dut.line, divisor * CYCLE)
        await ctx.delay(3 * divisor * CYCLE)

    async def take(ctx):
        ports = (dut.bytes, dut.bits)
        values = [value for port in ports for value in (port.valid, port.payload)]
        async for _, _, valid, payload, bit_valid, bit, broken in ctx.tick().sample(
            *values, dut.broken
        ):
            if valid:
                assert bits == [payload >> k & 1 for k in range(8)]
                bits.clear()
                if reports[-1:] == [None]:
                    reports.append("end")  # of a break, as a byte
                else:
                    reports.append(payload)
            if bit_valid:
                bits.append(bit)
            if broken and reports[-1:] != [None]:
                reports.append(None)

    run(m, line, take)
    return [report for report in reports if report != "end"]


def run(dut, testbench, *background):
    simulator = Simulator(dut)
    simulator.add_clock(CYCLE)
    simulator.add_testbench(testbench)
    for other in background:
        simulator.add_testbench(other, background=True)
    simulator.run()


async def pull(ctx, line, bits, bit):
    """Holds the line low for so many bits, then lets go."""
    ctx.set(line, 0)
    await ctx.delay(bits * bit)
    ctx.set(line, 1)


@pytest.mark.parametrize("divisor", DIVISORS)
@pytest.mark.parametrize("pause", [0, 0.5, *deep(3)])  # bits
def test_receiver(divisor, pause):
    async def drive(ctx, line, bit):
        for byte in BYTES:
            await send_character(ctx, line, byte, bit)
            await ctx.delay(pause * bit)

    assert listen(divisor, drive) == list(BYTES)


@pytest.mark.parametrize("divisor", [12, *deep(24, 60)])
@pytest.mark.parametrize("mismatch", [-0.02, 0.02])
def test_receiver_with_another_baud_rate(divisor, mismatch):
    async def drive(ctx, line, bit):
        for byte in BYTES:
            await send_character(ctx, line, byte, bit * (1 + mismatch))

    assert listen(divisor, drive) == list(BYTES)


@pytest.mark.parametrize("divisor", DIVISORS)
def test_receiver_ignores_a_glitch(divisor):
    async def drive(ctx, line, bit):
        for _ in range(3):
            await pull(ctx, line, 0.5 - 1.5 / divisor, bit)
            await ctx.delay(bit)
        await send_character(ctx, line, 0x37, bit)

    assert listen(divisor, drive) == [0x37]


@pytest.mark.parametrize("divisor", DIVISORS)
@pytest.mark.parametrize("bits", [10, 31, *deep(11, 20)])
def test_receiver_reports_a_break(divisor, bits):
    async def drive(ctx, line, bit):
        await send_character(ctx, line, 0xA5, bit)
        for _ in range(2):
            await pull(ctx, line, bits, bit)
            await ctx.delay(2 * bit)
            await send_character(ctx, line, 0x3F, bit)

    assert listen(divisor, drive) == [0xA5, None, 0x3F, None, 0x3F]


@pytest.mark.parametrize("divisor", [4, *deep(5, 24)])
@pytest.mark.parametrize("before", [1, 4, 8, *deep(0, 2, 3, 5, 6, 7)])
def test_receiver_sees_a_break_that_cuts_a_byte(divisor, before):
    async def drive(ctx, line, bit):
        for level in (0, 1, 0, 1, 1, 0, 1, 0, 1)[:before]:
            ctx.set(line, level)
            await ctx.delay(bit)
        await pull(ctx, line, 25, bit)
        await ctx.delay(2 * bit)
        await send_character(ctx, line, 0x3F, bit)

    assert listen(divisor, drive)[-2:] == [None, 0x3F]


@pytest.mark.parametrize("divisor", DIVISORS)
@pytest.mark.parametrize("byte", [0x10, *deep(0x01, 0xFF)])
def test_receiver_reports_a_byte_without_a_stop_bit(divisor, byte):
    async def drive(ctx, line, bit):
        for level in (0, *(byte >> k & 1 for k in range(8)), 0):
            ctx.set(line, level)
            await ctx.delay(bit)
        ctx.set(line, 1)
        await ctx.delay(10 * bit)
        await send_character(ctx, line, 0x3F, bit)

    assert listen(divisor, drive) == [None, 0x3F]


@pytest.mark.parametrize("divisor", DIVISORS)
def test_receiver_sees_no_break_in_zeros(divisor):
    async def drive(ctx, line, bit):
        for _ in range(5):
            await send_character(ctx, line, 0x00, bit)

    assert listen(divisor, drive) == [0] * 5


@pytest.mark.parametrize(("divisor", "timeout"), [(4, 10), (5, 13), *deep((4, 16), (24, 11))])
def test_silence(divisor, timeout):
    """Is reported as many bit times after the line rose as the receiver says, give or take one."""
    m, dut = with_clock(divisor, timeout)
    assert timeout <= dut.timeout < 2 * timeout

    async def testbench(ctx):
        for pause in (0, dut.timeout - 10, dut.timeout - 1):
            ctx.set(dut.line, 0)
            await ctx.tick().repeat(9 * divisor)
            ctx.set(dut.line, 1)
            for _ in range(pause * divisor):
                await ctx.tick()
                assert not ctx.get(dut.silent)
        await ctx.tick().repeat(2 * divisor + 3)
        assert ctx.get(dut.silent)
        await ctx.tick().repeat(dut.timeout * divisor)
        assert not ctx.get(dut.silent)
        await ctx.tick().repeat(dut.timeout * divisor)
        assert ctx.get(dut.silent)

    run(m, testbench)


@pytest.mark.parametrize("divisor", [4, 5, *deep(24)])
def test_the_clock_of_bits(divisor):
    dut = BitClock(divisor=divisor)
    ticks = []

    async def testbench(ctx):
        async for _, _, tick in ctx.tick().sample(dut.tick):
            ticks.append(tick)
            if len(ticks) == 10 * divisor:
                return

    run(dut, testbench)
    first = ticks.index(1)
    assert first < divisor
    assert ticks == [int(k % divisor == first) for k in range(10 * divisor)]


@pytest.mark.parametrize("divisor", [3, 0, -1])
@pytest.mark.usefixtures("unfinished")
def test_divisor(divisor):
    message = rf"^Divisor must be at least 4 cycles per bit, not {divisor}$"
    with pytest.raises(ValueError, match=message):
        Receiver(divisor=divisor, timeout=100)
    with pytest.raises(ValueError, match=message):
        BitClock(divisor=divisor)


@pytest.mark.usefixtures("unfinished")
def test_timeout():
    message = r"^Time-out must be at least a byte of 10 bits, not 9$"
    with pytest.raises(ValueError, match=message):
        Receiver(divisor=24, timeout=9)
