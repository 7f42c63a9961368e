"""The PLLs' dividers, and the clock as the tools are given it."""

import re

import pytest
from samples import image_network

from hw.boards import BOARDS
from hw.build import plan
from hw.clock import ecp5_pll, ice40_pll

MHZ = 1_000_000


@pytest.mark.parametrize(
    ("crystal", "clock", "dividers"),
    [
        # By hand: 12 MHz · 64 = 768 MHz, / 32 = 24 MHz; icepll prints the same.
        (12, 24, (0, 63, 5, 1)),
        (12, 48, (0, 63, 4, 1)),
        (12, 60, (0, 79, 4, 1)),
        (12, 72, (0, 47, 3, 1)),
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
    assert ice40_pll(crystal * MHZ, clock * MHZ) == dividers


@pytest.mark.parametrize("crystal", [12, 16, 25, 48, 100])
@pytest.mark.parametrize("clock", [12, 16, 20, 24, 30, 36, 40, 48, 50, 60, 72, 84, 96, 100, 120])
def test_ice40_limits(crystal, clock):
    try:
        reference, feedback, output, filter_range = ice40_pll(crystal * MHZ, clock * MHZ)
    except ValueError:
        # The formula's whole space holds nothing either.
        assert not any(
            533 <= clock << output <= 1066
            and crystal * (feedback + 1) == (clock << output) * (reference + 1)
            and 10 <= crystal / (reference + 1) <= 133
            for reference in range(16)
            for output in range(1, 7)
            for feedback in range(128)
        )
        return
    assert crystal * (feedback + 1) == clock * (reference + 1) * 2**output
    detector = crystal / (reference + 1)
    assert 10 <= detector <= 133
    assert 533 <= detector * (feedback + 1) <= 1066
    assert 0 <= reference < 16
    assert 0 <= feedback < 128
    assert 1 <= output <= 6
    edges = (10, 17, 26, 44, 66, 101, 133)
    assert edges[filter_range - 1] <= detector <= edges[filter_range]


@pytest.mark.parametrize(
    ("crystal", "clock", "dividers"),
    [
        (25, 50, (1, 2, 12)),
        (25, 25, (1, 1, 24)),
        (25, 100, (1, 4, 6)),
        (25, 40, (5, 8, 15)),
        (48, 60, (4, 5, 10)),
        (12, 48, (1, 4, 12)),
        (12, 6, (2, 1, 100)),
    ],
)
def test_ecp5_dividers(crystal, clock, dividers):
    found = ecp5_pll(crystal * MHZ, clock * MHZ)
    assert found == dividers
    assert crystal * found.feedback == clock * found.reference
    assert 400 <= clock * found.output <= 800


@pytest.mark.parametrize("make", [ice40_pll, ecp5_pll])
@pytest.mark.parametrize("clock", [24_000_001, 1, 2_000 * MHZ])
def test_a_clock_that_cannot_be_made(make, clock):
    message = rf"^Clock must be one that the PLL makes of 12000000 Hz, not {clock}$"
    with pytest.raises(ValueError, match=message):
        make(12 * MHZ, clock)


@pytest.mark.parametrize("clock", [4, 3, 2])
def test_a_clock_too_slow_for_the_output_divider(clock):
    """The divider of the ECP5 goes to 128."""
    with pytest.raises(ValueError, match="Clock must be one that the PLL makes"):
        ecp5_pll(12 * MHZ, clock * MHZ)


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_the_boards(rng, board):
    """Each board's clock is exact, and stands as such in what the tools are given."""
    if board.family == "ice40":
        reference, feedback, output, _ = ice40_pll(board.crystal, board.clock)
        assert board.crystal * (feedback + 1) == board.clock * (reference + 1) * 2**output
        names = {"DIVR": reference, "DIVF": feedback, "DIVQ": output}
    else:
        reference, feedback, output = ecp5_pll(board.crystal, board.clock)
        assert board.crystal * feedback == board.clock * reference
        names = {"CLKI_DIV": reference, "CLKFB_DIV": feedback, "CLKOP_DIV": output}
    files = plan(image_network(rng), board).files
    design = text_of(files["top.il"])
    assert f"cell \\{board.pll} " in design
    for name, value in names.items():
        assert re.search(rf"parameter( signed)? \\{name} {value}\n", design), name
    if board.family == "ice40":
        constraint = rf"^set_frequency \S+ {board.clock / 1e6}$"
        constraints = text_of(files["top.pcf"])
    else:
        constraint = rf'^FREQUENCY (NET|PORT) "\S+" {board.clock:.1f} HZ;$'
        constraints = text_of(files["top.lpf"])
    assert re.search(constraint, constraints, re.MULTILINE), constraints


def text_of(content):
    return content if isinstance(content, str) else content.decode()
