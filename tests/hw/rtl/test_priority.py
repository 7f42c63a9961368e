"""The priority encoder."""

import random

import pytest
from amaranth.hdl import Module, Signal
from exchange import cycle_by_cycle

from hw.rtl.priority import LowestBit


def look(width, values):
    """What the encoder says to each of ``values``: (any, index, onehot, rest)."""
    m, seen = Module(), []
    m.submodules.dut = dut = LowestBit(width)
    m.d.sync += Signal().eq(1)  # the simulator wants a clock

    async def process(ctx):
        for value in values:
            ctx.set(dut.i, value)
            outputs = (dut.any, dut.index, dut.onehot, dut.rest, dut.several)
            seen.append(tuple(map(ctx.get, outputs)))

    cycle_by_cycle(m, process)
    return seen


def expected(value):
    if value == 0:
        return (0, 0, 0, 0, 0)
    lowest = value & -value
    return (1, lowest.bit_length() - 1, lowest, value ^ lowest, value != lowest)


@pytest.mark.smoke
@pytest.mark.parametrize("width", range(1, 8))
def test_every_value(width):
    values = range(1 << width)
    assert look(width, values) == [expected(value) for value in values]


@pytest.mark.parametrize("width", [16, 17, 31, 100, 256])
def test_wide(width):
    chance = random.Random(width)
    values = [0, (1 << width) - 1, *(1 << k for k in range(width))]
    values += [chance.getrandbits(width) << chance.randrange(width) for _ in range(50)]
    values = [value & (1 << width) - 1 for value in values]
    assert look(width, values) == [expected(value) for value in values]


def test_refuses_no_bits():
    with pytest.raises(ValueError, match=r"^Width must be at least 1, not 0$"):
        LowestBit(0)
