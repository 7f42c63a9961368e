"""Popcounts that share full adders."""

import numpy as np
import pytest
from amaranth.hdl import Module, Signal
from exchange import cycle_by_cycle

from hw.rtl.shared_popcount import counts, shared_adders


@pytest.mark.parametrize("density", [0.0, 0.2, 0.5, 1.0])
def test_counts_the_set_bits_of_each_set(rng, density):
    sets = rng.random((9, 21)) < density
    sets[3] = sets[7]
    sets[4] = np.arange(21) == 5
    m = Module()
    bits = Signal(21)
    found = [Signal(8, name=f"found_{k}") for k in range(9)]
    values = counts(m, list(bits), sets, "of")
    m.d.comb += [signal.eq(value) for signal, value in zip(found, values, strict=True)]
    m.d.sync += Signal().eq(0)  # the simulator wants a clock

    async def process(ctx):
        for value in [0, (1 << 21) - 1, *rng.integers(1 << 21, size=40).tolist()]:
            ctx.set(bits, value)
            await ctx.tick()
            expected = [sum(value >> k & 1 for k in range(21) if row[k]) for row in sets]
            assert [ctx.get(signal) for signal in found] == expected

    cycle_by_cycle(m, process)


def test_three_bits_of_several_sets_are_added_once():
    """Sets 0 to 2 have bits 1, 2 and 4, the first two of them 0 too, and the last but two bits."""
    sets = np.array([[1, 1, 1, 0, 1], [1, 1, 1, 1, 1], [0, 1, 1, 0, 1], [0, 1, 1, 0, 0]], bool)
    adders, users = shared_adders(sets.T)
    assert [sorted(adder.bits) for adder in adders] == [[1, 2, 4]]
    assert adders[0].takers.tolist() == [True, True, True, False]
    left = [np.flatnonzero(mine).tolist() for mine in users.T]
    assert left == [[0, 5], [0, 3, 5], [5], [1, 2]]


def test_what_shared_adders_save(rng):
    """32 random halves of 64 bits: of their 32 · 26 full adders and more at least a quarter."""
    sets = rng.random((32, 64)) < 0.45
    adders, _ = shared_adders(sets.T)
    assert sum(adder.takers.sum() - 1 for adder in adders) > 32 * 26 / 4
