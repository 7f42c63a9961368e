"""The FPGA families."""

import pytest

from hw.boards.families import ECP5, FAMILIES
from hw.boards.table import BOARDS
from hw.flow.plan import commands, plan
from hw.flow.tools import TOOLS
from sw.network import find


@pytest.mark.parametrize(
    ("family", "depth", "width", "count"),
    [
        ("ice40", 1, 1, 1),
        ("ice40", 256, 16, 1),
        ("ice40", 257, 16, 2),
        ("ice40", 256, 17, 2),
        ("ice40", 512, 8, 1),
        ("ice40", 1024, 4, 1),
        ("ice40", 2048, 2, 1),
        ("ice40", 2048, 3, 2),
        ("ice40", 600, 10, 2),  # three words of 5 bits in a row of 16
        ("ice40", 4096, 1, 1),
        ("ice40", 784, 128, 32),  # pads to 1,024
        ("ice40", 768, 128, 24),  # three banks of 256
        ("ice40", 512, 192, 24),
        ("ice40", 192, 10, 1),
        ("ice40", 300, 20, 3),
        ("ecp5", 512, 36, 1),
        ("ecp5", 513, 36, 2),
        ("ecp5", 1024, 18, 1),
        ("ecp5", 2048, 9, 1),
        ("ecp5", 4096, 4, 1),
        ("ecp5", 8192, 2, 1),
        ("ecp5", 16384, 1, 1),
        ("ecp5", 16385, 1, 2),
        ("ecp5", 784, 600, 34),
    ],
)
def test_block_rams(family, depth, width, count):
    assert FAMILIES[family].block_rams(depth, width) == count


@pytest.mark.parametrize(
    ("depth", "width", "count"),
    [(16, 4, 6), (1, 1, 6), (16, 5, 12), (17, 4, 16), (37, 96, 3 * 24 * 6 + 2 * 96)],
)
def test_distributed_cells(depth, width, count):
    assert ECP5.distributed_cells(depth, width) == count


@pytest.mark.smoke
def test_names():
    assert {family.name: family for family in FAMILIES.values()} == FAMILIES
    assert {board.family for board in BOARDS.values()} == set(FAMILIES.values())


@pytest.mark.parametrize("board", ["icebreaker", "ulx3s", "tangnano9k"])
def test_the_tools_of_a_plan(board):
    """Those of the family, in order; nextpnr writes its design and report where the table says."""
    board = BOARDS[board]
    family = board.family
    lines = commands(plan(find("digits-64-38-10-t2"), board))
    assert tuple(line[0] for line in lines) == family.tools
    assert set(family.tools) <= set(TOOLS)
    assert set(family.outputs) <= set(lines[1])
    assert f"top.{family.suffix}" in lines[2]


@pytest.mark.parametrize(
    ("family", "depth", "width", "constant", "grid"),
    [
        ("ice40", 768, 128, False, (3, 24)),
        ("ecp5", 20480, 19, False, (5, 25)),  # of 4,096 words of 4 bits, 5 for a word
        ("ecp5", 13476, 64, False, (7, 56)),
        ("ecp5", 13476, 64, True, (7, 50)),  # 7 · 64 bits, 9 in each
        ("gowin", 512, 36, False, (1, 1)),
    ],
)
def test_rows_of_block_rams(family, depth, width, constant, grid):
    """Those of ECP5 as yosys made them of CIFAR-10's bistable network with 16 lanes."""
    assert FAMILIES[family].grid(depth, width, constant=constant) == grid
