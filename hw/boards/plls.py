"""The PLLs of the FPGA families: the clocks that each makes of a crystal's, and its instance."""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from functools import cache
from typing import NamedTuple, Protocol

from amaranth.hdl import Instance, Signal, Value
from amaranth.lib import io

__all__ = ["Ecp5Pll", "GowinPll", "Ice40Pll", "Pll", "plls"]


class Pll(Protocol):
    """The settings of a PLL that make one clock of one crystal's."""

    @classmethod
    def settings(cls, crystal: int) -> Iterator[tuple[Fraction, "Pll"]]:
        """Every clock (Hz) that the PLL makes of ``crystal`` Hz, with its settings. Where several
        settings make the same clock, the preferred come first: those with the least division of
        the crystal, then those with the slowest oscillator.
        """
        ...

    def instance(
        self,
        primitive: str,
        crystal: int,
        clock: int,
        *,
        i: Value | io.PortLike,
        o: Signal,
        locked: Signal,
    ) -> Instance:
        """The ``primitive`` that makes ``o``, of ``clock`` Hz, of ``i``, of ``crystal`` Hz."""
        ...


@cache
def plls(kind: type[Pll], crystal: int) -> Mapping[int, Pll]:
    """Every clock of a whole number of Hz that a PLL makes of ``crystal`` Hz, with its settings."""
    result: dict[int, Pll] = {}
    for clock, settings in kind.settings(crystal):
        if clock.denominator == 1:
            result.setdefault(clock.numerator, settings)
    return result


# Hz, upper ends of the ranges of the phase detector's frequency for SB_PLL40's loop filter
_FILTER_LIMITS = (17e6, 26e6, 44e6, 66e6, 101e6, 133e6)


class Ice40Pll(NamedTuple):
    """SB_PLL40: ``o = i · (feedback + 1) / ((reference + 1) · 2^output)`` (Lattice FPGA-TN-02052:
    oscillator 533 to 1,066 MHz, phase detector 10 to 133 MHz, output 16 to 275 MHz).
    """

    reference: int
    feedback: int
    output: int
    filter_range: int

    @classmethod
    def settings(cls, crystal: int) -> Iterator[tuple[Fraction, "Ice40Pll"]]:
        for reference in range(16):
            detector = crystal / (reference + 1)
            if not 10e6 <= detector <= 133e6:
                continue
            ranges = enumerate(_FILTER_LIMITS, 1)
            filter_range = next(i for i, limit in ranges if detector <= limit)
            for feedback in range(128):
                if not 533e6 <= detector * (feedback + 1) <= 1066e6:
                    continue
                for output in range(1, 7):
                    if 16e6 <= detector * (feedback + 1) / 2**output <= 275e6:
                        clock = Fraction(crystal * (feedback + 1), (reference + 1) << output)
                        yield clock, cls(reference, feedback, output, filter_range)

    def instance(self, primitive, crystal, clock, *, i, o, locked) -> Instance:
        pad = primitive == "SB_PLL40_PAD"
        return Instance(
            primitive,
            ("i", "PACKAGEPIN" if pad else "REFERENCECLK", i),
            p_FEEDBACK_PATH="SIMPLE",
            p_DIVR=self.reference,
            p_DIVF=self.feedback,
            p_DIVQ=self.output,
            p_FILTER_RANGE=self.filter_range,
            i_RESETB=1,
            i_BYPASS=0,
            o_PLLOUTGLOBAL=o,
            o_LOCK=locked,
        )


class Ecp5Pll(NamedTuple):
    """EHXPLLL: oscillator = ``i · feedback / reference``, ``o`` = oscillator / ``output`` (Lattice
    FPGA-DS-02012: oscillator 400 to 800 MHz, phase detector from 10 MHz, output to 400 MHz).

    The oscillator is locked through one output, ``o`` is another: finer steps.
    """

    reference: int
    feedback: int
    output: int

    @classmethod
    def settings(cls, crystal: int) -> Iterator[tuple[Fraction, "Ecp5Pll"]]:
        for reference in range(1, 129):
            if crystal < 10e6 * reference:
                break
            for feedback in range(1, 81):
                if not 400e6 <= crystal * feedback / reference <= 800e6:
                    continue
                for output in range(2, 129):
                    clock = Fraction(crystal * feedback, reference * output)
                    yield clock, cls(reference, feedback, output)

    def instance(self, primitive, crystal, clock, *, i, o, locked) -> Instance:
        feedback = Signal()
        return Instance(
            primitive,
            p_CLKI_DIV=self.reference,
            p_CLKFB_DIV=1,
            p_FEEDBK_PATH="CLKOP",
            p_CLKOP_ENABLE="ENABLED",
            p_CLKOP_DIV=self.feedback,
            p_CLKOP_CPHASE=self.feedback - 1,
            p_CLKOS_ENABLE="ENABLED",
            p_CLKOS_DIV=self.output,
            p_CLKOS_CPHASE=self.output - 1,
            # Charge pump and loop filter, as prjtrellis' ecppll sets them.
            a_ICP_CURRENT="12",
            a_LPF_RESISTOR="8",
            a_MFG_ENABLE_FILTEROPAMP="1",
            a_MFG_GMCREF_SEL="2",
            a_FREQUENCY_PIN_CLKI=f"{crystal / 1e6:.9g}",
            a_FREQUENCY_PIN_CLKOS=f"{clock / 1e6:.9g}",
            i_CLKI=i,
            i_CLKFB=feedback,
            i_RST=0,
            i_STDBY=0,
            i_PLLWAKESYNC=0,
            o_CLKOP=feedback,
            o_CLKOS=o,
            o_LOCK=locked,
        )


class GowinPll(NamedTuple):
    """rPLL: ``o = i · (feedback + 1) / (reference + 1)``, oscillator = ``o · output`` (Gowin DS117,
    GW1NR-9 of speed grade C6: oscillator 400 to 1,200 MHz, phase detector from 3 MHz).
    """

    reference: int
    feedback: int
    output: int

    @classmethod
    def settings(cls, crystal: int) -> Iterator[tuple[Fraction, "GowinPll"]]:
        for reference in range(64):
            if crystal < 3e6 * (reference + 1):
                break
            for feedback in range(64):
                clock = Fraction(crystal * (feedback + 1), reference + 1)
                for output in (2, 4, 8, *range(16, 129, 16)):
                    if 400e6 <= clock * output <= 1200e6:
                        yield clock, cls(reference, feedback, output)
                        break

    def instance(self, primitive, crystal, clock, *, i, o, locked) -> Instance:
        return Instance(
            primitive,
            p_FCLKIN=f"{crystal / 1e6:.9g}",
            p_DEVICE="GW1NR-9C",
            p_IDIV_SEL=self.reference,
            p_FBDIV_SEL=self.feedback,
            p_ODIV_SEL=self.output,
            p_CLKFB_SEL="internal",
            p_DYN_IDIV_SEL="false",
            p_DYN_FBDIV_SEL="false",
            p_DYN_ODIV_SEL="false",
            p_DYN_DA_EN="false",
            p_DYN_SDIV_SEL=2,
            i_CLKIN=i,
            i_CLKFB=0,
            i_RESET=0,
            i_RESET_P=0,
            i_FBDSEL=0,
            i_IDSEL=0,
            i_ODSEL=0,
            i_PSDA=0,
            i_DUTYDA=0,
            i_FDLY=0,
            o_CLKOUT=o,
            o_LOCK=locked,
        )
