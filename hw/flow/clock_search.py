"""The clock search: the fastest clock of the board at which a design meets timing."""

from collections.abc import Callable

from hw.boards.clock import fastest_clock
from hw.boards.table import Board
from hw.flow.errors import DesignError, NotRoutedError
from hw.flow.implement import Implementation

__all__ = ["MARGIN", "RUNS", "search_clock"]

# A clock is chosen this much below what place and route reached, since the next run, for another
# PLL and another UART, comes out a little different.
MARGIN = 0.05
RUNS = 3  # of place and route, at most
_GAIN = 1.05  # in clock, that is worth another run of place and route


def search_clock(
    board: Board,
    start: int,
    implement: Callable[[int], Implementation],
    *,
    runs: int,
    log: Callable[[str], None],
) -> Implementation:
    """The implementation with the fastest clock that was met, of at most ``runs``.

    It begins with ``start`` Hz, and tries the fastest clock that the board has :data:`MARGIN` below
    what was reached, while timing is not met or 5 % are gained. A clock at which the design is not
    routed ends the search.

    Raises
    ------
    DesignError
        No clock was met, or the design is not routed at the first.
    """
    tried: dict[int, Implementation] = {}
    met: list[int] = []
    clock = start
    while clock not in tried and len(tried) < runs:
        try:
            tried[clock] = implement(clock)
        except NotRoutedError as error:
            if not met:
                raise NotRoutedError(f"clock {clock / 1e6:.9g} MHz: {error}") from None
            log(f"{clock / 1e6:g} MHz is not routed: it stays at {max(met) / 1e6:g} MHz")
            break
        met = [c for c, made in tried.items() if made.meets_timing]
        clock = fastest_clock(board, (1 - MARGIN) * 1e6 * tried[clock].fmax_mhz)
        if met and clock < _GAIN * max(met):
            break
    if not met:
        fmax = max(made.fmax_mhz for made in tried.values())
        raise DesignError(
            f"clock {min(tried) / 1e6:.9g} MHz: {board.name} does not reach it, place and route "
            f"gives {fmax:g} MHz; name --clock {clock / 1e6:.9g} or a smaller network"
        )
    return tried[max(met)]
