"""The single-port memory, plain and as SPRAM."""

import pytest
from amaranth.back import rtlil
from amaranth.vendor import LatticeICE40Platform
from exchange import cycle_by_cycle
from samples import unfinished  # noqa: F401

from hw.spram import SinglePortMemory, spram_blocks


class _Up5k(LatticeICE40Platform):
    device, package = "iCE40UP5K", "SG48"
    resources = connectors = ()


@pytest.mark.parametrize(("depth", "columns"), [(1, 1), (5, 1), (16, 2), (9, 4)])
def test_reads_what_was_written(rng, depth, columns):
    """Each access is a write of some columns, a read, or none, after which the data stays."""
    dut = SinglePortMemory(depth=depth, columns=columns)
    words = rng.integers(0, 1 << 16, (depth, columns))

    async def process(ctx):
        for row in range(depth):
            for column in range(columns):
                ctx.set(dut.enable, 1)
                ctx.set(dut.address, row)
                ctx.set(dut.write, 1 << column)
                ctx.set(dut.word, int(words[row, column]))
                await ctx.tick()
        expected = None
        for _ in range(200):
            address, write, enable = (int(rng.integers(n)) for n in (depth, 1 << columns, 2))
            write *= int(rng.integers(2))
            word = int(rng.integers(1 << 16))
            for signal, value in (
                (dut.address, address),
                (dut.write, write),
                (dut.enable, enable),
                (dut.word, word),
            ):
                ctx.set(signal, value)
            await ctx.tick()
            if enable and write:
                columns_written = [c for c in range(columns) if write >> c & 1]
                words[address, columns_written] = word
                expected = None
            elif enable:
                expected = sum(int(value) << 16 * c for c, value in enumerate(words[address]))
            if expected is not None:
                assert ctx.get(dut.data) == expected

    cycle_by_cycle(dut, process)


@pytest.mark.parametrize(("depth", "columns", "blocks"), [(9, 1, 1), (16384, 2, 2), (16385, 2, 4)])
def test_is_made_of_spram_on_an_up5k(depth, columns, blocks):
    assert spram_blocks(depth, columns) == blocks
    dut = SinglePortMemory(depth=depth, columns=columns)
    text = rtlil.convert(dut, platform=_Up5k(), emit_src=False)
    assert text.count("cell \\SB_SPRAM256KA") == blocks
    assert "$mem" not in text


@pytest.mark.usefixtures("unfinished")
@pytest.mark.parametrize(("depth", "columns"), [(0, 1), (1, 0)])
def test_refuses_an_empty_memory(depth, columns):
    with pytest.raises(ValueError, match=r"^Depth and columns must be at least 1, not \d, \d$"):
        SinglePortMemory(depth=depth, columns=columns)
