"""The board's clock: the crystal's own or a PLL's that it drives, and its reset; which clocks
there are, and the fastest of them.
"""

from functools import cache

from amaranth.hdl import ClockDomain, Elaboratable, Module, Signal
from amaranth.lib import io
from amaranth.lib.cdc import ResetSynchronizer

from hw.boards.plls import plls
from hw.boards.table import Board
from hw.link import protocol
from sw.cli import UserError

__all__ = ["ClockGenerator", "check_clock", "clocks", "fastest_clock", "needs_pll"]

_UART_ERROR = 0.02  # of the line's rate; a receiver tolerates about twice that, both ends together
_START = 15e-6  # seconds; for about 3 µs block RAMs of an iCE40 read as 0 (Amaranth waits as long)


@cache
def clocks(board: Board) -> tuple[int, ...]:
    """The clocks that a board may run at, in Hz, ascending: its crystal or its PLL makes them, and
    whole cycles make the bits of its UART.
    """
    made = {board.crystal, *plls(board.family.pll, board.crystal)}
    return tuple(c for c in sorted(made) if _suits_uart(c))


def needs_pll(board: Board, clock: int) -> bool:
    """Whether a PLL makes ``clock`` Hz: the crystal's own clock needs none."""
    return clock != board.crystal


def _suits_uart(clock: int) -> bool:
    divisor = round(clock / protocol.BAUD)
    return divisor >= 4 and abs(clock / divisor / protocol.BAUD - 1) <= _UART_ERROR


def fastest_clock(board: Board, limit: float) -> int:
    """The fastest of a board's clocks that is not above ``limit`` Hz, else its slowest."""
    return max((c for c in clocks(board) if c <= limit), default=clocks(board)[0])


def check_clock(board: Board, clock: float) -> int:
    """``clock`` in whole Hz. Raises :class:`UserError`, naming the nearest, if the board has it
    not.
    """
    if clock in clocks(board):
        return int(clock)
    below = max((c for c in clocks(board) if c < clock), default=None)
    above = min((c for c in clocks(board) if c > clock), default=None)
    near = " or ".join(f"{c / 1e6:.9g}" for c in (below, above) if c)
    raise UserError(
        f"clock {clock / 1e6:.9g} MHz: {board.name} cannot run at it with its crystal or PLL and a "
        f"UART of {protocol.BAUD:,} bit/s; name {near}"
    )


class ClockGenerator(Elaboratable):
    """Drives ``domain``, which is ``sync`` of the top level, with ``clock`` Hz; it is in reset
    until the PLL has locked. At the crystal's own clock there is no PLL, and a wait in its place.
    """

    def __init__(self, board: Board, domain: ClockDomain, *, clock: int):
        self._board = board
        self._domain = domain
        self._clock = clock

    def elaborate(self, platform):
        m = Module()
        board, domain = self._board, self._domain
        pin = platform.request(platform.default_clk, dir="-")
        locked = Signal()
        if not needs_pll(board, self._clock):
            m.submodules.pin = buffer = io.Buffer("i", pin)
            m.d.comb += domain.clk.eq(buffer.i)
            m.submodules.reset = ResetSynchronizer(~self._started(m))
            return m
        if board.pll == "SB_PLL40_PAD":
            crystal = pin.io
        else:
            m.submodules.pin = buffer = io.Buffer("i", pin)
            crystal = buffer.i
        settings = plls(board.family.pll, board.crystal)[self._clock]
        m.submodules.pll = settings.instance(
            board.pll, board.crystal, self._clock, i=crystal, o=domain.clk, locked=locked
        )
        platform.add_clock_constraint(domain.clk, self._clock)
        m.submodules.reset = ResetSynchronizer(~locked)
        return m

    def _started(self, m: Module) -> Signal:
        """Set from ``_START`` seconds after configuration on, which clears all flip-flops."""
        cycles = round(_START * self._clock)
        m.domains.start = start = ClockDomain("start", local=True, reset_less=True)
        waited, started = Signal(range(cycles + 1)), Signal()
        m.d.comb += [start.clk.eq(self._domain.clk), started.eq(waited == cycles)]
        with m.If(~started):
            m.d.start += waited.eq(waited + 1)
        return started
