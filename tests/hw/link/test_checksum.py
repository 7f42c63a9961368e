"""The checksum, bit by bit."""

import random
import zlib

import pytest
from amaranth.sim import Simulator
from samples import deep

from hw.link.checksum import Checksum


def bits_of(content):
    return [byte >> k & 1 for byte in content for k in range(8)]


@pytest.mark.parametrize("length", [0, 1, 5, *deep(2, 3, 100)])
def test_as_zlib_has_it(length):
    content = random.Random(length).randbytes(length)
    dut, seen = Checksum(), []

    async def testbench(ctx):
        for bit in bits_of(content):
            ctx.set(dut.data, bit)
            ctx.set(dut.valid, 1)
            await ctx.tick()
            ctx.set(dut.valid, 0)
            ctx.set(dut.data, 1 - bit)
            await ctx.tick()
        ctx.set(dut.shift, 1)
        for _ in range(32):
            seen.append(ctx.get(dut.bit))
            ctx.set(dut.valid, 1)
            await ctx.tick()
            ctx.set(dut.valid, 0)
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
    assert seen == bits_of(zlib.crc32(content).to_bytes(4, "little"))
