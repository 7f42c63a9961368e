"""Which clocks a board has, and the clock as the tools are given it."""

import json
import re
from itertools import pairwise
from math import inf

import pytest
from samples import image_network

from hw.boards.clock import check_clock, clocks, fastest_clock
from hw.boards.families import ECP5, ICE40
from hw.boards.plls import plls
from hw.boards.table import BOARDS
from hw.flow.plan import plan
from hw.link.protocol import BAUD
from sw.cli import UserError

MHZ = 1_000_000
EVERY = pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)


@EVERY
def test_the_clocks_of_a_board(board):
    """Ascending, its crystal's or its PLL's, and good for its UART; what is left out is not."""
    assert list(clocks(board)) == sorted(set(clocks(board)))
    assert board.clock in clocks(board)
    made = {board.crystal, *plls(board.family.pll, board.crystal)}
    assert made >= set(clocks(board))
    for clock in made:
        divisor = round(clock / BAUD)
        good = divisor >= 4 and abs(clock / divisor / BAUD - 1) <= 0.02
        assert (clock in clocks(board)) is good, clock


@EVERY
def test_the_fastest_clock(board):
    there = clocks(board)
    for slower, faster in pairwise(there):
        assert fastest_clock(board, faster - 1) == slower
        assert fastest_clock(board, faster) == faster
    assert fastest_clock(board, inf) == there[-1]
    assert fastest_clock(board, 0) == there[0]


@pytest.mark.smoke
@EVERY
def test_check_clock(board):
    assert check_clock(board, float(board.clock)) == board.clock
    assert type(check_clock(board, float(board.clock))) is int


@pytest.mark.parametrize(
    ("clock", "near"),
    [
        (24.1, "name 24 or 24.375"),
        (24.375001, "name 24.375 or 24.75"),
        (1000, "name 270"),
        (13, "name 12 or 16.125"),
        (1, "name 12"),
        (-24, "name 12"),
    ],
)
def test_a_clock_that_a_board_has_not(clock, near):
    message = (
        rf"^clock {clock} MHz: icebreaker cannot run at it with its crystal or PLL and "
        rf"a UART of 1,000,000 bit/s; {near}$"
    )
    with pytest.raises(UserError, match=message):
        check_clock(BOARDS["icebreaker"], round(clock * MHZ))


@EVERY
@pytest.mark.parametrize("faster", [False, True], ids=["usual", "faster"])
def test_what_the_tools_are_given(rng, board, faster):
    """The dividers stand in the design, the clock in the constraints, and the UART follows it."""
    clock = fastest_clock(board, 1.2 * board.clock) if faster else board.clock
    assert (clock > board.clock) is faster
    dividers = plls(board.family.pll, board.crystal)[clock]._asdict()
    names = {
        "ice40": {"reference": "DIVR", "feedback": "DIVF", "output": "DIVQ"},
        "ecp5": {"reference": "CLKI_DIV", "feedback": "CLKOP_DIV", "output": "CLKOS_DIV"},
        "gowin": {"reference": "IDIV_SEL", "feedback": "FBDIV_SEL", "output": "ODIV_SEL"},
    }[board.family.name]
    files = plan(image_network(rng), board, clock=clock).files
    design = text_of(files["top.il"])
    assert f"cell \\{board.pll} " in design
    for ours, name in names.items():
        assert re.search(rf"parameter( signed)? \\{name} {dividers[ours]}\n", design), name
    if board.family is ICE40:
        assert re.search(rf"^set_frequency \S+ {clock / MHZ}$", text_of(files["top.pcf"]), re.M)
    elif board.family is ECP5:
        constraint = rf'^FREQUENCY (NET|PORT) "\S+" {float(clock)} HZ;$'
        assert re.search(constraint, text_of(files["top.lpf"]), re.M)
    _, route, _ = json.loads(text_of(files["build_top.json"]))["commands"]
    assert route[route.index("--freq") + 1] == f"{clock / MHZ:.9g}"
    for name in ("bit_clock", "receiver"):
        start = design.index(f"module \\top.accelerator.{name}\n")
        part = design[start:].split("\nend\n")[0]
        loaded = re.findall(r"assign \S+ \[\d+:0\] \d+'([01]+)\n", part)
        assert round(clock / BAUD) - 1 in {int(value, 2) for value in loaded}


@EVERY
def test_the_crystals_own_clock_needs_no_pll(rng, board):
    """A wait of 15 µs takes the place of the lock."""
    design = text_of(plan(image_network(rng), board, clock=board.crystal).files["top.il"])
    assert f"cell \\{board.pll} " not in design
    clock = design[design.index("module \\top.clock\n") :].split("\nend\n")[0]
    cycles = round(board.crystal * 15e-6)
    assert re.search(rf"connect \\B \d+'0*{cycles:b}\n", clock)


def text_of(content):
    return content if isinstance(content, str) else content.decode()
