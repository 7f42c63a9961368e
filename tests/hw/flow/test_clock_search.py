"""The clock search."""

from dataclasses import replace

import pytest

from hw.boards.table import BOARDS
from hw.boards.utilisation import Available, Utilisation
from hw.flow.clock_search import RUNS, search_clock
from hw.flow.errors import DesignError, NotRoutedError
from hw.flow.implement import Implementation

BOARD = replace(BOARDS["icebreaker"], clock=24_000_000)


class Tools:
    """Place and route that reaches these frequencies (MHz), one after the other; None is a design
    that is not routed.
    """

    def __init__(self, *fmaxes):
        self.fmaxes = list(fmaxes)

    def __call__(self, clock):
        fmax = self.fmaxes.pop(0)
        if fmax is None:
            raise NotRoutedError("no")
        return Implementation(
            bitstream_sha256="",
            utilisation=Utilisation(logic_cells=1, ebr=1, spram=0, available=Available.on(BOARD)),
            fmax_mhz=fmax,
            clock_mhz=clock / 1e6,
            placement_seed=0,
            router="router1",
            digest="",
        )


def searched(*fmaxes, clock=None):
    """Clock and fmax of the search, in MHz, after all frequencies were asked for; and its log."""
    tools, said = Tools(*fmaxes), []
    runs = RUNS if clock is None else 1
    try:
        made = search_clock(BOARD, clock or BOARD.clock, tools, runs=runs, log=said.append)
    finally:
        assert tools.fmaxes == []
    return (made.clock_mhz, made.fmax_mhz), said


@pytest.mark.parametrize(
    ("fmaxes", "clock", "fmax"),
    [
        ([24], 24, 24),  # as usual: nothing faster to be had
        ([25.2], 24, 25.2),
        ([31, 30], 29.25, 30),  # 5 % below 31 is 29.45
        ([31, 32], 29.25, 32),  # 30.375 would gain too little
        ([31, 40, 38], 37.5, 38),
        ([31, 29.25], 29.25, 29.25),
        ([31, 29, 28], 27.375, 28),
        ([31, 29, 27], 24, 31),  # the third fails, too: back to the first
        ([31, 24.5], 24, 31),  # 5 % below 24.5 is slower than the first
        ([20, 19.5], 18.75, 19.5),  # 24 is not reached
        ([20, 18.5, 18], 17.25, 18),
    ],
)
def test_the_clock_is_the_fastest_that_is_met(fmaxes, clock, fmax):
    assert searched(*fmaxes) == ((clock, fmax), [])


@pytest.mark.parametrize("clock", [16.875, 24, 30])
def test_a_clock_that_is_asked_for(clock):
    """It is met or not; none is searched for."""
    assert searched(31, clock=round(clock * 1e6)) == ((clock, 31), [])


@pytest.mark.parametrize(
    ("fmaxes", "clock", "message"),
    [
        ([29], 30e6, "clock 30 MHz: .* gives 29 MHz; name --clock 27.375 or a smaller network"),
        ([20, 18, 16], None, "clock 16.875 MHz: .* gives 20 MHz; name --clock 12 or a smaller"),
    ],
)
def test_a_clock_that_is_not_met(fmaxes, clock, message):
    with pytest.raises(DesignError, match=f"^{message}"):
        searched(*fmaxes, clock=clock and round(clock))


@pytest.mark.parametrize(
    ("fmaxes", "clock", "fmax", "last"),
    [([31, None], 24, 31, 29.25), ([31, 40, None], 29.25, 40, 37.5)],
)
def test_a_faster_clock_that_is_not_routed(fmaxes, clock, fmax, last):
    """What was met stands."""
    said = [f"{last:g} MHz is not routed: it stays at {clock:g} MHz"]
    assert searched(*fmaxes) == ((clock, fmax), said)


def test_a_first_clock_that_is_not_routed():
    with pytest.raises(NotRoutedError, match=r"^clock 24 MHz: no$"):
        searched(None)
