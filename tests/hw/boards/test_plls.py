"""The PLLs' dividers."""

import pytest

from hw.boards.plls import Ecp5Pll, GowinPll, Ice40Pll, plls

MHZ = 1_000_000
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
    assert plls(Ice40Pll, crystal * MHZ)[clock * MHZ] == dividers


@pytest.mark.parametrize("crystal", CRYSTALS)
def test_ice40_limits(crystal):
    """The formula holds for every clock, and every setting within the limits is among them."""
    found = plls(Ice40Pll, crystal * MHZ)
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
    assert plls(Ecp5Pll, crystal * MHZ)[clock * MHZ] == dividers


@pytest.mark.parametrize("crystal", CRYSTALS)
def test_ecp5_limits(crystal):
    for clock, (reference, feedback, output) in plls(Ecp5Pll, crystal * MHZ).items():
        assert crystal * MHZ * feedback == clock * reference * output
        assert 400 <= crystal * feedback / reference <= 800
        assert crystal / reference >= 10
        assert clock <= 400 * MHZ
        assert max(feedback, output) <= 128  # both are dividers of outputs


@pytest.mark.parametrize(
    ("clock", "dividers"), [(27, (0, 0, 16)), (54, (0, 1, 8)), (60, (8, 19, 8)), (40.5, (1, 2, 16))]
)
def test_gowin_dividers(clock, dividers):
    assert plls(GowinPll, 27 * MHZ)[clock * MHZ] == dividers


@pytest.mark.parametrize("crystal", CRYSTALS)
def test_gowin_limits(crystal):
    for clock, (reference, feedback, output) in plls(GowinPll, crystal * MHZ).items():
        assert crystal * MHZ * (feedback + 1) == clock * (reference + 1)
        assert 400 <= clock / MHZ * output <= 1200
        assert crystal / (reference + 1) >= 3
        assert max(reference, feedback) < 64
        assert output in (2, 4, 8, 16, 32, 48, 64, 80, 96, 112, 128)
