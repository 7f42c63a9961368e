"""The board's clock: the crystal's own or a PLL's that it drives, and its reset; which clocks
there are, and the fastest of them.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import NamedTuple

from amaranth.hdl import ClockDomain, Elaboratable, Instance, Module, Signal
from amaranth.lib import io
from amaranth.lib.cdc import ResetSynchronizer

from hw.boards.table import Board
from hw.link import protocol
from sw.cli import UserError

__all__ = ["ClockGenerator", "check_clock", "clocks", "fastest_clock", "needs_pll", "plls"]

_UART_ERROR = 0.02  # of the line's rate; a receiver bears about twice that at both ends together
_START = 15e-6  # seconds; for about 3 µs block RAMs of an iCE40 read as 0 (Amaranth waits as long)


class Ice40Pll(NamedTuple):
    """Dividers of an SB_PLL40: out = crystal · (feedback + 1) / ((reference + 1) · 2^output)."""

    reference: int
    feedback: int
    output: int
    filter_range: int


class Ecp5Pll(NamedTuple):
    """Dividers of an EHXPLLL: oscillator = crystal · feedback / reference, out = oscillator /
    output.
    """

    reference: int
    feedback: int
    output: int


class GowinPll(NamedTuple):
    """Dividers of an rPLL: out = crystal · (feedback + 1) / (reference + 1), oscillator = out ·
    output.
    """

    reference: int
    feedback: int
    output: int


@cache
def plls(family: str, crystal: int) -> Mapping[int, tuple[int, ...]]:
    """Every clock of whole Hz that a family's PLL makes of ``crystal`` Hz, with its dividers.

    Where several give the same clock, those with the least division of the crystal, then the
    slowest oscillator.
    """
    makers = {"ice40": _ice40_plls, "ecp5": _ecp5_plls, "gowin": _gowin_plls}
    result: dict[int, tuple[int, ...]] = {}
    for (numerator, denominator), dividers in makers[family](crystal):
        if numerator % denominator == 0:
            result.setdefault(numerator // denominator, dividers)
    return result


def _ice40_plls(crystal: int) -> Iterator[tuple[tuple[int, int], Ice40Pll]]:
    """Lattice FPGA-TN-02052: oscillator 533 to 1,066 MHz, phase detector 10 to 133 MHz, output
    16 to 275 MHz.
    """
    limits = (17e6, 26e6, 44e6, 66e6, 101e6, 133e6)  # upper ends of the loop filter's ranges
    for reference in range(16):
        detector = crystal / (reference + 1)
        if not 10e6 <= detector <= 133e6:
            continue
        filter_range = next(i for i, limit in enumerate(limits, 1) if detector <= limit)
        for feedback in range(128):
            if 533e6 <= detector * (feedback + 1) <= 1066e6:
                for output in range(1, 7):
                    if 16e6 <= detector * (feedback + 1) / 2**output <= 275e6:
                        ratio = crystal * (feedback + 1), (reference + 1) << output
                        yield ratio, Ice40Pll(reference, feedback, output, filter_range)


def _ecp5_plls(crystal: int) -> Iterator[tuple[tuple[int, int], Ecp5Pll]]:
    """Lattice FPGA-DS-02012: oscillator 400 to 800 MHz, phase detector from 10 MHz, output to
    400 MHz.
    """
    for reference in range(1, 129):
        if crystal < 10e6 * reference:
            break
        for feedback in range(1, 81):
            if 400e6 <= crystal * feedback / reference <= 800e6:
                for output in range(2, 129):
                    ratio = crystal * feedback, reference * output
                    yield ratio, Ecp5Pll(reference, feedback, output)


def _gowin_plls(crystal: int) -> Iterator[tuple[tuple[int, int], GowinPll]]:
    """Gowin DS117, GW1NR-9 of speed C6: oscillator 400 to 1,200 MHz, phase detector from 3 MHz."""
    for reference in range(64):
        if crystal < 3e6 * (reference + 1):
            break
        for feedback in range(64):
            ratio = crystal * (feedback + 1), reference + 1
            for output in (2, 4, 8, *range(16, 129, 16)):
                if 400e6 <= ratio[0] / ratio[1] * output <= 1200e6:
                    yield ratio, GowinPll(reference, feedback, output)
                    break


@cache
def clocks(board: Board) -> tuple[int, ...]:
    """The clocks that a board may run at, in Hz, rising: its crystal or its PLL makes them, and
    whole cycles make the bits of its UART.
    """
    made = {board.crystal, *plls(board.family, board.crystal)}
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
        make = {"ice40": self._ice40, "ecp5": self._ecp5, "gowin": self._gowin}[board.family]
        dividers = plls(board.family, board.crystal)[self._clock]
        m.submodules.pll = make(dividers, crystal, locked)
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

    def _ice40(self, dividers: Ice40Pll, crystal, locked: Signal) -> Instance:
        pad = self._board.pll == "SB_PLL40_PAD"
        return Instance(
            self._board.pll,
            ("i", "PACKAGEPIN" if pad else "REFERENCECLK", crystal),
            p_FEEDBACK_PATH="SIMPLE",
            p_DIVR=dividers.reference,
            p_DIVF=dividers.feedback,
            p_DIVQ=dividers.output,
            p_FILTER_RANGE=dividers.filter_range,
            i_RESETB=1,
            i_BYPASS=0,
            o_PLLOUTGLOBAL=self._domain.clk,
            o_LOCK=locked,
        )

    def _ecp5(self, dividers: Ecp5Pll, crystal, locked: Signal) -> Instance:
        """The oscillator is locked through one output, the domain has another: finer steps."""
        feedback = Signal()
        return Instance(
            self._board.pll,
            p_CLKI_DIV=dividers.reference,
            p_CLKFB_DIV=1,
            p_FEEDBK_PATH="CLKOP",
            p_CLKOP_ENABLE="ENABLED",
            p_CLKOP_DIV=dividers.feedback,
            p_CLKOP_CPHASE=dividers.feedback - 1,
            p_CLKOS_ENABLE="ENABLED",
            p_CLKOS_DIV=dividers.output,
            p_CLKOS_CPHASE=dividers.output - 1,
            # Charge pump and loop filter, as prjtrellis' ecppll sets them.
            a_ICP_CURRENT="12",
            a_LPF_RESISTOR="8",
            a_MFG_ENABLE_FILTEROPAMP="1",
            a_MFG_GMCREF_SEL="2",
            a_FREQUENCY_PIN_CLKI=f"{self._board.crystal / 1e6:.9g}",
            a_FREQUENCY_PIN_CLKOS=f"{self._clock / 1e6:.9g}",
            i_CLKI=crystal,
            i_CLKFB=feedback,
            i_RST=0,
            i_STDBY=0,
            i_PLLWAKESYNC=0,
            o_CLKOP=feedback,
            o_CLKOS=self._domain.clk,
            o_LOCK=locked,
        )

    def _gowin(self, dividers: GowinPll, crystal, locked: Signal) -> Instance:
        return Instance(
            self._board.pll,
            p_FCLKIN=f"{self._board.crystal / 1e6:.9g}",
            p_DEVICE="GW1NR-9C",
            p_IDIV_SEL=dividers.reference,
            p_FBDIV_SEL=dividers.feedback,
            p_ODIV_SEL=dividers.output,
            p_CLKFB_SEL="internal",
            p_DYN_IDIV_SEL="false",
            p_DYN_FBDIV_SEL="false",
            p_DYN_ODIV_SEL="false",
            p_DYN_DA_EN="false",
            p_DYN_SDIV_SEL=2,
            i_CLKIN=crystal,
            i_CLKFB=0,
            i_RESET=0,
            i_RESET_P=0,
            i_FBDSEL=0,
            i_IDSEL=0,
            i_ODSEL=0,
            i_PSDA=0,
            i_DUTYDA=0,
            i_FDLY=0,
            o_CLKOUT=self._domain.clk,
            o_LOCK=locked,
        )
