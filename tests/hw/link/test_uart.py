"""The UART: receiver and transmitter, bit by bit."""

import pytest
from amaranth.hdl import Module
from amaranth.sim import Simulator
from samples import deep, unfinished  # noqa: F401
from simulated_line import CYCLE, receive_frame, send_frame

from hw.link.uart import Receiver, Transmitter

DIVISORS = (4, 24, *deep(5, 12, 60))
BYTES = (0x00, 0xFF, 0x55, 0xAA, 0x01, 0x80, 0x49, 0x3F)


def listen(divisor, drive):
    """What a receiver reports while ``drive(ctx, line, bit)`` moves its line: a list of bytes and,
    for a break, None, be it reported once or now and then while it lasts.
    """
    dut = Receiver(divisor=divisor, timeout=100 * divisor)
    reports = []

    async def line(ctx):
        await ctx.delay(5.3 * CYCLE)  # the line keeps its own time
        await drive(ctx, dut.line, divisor * CYCLE)
        await ctx.delay(3 * divisor * CYCLE)

    async def take(ctx):
        ctx.set(dut.bytes.ready, 1)
        ticks = ctx.tick().sample(dut.bytes.valid, dut.bytes.payload, dut.broken)
        async for _, _, valid, payload, broken in ticks:
            if valid:
                reports.append(payload)
            if broken and reports[-1:] != [None]:
                reports.append(None)

    run(dut, line, take)
    return reports


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
            await send_frame(ctx, line, byte, bit)
            await ctx.delay(pause * bit)

    assert listen(divisor, drive) == list(BYTES)


@pytest.mark.parametrize("divisor", [12, *deep(24, 60)])
@pytest.mark.parametrize("mismatch", [-0.02, 0.02])
def test_receiver_with_another_baud_rate(divisor, mismatch):
    async def drive(ctx, line, bit):
        for byte in BYTES:
            await send_frame(ctx, line, byte, bit * (1 + mismatch))

    assert listen(divisor, drive) == list(BYTES)


@pytest.mark.parametrize("divisor", DIVISORS)
def test_receiver_ignores_a_glitch(divisor):
    async def drive(ctx, line, bit):
        for _ in range(3):
            await pull(ctx, line, 0.5 - 1.5 / divisor, bit)
            await ctx.delay(bit)
        await send_frame(ctx, line, 0x37, bit)

    assert listen(divisor, drive) == [0x37]


@pytest.mark.parametrize("divisor", DIVISORS)
@pytest.mark.parametrize("bits", [10, 31, *deep(11, 20)])
def test_receiver_reports_a_break(divisor, bits):
    async def drive(ctx, line, bit):
        await send_frame(ctx, line, 0xA5, bit)
        for _ in range(2):
            await pull(ctx, line, bits, bit)
            await ctx.delay(bit)
            await send_frame(ctx, line, 0x3F, bit)

    assert listen(divisor, drive) == [0xA5, None, 0x3F, None, 0x3F]


@pytest.mark.parametrize("divisor", [4, *deep(5, 24)])
@pytest.mark.parametrize("before", [1, 4, 8, *deep(0, 2, 3, 5, 6, 7)])
def test_receiver_sees_a_break_that_cuts_a_frame(divisor, before):
    async def drive(ctx, line, bit):
        for level in (0, 1, 0, 1, 1, 0, 1, 0, 1)[:before]:
            ctx.set(line, level)
            await ctx.delay(bit)
        await pull(ctx, line, 25, bit)
        await ctx.delay(bit)
        await send_frame(ctx, line, 0x3F, bit)

    assert listen(divisor, drive) == [None, 0x3F]


@pytest.mark.parametrize("divisor", DIVISORS)
@pytest.mark.parametrize("byte", [0x10, *deep(0x01, 0xFF)])
def test_receiver_drops_a_frame_without_a_stop_bit(divisor, byte):
    async def drive(ctx, line, bit):
        for level in (0, *(byte >> k & 1 for k in range(8)), 0):
            ctx.set(line, level)
            await ctx.delay(bit)
        ctx.set(line, 1)
        await ctx.delay(10 * bit)
        await send_frame(ctx, line, 0x3F, bit)

    assert listen(divisor, drive) == [0x3F]


@pytest.mark.parametrize("divisor", DIVISORS)
def test_receiver_sees_no_break_in_zeros(divisor):
    async def drive(ctx, line, bit):
        for _ in range(5):
            await send_frame(ctx, line, 0x00, bit)

    assert listen(divisor, drive) == [0] * 5


def test_receiver_keeps_the_last_byte_until_it_is_taken():
    dut = Receiver(divisor=4, timeout=400)

    async def testbench(ctx):
        for byte in (0x11, 0x22, 0x33):
            await send_frame(ctx, dut.line, byte, 4 * CYCLE)
        await ctx.tick().repeat(4)
        assert ctx.get(dut.bytes.valid)
        assert ctx.get(dut.bytes.payload) == 0x33
        ctx.set(dut.bytes.ready, 1)
        await ctx.tick()
        assert not ctx.get(dut.bytes.valid)

    run(dut, testbench)


def test_a_break_drops_the_byte_that_waits():
    dut = Receiver(divisor=4, timeout=400)

    async def testbench(ctx):
        await send_frame(ctx, dut.line, 0x49, 4 * CYCLE)
        await ctx.tick().repeat(4)
        assert ctx.get(dut.bytes.valid)
        await pull(ctx, dut.line, 12, 4 * CYCLE)
        await ctx.tick().repeat(4)
        assert not ctx.get(dut.bytes.valid)

    run(dut, testbench)


@pytest.mark.parametrize(("divisor", "timeout"), [(4, 40), (5, 65), *deep((4, 64), (24, 250))])
def test_silence(divisor, timeout):
    """Is reported as long after the line rose as the receiver says, and not before."""
    dut = Receiver(divisor=divisor, timeout=timeout)
    assert timeout <= dut.timeout < 2 * timeout

    async def testbench(ctx):
        for pause in (0, dut.timeout - 10 * divisor, dut.timeout - 1):
            ctx.set(dut.line, 0)
            await ctx.tick().repeat(9 * divisor)
            ctx.set(dut.line, 1)
            for _ in range(pause):
                await ctx.tick()
                assert not ctx.get(dut.silent)
        for _ in range(4):  # the line passes through three flip-flops
            before = ctx.get(dut.silent)
            await ctx.tick()
        assert (before, ctx.get(dut.silent)) == (0, 1)

    run(dut, testbench)


def test_silence_drops_the_byte_that_waits():
    dut = Receiver(divisor=4, timeout=100)

    async def testbench(ctx):
        await send_frame(ctx, dut.line, 0x49, 4 * CYCLE)
        await ctx.tick().repeat(100)
        assert ctx.get(dut.bytes.valid)
        await ctx.tick().repeat(100)
        assert not ctx.get(dut.bytes.valid)

    run(dut, testbench)


@pytest.mark.parametrize("divisor", DIVISORS)
def test_transmitter(divisor):
    """Each level of the line, cycle by cycle, with no gap between frames."""
    dut = Transmitter(divisor=divisor)
    levels = []

    async def offer(ctx):
        for byte in BYTES:
            ctx.set(dut.bytes.payload, byte)
            ctx.set(dut.bytes.valid, 1)
            await ctx.tick().until(dut.bytes.ready)
        ctx.set(dut.bytes.valid, 0)
        await ctx.tick().repeat(12 * divisor)

    async def look(ctx):
        async for _, _, level in ctx.tick().sample(dut.line):
            levels.append(level)

    run(dut, offer, look)
    expected = [
        level
        for byte in BYTES
        for bit in (0, *(byte >> k & 1 for k in range(8)), 1)
        for level in [bit] * divisor
    ]
    start = levels.index(0)
    assert levels[:start] == [1] * start
    assert levels[start : start + len(expected)] == expected
    assert set(levels[start + len(expected) :]) == {1}


@pytest.mark.parametrize("divisor", DIVISORS)
def test_transmitter_to_receiver(divisor):
    dut = Module()
    dut.submodules.transmitter = transmitter = Transmitter(divisor=divisor)
    dut.submodules.receiver = receiver = Receiver(divisor=divisor, timeout=100 * divisor)
    dut.d.comb += receiver.line.eq(transmitter.line)
    taken = []

    async def offer(ctx):
        for byte in range(0, 256, 5):
            ctx.set(transmitter.bytes.payload, byte)
            ctx.set(transmitter.bytes.valid, 1)
            await ctx.tick().until(transmitter.bytes.ready)
        ctx.set(transmitter.bytes.valid, 0)
        await ctx.tick().repeat(12 * divisor)

    async def take(ctx):
        ctx.set(receiver.bytes.ready, 1)
        ticks = ctx.tick().sample(receiver.bytes.valid, receiver.bytes.payload)
        async for _, _, valid, payload in ticks:
            if valid:
                taken.append(payload)

    run(dut, offer, take)
    assert taken == list(range(0, 256, 5))


@pytest.mark.smoke
def test_the_simulated_line_receives_what_the_transmitter_sends():
    dut = Transmitter(divisor=5)
    received = []

    async def offer(ctx):
        for byte in BYTES:
            ctx.set(dut.bytes.payload, byte)
            ctx.set(dut.bytes.valid, 1)
            await ctx.tick().until(dut.bytes.ready)
        ctx.set(dut.bytes.valid, 0)
        await ctx.tick().repeat(60)

    async def listener(ctx):
        while True:
            received.append(await receive_frame(ctx, dut.line, 5 * CYCLE))

    run(dut, offer, listener)
    assert received == list(BYTES)


@pytest.mark.parametrize("divisor", [3, 0, -1])
@pytest.mark.usefixtures("unfinished")
def test_divisor(divisor):
    message = rf"^Divisor must be at least 4 cycles per bit, not {divisor}$"
    with pytest.raises(ValueError, match=message):
        Receiver(divisor=divisor, timeout=100)
    with pytest.raises(ValueError, match=message):
        Transmitter(divisor=divisor)


@pytest.mark.usefixtures("unfinished")
def test_timeout():
    message = r"^Time-out must be at least a frame of 240 cycles, not 239$"
    with pytest.raises(ValueError, match=message):
        Receiver(divisor=24, timeout=239)
