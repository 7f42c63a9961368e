"""The single-port memory, plain and as SPRAM."""

import subprocess
from pathlib import Path

import pytest
from amaranth.back import rtlil
from amaranth.vendor import LatticeICE40Platform
from exchange import cycle_by_cycle
from samples import unfinished  # noqa: F401

from hw.flow.tools import run_tool
from hw.rtl.spram import SinglePortMemory, spram_blocks
from sim.verilator import compiler
from sim.verilator.netlist import cell_models

VERIFY = Path(__file__).parents[3] / "build" / "verify"


class _Up5k(LatticeICE40Platform):
    device, package = "iCE40UP5K", "SG48"
    resources = connectors = ()


def accesses(rng, rows, columns):
    """Writes every column of ``rows``; then accesses of each kind: some columns of one are written,
    one is read, or nothing happens and the data stays. Each with the data after it, if it is known.
    """
    content, result = {}, []
    for row in rows:
        for column in range(columns):
            word = int(rng.integers(1 << 16))
            content[row, column] = word
            result.append(((row, 1, 1 << column, word), None))
    data = None
    for _ in range(300):
        row, word = int(rng.choice(rows)), int(rng.integers(1 << 16))
        enable, write = int(rng.random() < 0.7), int(rng.integers(1 << columns))
        write *= int(rng.integers(2))
        if enable and write:
            content |= {(row, c): word for c in range(columns) if write >> c & 1}
            data = None
        elif enable:
            data = sum(content[row, c] << 16 * c for c in range(columns))
        result.append(((row, enable, write, word), data))
    return result


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("depth", "columns", "width"),
    [(1, 1, 16), (5, 1, 16), (16, 2, 32), (9, 4, 64), (7, 1, 11), (9, 3, 36)],
)
def test_reads_what_was_written(rng, depth, columns, width):
    dut = SinglePortMemory(depth=depth, columns=columns, width=width)
    kept = (1 << width) - 1

    async def process(ctx):
        for access, data in accesses(rng, range(depth), columns):
            signals = (dut.address, dut.enable, dut.write, dut.word)
            for signal, value in zip(signals, access, strict=True):
                ctx.set(signal, value)
            await ctx.tick()
            assert data is None or data & kept == ctx.get(dut.data)

    cycle_by_cycle(dut, process)


def test_spram_does_the_same(rng, tmp_path):
    """Of 20,000 rows, which take two blocks in depth, by Yosys' model of the cell."""
    dut = SinglePortMemory(depth=20_000, columns=2)
    text = rtlil.convert(dut, platform=_Up5k(), emit_src=False)
    (tmp_path / "in.il").write_text(text)
    script = "read_rtlil in.il; flatten; proc; write_verilog -noattr out.v"
    run_tool("yosys", ["-q", "-p", script], cwd=tmp_path, log=tmp_path / "log")
    program = compiler.build(
        {
            "top.v": (tmp_path / "out.v").read_text().split("\n", 1)[1],
            "cells.v": cell_models(),
            "harness.cpp": (Path(__file__).parent / "spram_harness.cpp").read_text(),
        },
        top="top",
        options=["--x-initial", "unique", "--x-assign", "unique"],
        folder=VERIFY,
    )
    rows = [0, 1, 16_383, 16_384, 19_999, *rng.integers(0, 20_000, 20).tolist()]
    wanted = accesses(rng, rows, 2)
    lines = "\n".join(" ".join(map(str, access)) for access, _ in wanted)
    result = subprocess.run([program], input=lines, capture_output=True, text=True, check=True)
    for got, (_, data) in zip(map(int, result.stdout.split()), wanted, strict=True):
        assert data in (None, got)


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
