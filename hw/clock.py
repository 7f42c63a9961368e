"""The board's clock: a PLL from the crystal to the accelerator's clock, and its reset."""

from typing import NamedTuple

from amaranth.hdl import ClockDomain, Elaboratable, Instance, Module, Signal
from amaranth.lib import io
from amaranth.lib.cdc import ResetSynchronizer

from hw.boards import Board

__all__ = ["ClockGenerator", "ecp5_pll", "ice40_pll"]


class Ice40Pll(NamedTuple):
    """Dividers of an SB_PLL40: out = crystal · (feedback + 1) / ((reference + 1) · 2^output)."""

    reference: int
    feedback: int
    output: int
    filter_range: int


class Ecp5Pll(NamedTuple):
    """Dividers of an EHXPLLL: out = crystal · feedback / reference, oscillator = out · output."""

    reference: int
    feedback: int
    output: int


def ice40_pll(crystal: int, clock: int) -> Ice40Pll:
    """Dividers that give ``clock`` Hz exactly (Lattice FPGA-TN-02052: limits of the oscillator,
    533 to 1,066 MHz, and of the phase detector, 10 to 133 MHz).
    """
    limits = (17e6, 26e6, 44e6, 66e6, 101e6, 133e6)  # upper ends of the loop filter's ranges
    for reference in range(16):
        detector = crystal / (reference + 1)
        if not 10e6 <= detector <= 133e6:
            continue
        for output in range(1, 7):
            oscillator = clock << output
            feedback = oscillator / detector
            if 533e6 <= oscillator <= 1066e6 and feedback == int(feedback) and feedback <= 128:
                filter_range = next(i for i, limit in enumerate(limits, 1) if detector <= limit)
                return Ice40Pll(reference, int(feedback) - 1, output, filter_range)
    raise ValueError(f"Clock must be one that the PLL makes of {crystal} Hz, not {clock!r}")


def ecp5_pll(crystal: int, clock: int) -> Ecp5Pll:
    """Dividers that give ``clock`` Hz exactly (Lattice FPGA-TN-02200: 400 to 800 MHz)."""
    for reference in range(1, 11):
        feedback = clock * reference / crystal
        output = round(600e6 / clock)
        if feedback != int(feedback) or feedback > 80 or output > 128:
            continue
        if 400e6 <= clock * output <= 800e6:
            return Ecp5Pll(reference, int(feedback), output)
    raise ValueError(f"Clock must be one that the PLL makes of {crystal} Hz, not {clock!r}")


class ClockGenerator(Elaboratable):
    """Drives ``domain``, which is ``sync`` of the top level; it is in reset until the PLL has
    locked.
    """

    def __init__(self, board: Board, domain: ClockDomain):
        self._board = board
        self._domain = domain

    def elaborate(self, platform):
        m = Module()
        board, domain = self._board, self._domain
        pin = platform.request(platform.default_clk, dir="-")
        locked = Signal()
        if board.pll == "SB_PLL40_PAD":
            source = {"i_PACKAGEPIN": pin.io}
        else:
            m.submodules.pin = buffer = io.Buffer("i", pin)
            source = {"i_REFERENCECLK": buffer.i}
        if board.family == "ice40":
            dividers = ice40_pll(board.crystal, board.clock)
            m.submodules.pll = Instance(
                board.pll,
                p_FEEDBACK_PATH="SIMPLE",
                p_DIVR=dividers.reference,
                p_DIVF=dividers.feedback,
                p_DIVQ=dividers.output,
                p_FILTER_RANGE=dividers.filter_range,
                **source,
                i_RESETB=1,
                i_BYPASS=0,
                o_PLLOUTGLOBAL=domain.clk,
                o_LOCK=locked,
            )
        else:
            dividers = ecp5_pll(board.crystal, board.clock)
            m.submodules.pll = Instance(
                board.pll,
                p_CLKI_DIV=dividers.reference,
                p_CLKFB_DIV=dividers.feedback,
                p_CLKOP_DIV=dividers.output,
                p_CLKOP_ENABLE="ENABLED",
                p_FEEDBK_PATH="CLKOP",
                a_FREQUENCY_PIN_CLKI=str(board.crystal / 1e6),
                a_FREQUENCY_PIN_CLKOP=str(board.clock / 1e6),
                i_CLKI=buffer.i,
                i_CLKFB=domain.clk,
                i_RST=0,
                i_STDBY=0,
                i_PLLWAKESYNC=0,
                o_CLKOP=domain.clk,
                o_LOCK=locked,
            )
        platform.add_clock_constraint(domain.clk, board.clock)
        m.submodules.reset = ResetSynchronizer(~locked)
        return m
