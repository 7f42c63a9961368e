"""Counting of bits, as the gather engine does it."""

import pytest
from amaranth.hdl import Module, Signal
from amaranth.sim import Simulator

from hw.rtl.gather.add import popcount


@pytest.mark.smoke
@pytest.mark.parametrize("width", [1, 2, 3, 7, 8, 16, 64])
def test_popcount(rng, width):
    m, bits, count = Module(), Signal(width), Signal(range(width + 1))
    m.d.comb += count.eq(popcount(m, bits))
    words = [0, (1 << width) - 1, *(int.from_bytes(rng.bytes(8)) % (1 << width) for _ in range(60))]

    async def process(ctx):
        for word in words:
            ctx.set(bits, word)
            assert ctx.get(count) == bin(word).count("1")

    simulator = Simulator(m)
    simulator.add_testbench(process)
    simulator.run()
