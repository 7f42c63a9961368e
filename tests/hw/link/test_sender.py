"""The sender: replies as frames on the line, level by level."""

import pytest
from amaranth.hdl import Module
from amaranth.sim import Simulator
from conversations import sealed
from samples import deep
from simulated_line import CYCLE

from hw.link import protocol
from hw.link.layouts import ReplyLayout
from hw.link.protocol import Kind
from hw.link.sender import Sender
from hw.link.uart import BitClock

IDENTITY = int.from_bytes(protocol.identity("0123456789abcdef" * 4), "little")


def levels(replies, *, divisor, margin, pause=1):
    """The line's levels cycle by cycle while ``replies`` (sequence, kind, body) are sent."""
    m = Module()
    m.submodules.clock = clock = BitClock(divisor=divisor)
    m.submodules.sender = dut = Sender(ReplyLayout(margin=margin, identity=IDENTITY))
    m.d.comb += dut.tick.eq(clock.tick)
    result = []

    async def offer(ctx):
        for sequence, kind, body in replies:
            await ctx.tick().repeat(pause)
            ctx.set(dut.reply.payload.sequence, sequence)
            ctx.set(dut.reply.payload.kind, kind)
            ctx.set(dut.reply.payload.body, body)
            ctx.set(dut.reply.valid, 1)
            await ctx.tick().until(dut.reply.ready)
            ctx.set(dut.reply.valid, 0)
            ctx.set(dut.reply.payload.body, 0)
        await ctx.tick().repeat(140 * divisor)

    async def look(ctx):
        async for _, _, level in ctx.tick().sample(dut.line):
            result.append(level)

    simulator = Simulator(m)
    simulator.add_clock(CYCLE)
    simulator.add_testbench(offer)
    simulator.add_testbench(look, background=True)
    simulator.run()
    return result


def on_the_line(content, divisor):
    return [
        level
        for byte in content
        for bit in (0, *(byte >> k & 1 for k in range(8)), 1)
        for level in [bit] * divisor
    ]


@pytest.mark.parametrize("divisor", [4, 5, *deep(24)])
@pytest.mark.parametrize(("margin", "value"), [(9, -3), (9, 200), (32, -(2**31)), *deep((1, -1))])
def test_a_class(divisor, margin, value):
    """A margin is as wide on the line as any, with its sign."""
    body = protocol.CLASS.pack(7, 3, 0x1234, value)
    width = max(IDENTITY.bit_length() + 1, 32 + margin)
    held = int.from_bytes(body, "little") & (1 << width) - 1
    seen = levels([(11, Kind.CLASS, held)], divisor=divisor, margin=margin)
    bits = on_the_line(sealed(11, Kind.CLASS, body), divisor)
    start = seen.index(0)
    assert seen[:start] == [1] * start
    assert seen[start : start + len(bits)] == bits
    assert set(seen[start + len(bits) :]) == {1}


@pytest.mark.smoke
def test_an_identity_and_a_status():
    """One after the other, without a gap."""
    body = protocol.identity("0123456789abcdef" * 4)
    seen = levels([(0, Kind.IDENTITY, IDENTITY), (15, Kind.STATUS, 4)], divisor=4, margin=9)
    content = sealed(0, Kind.IDENTITY, body) + sealed(15, Kind.STATUS, b"\4")
    bits = on_the_line(content, 4)
    start = seen.index(0)
    assert seen[start : start + len(bits)] == bits


@pytest.mark.parametrize("pause", range(530, 534))
def test_whole_bits_whenever_a_reply_comes(pause):
    replies = [(1, Kind.STATUS, 1), (2, Kind.STATUS, 2)]
    seen = levels(replies, divisor=4, margin=9, pause=pause)
    first, second = (on_the_line(sealed(k, Kind.STATUS, bytes([k])), 4) for k in (1, 2))
    start = seen.index(0)
    assert seen[start : start + 520] == first
    start = seen.index(0, start + 520)
    assert seen[start : start + 520] == second
