"""Constants by an index."""

import numpy as np
import pytest
from amaranth.back import rtlil
from amaranth.hdl import Module, Signal
from exchange import cycle_by_cycle

from hw.rtl.lines.constants import chosen, looked_up


def values(make, index):
    """What ``make`` gives for each value of ``index``."""
    m = Module()
    out = Signal(64)
    m.d.comb += out.eq(make(m))
    m.d.sync += Signal().eq(0)  # the simulator wants a clock
    found = []

    async def process(ctx):
        for value in range(1 << len(index)):
            ctx.set(index, value)
            await ctx.tick()
            found.append(ctx.get(out))

    cycle_by_cycle(m, process)
    return found


@pytest.mark.parametrize(("bits", "width", "known"), [(0, 3, 1), (1, 2, 2), (3, 9, 5), (6, 40, 50)])
def test_rows_are_found_by_their_index(rng, bits, width, known):
    rows = list(rng.random((known, width)) < 0.5)
    index = Signal(bits)
    padded = [*rows, *[None] * ((1 << bits) - known)]
    found = values(lambda m: looked_up(m, index, padded, "of"), index)
    assert found[:known] == [sum(int(bit) << k for k, bit in enumerate(row)) for row in rows]


def test_rows_that_do_not_matter_may_lie_anywhere(rng):
    index = Signal(3)
    rows = [None, np.array([1, 0], bool), None, None, np.array([0, 1], bool), None, None, None]
    found = values(lambda m: looked_up(m, index, rows, "of"), index)
    assert (found[1], found[4]) == (1, 2)


def test_one_bit_of_each():
    index = Signal(3)
    which = [True, False, False, True, True]
    assert values(lambda m: chosen(m, index, which, "of"), index)[:5] == [1, 0, 0, 1, 1]


def add(m, value):
    """The module with ``value`` as its output."""
    out = Signal(len(value), name="out")
    m.d.comb += out.eq(value)
    return m


def test_what_bits_have_in_common_is_there_once():
    """Two bits of which one is the inverse of the other, and one that never changes."""
    m, index = Module(), Signal(2)
    rows = [np.array(row, bool) for row in ([0, 1, 1], [1, 0, 1], [1, 0, 1], [0, 1, 1])]
    nodes = rtlil.convert(add(m, looked_up(m, index, rows, "of")), ports=[index])
    assert nodes.count("cell $mux") == 2  # of x0 and, by x1, of that and its inverse
