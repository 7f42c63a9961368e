"""Popcount by full adders."""

import pytest
from amaranth.hdl import Module, Signal
from exchange import cycle_by_cycle

from hw.rtl.popcount import compressed


@pytest.mark.smoke
@pytest.mark.parametrize("count", [0, 1, 2, 3, 5, 7, 8, 16, 31, 64])
def test_counts_the_set_bits(rng, count):
    m = Module()
    bits = Signal(count)
    total = Signal(8)
    m.d.comb += total.eq(compressed(m, list(bits), "of"))
    m.d.sync += Signal().eq(0)  # the simulator wants a clock
    values = range(1 << count)
    if count > 5:
        some = (int.from_bytes(rng.bytes(8)) % (1 << count) for _ in range(60))
        values = [0, (1 << count) - 1, *some]

    async def process(ctx):
        for value in values:
            ctx.set(bits, value)
            await ctx.tick()
            assert ctx.get(total) == value.bit_count()

    cycle_by_cycle(m, process)
