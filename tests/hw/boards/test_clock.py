"""Which clocks a board has, the PLLs' dividers, and the clock as the tools are given it."""

import json
import re
from itertools import pairwise
from math import inf

import pytest
from samples import image_network

from hw.boards.clock import check_clock, clocks, fastest_clock, plls
from hw.boards.table import BOARDS
from hw.flow.bitstream import plan
from hw.link.protocol import BAUD
from sw.cli import UserError

MHZ = 1_000_000
EVERY = pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
CRYSTALS = [12, 16, 25, 27, 48, 100]


@pytest.mark.parametrize(
    ("crystal", "clock", "dividers"),
    [
        # By hand: 12 MHz · 64 = 768 MHz, / 32 = 24 MHz; icepll prints the same.
        (12, 24, (0, 63, 5, 1)),
        (12, 48, (0, 63, 4, 1)),
        (12, 60, (0, 79, 4, 1)),
        (12, 72, (0, 47, 3, 1)),
        (12, 29.25, (0, 77, 5, 1)),
        (16, 32, (0, 63, 5, 1)),
        (25, 50, (0, 31, 4, 2)),
        (27, 27, (0, 31, 5, 3)),
        (48, 96, (0, 15, 3, 4)),
        (100, 50, (0, 7, 4, 5)),
        (120, 60, (0, 7, 4, 6)),
        (50, 40, (4, 63, 4, 1)),
    ],
)
def test_ice40_dividers(crystal, clock, dividers):
    assert plls("ice40", crystal * MHZ)[clock * MHZ] == dividers


@pytest.mark.parametrize("crystal", CRYSTALS)
def test_ice40_limits(crystal):
    """The formula holds for every clock, and every setting within the limits is among them."""
    found = plls("ice40", crystal * MHZ)
    edges = (10, 17, 26, 44, 66, 101, 133)
    for clock, (reference, feedback, output, filter_range) in found.items():
        detector = crystal / (reference + 1)
        assert crystal * MHZ * (feedback + 1) == clock * (reference + 1) * 2**output
        assert 533 <= detector * (feedback + 1) <= 1066
        assert 16 <= clock / MHZ <= 275
        assert edges[filter_range - 1] <= detector <= edges[filter_range]
    everything = {
        crystal * MHZ * (feedback + 1) / (reference + 1) / 2**output
        for reference in range(16)
        for feedback in range(128)
        for output in range(1, 7)
        if 10 <= crystal / (reference + 1) <= 133
        and 16 <= crystal * (feedback + 1) / (reference + 1) / 2**output <= 275
        and 533 <= crystal * (feedback + 1) / (reference + 1) <= 1066
    }
    assert set(found) == {clock for clock in everything if clock == int(clock)}


@pytest.mark.parametrize(
    ("crystal", "clock", "dividers"),
    [
        # By hand: an oscillator at 25 MHz · 16 = 400 MHz, / 8 = 50 MHz.
        (25, 50, (1, 16, 8)),
        (25, 25, (1, 16, 16)),
        (25, 67.5, (1, 27, 10)),
        (25, 51.25, (2, 41, 10)),
        (48, 60, (1, 10, 8)),
        (48, 63, (2, 21, 8)),
        (12, 48, (1, 36, 9)),
    ],
)
def test_ecp5_dividers(crystal, clock, dividers):
    assert plls("ecp5", crystal * MHZ)[clock * MHZ] == dividers


@pytest.mark.parametrize("crystal", CRYSTALS)
def test_ecp5_limits(crystal):
    for clock, (reference, feedback, output) in plls("ecp5", crystal * MHZ).items():
        assert crystal * MHZ * feedback == clock * reference * output
        assert 400 <= crystal * feedback / reference <= 800
        assert crystal / reference >= 10
        assert clock <= 400 * MHZ
        assert max(feedback, output) <= 128  # both are dividers of outputs


@pytest.mark.parametrize(
    ("clock", "dividers"), [(27, (0, 0, 16)), (54, (0, 1, 8)), (60, (8, 19, 8)), (40.5, (1, 2, 16))]
)
def test_gowin_dividers(clock, dividers):
    assert plls("gowin", 27 * MHZ)[clock * MHZ] == dividers


@pytest.mark.parametrize("crystal", CRYSTALS)
def test_gowin_limits(crystal):
    for clock, (reference, feedback, output) in plls("gowin", crystal * MHZ).items():
        assert crystal * MHZ * (feedback + 1) == clock * (reference + 1)
        assert 400 <= clock / MHZ * output <= 1200
        assert crystal / (reference + 1) >= 3
        assert max(reference, feedback) < 64
        assert output in (2, 4, 8, 16, 32, 48, 64, 80, 96, 112, 128)


@EVERY
def test_the_clocks_of_a_board(board):
    """Rising, its crystal's or made by its PLL, and good for its UART; what is left out is not."""
    assert list(clocks(board)) == sorted(set(clocks(board)))
    assert board.clock in clocks(board)
    made = {board.crystal, *plls(board.family, board.crystal)}
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
    dividers = plls(board.family, board.crystal)[clock]._asdict()
    names = {
        "ice40": {"reference": "DIVR", "feedback": "DIVF", "output": "DIVQ"},
        "ecp5": {"reference": "CLKI_DIV", "feedback": "CLKOP_DIV", "output": "CLKOS_DIV"},
        "gowin": {"reference": "IDIV_SEL", "feedback": "FBDIV_SEL", "output": "ODIV_SEL"},
    }[board.family]
    files = plan(image_network(rng), board, clock=clock).files
    design = text_of(files["top.il"])
    assert f"cell \\{board.pll} " in design
    for ours, name in names.items():
        assert re.search(rf"parameter( signed)? \\{name} {dividers[ours]}\n", design), name
    if board.family == "ice40":
        assert re.search(rf"^set_frequency \S+ {clock / MHZ}$", text_of(files["top.pcf"]), re.M)
    elif board.family == "ecp5":
        constraint = rf'^FREQUENCY (NET|PORT) "\S+" {float(clock)} HZ;$'
        assert re.search(constraint, text_of(files["top.lpf"]), re.M)
    _, route, _ = json.loads(text_of(files["build_top.json"]))["commands"]
    assert route[route.index("--freq") + 1] == f"{clock / MHZ:.9g}"
    uart = design[design.index("module \\top.accelerator.transmitter\n") :].split("\nend\n")[0]
    loaded = re.findall(r"assign \S+ \[\d+:0\] \d+'([01]+)\n", uart)
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
