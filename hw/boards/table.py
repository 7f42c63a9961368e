"""The boards: all that the project knows of each, in one table."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from amaranth.build import Attrs, PinsN, Resource, TemplatedPlatform
from amaranth_boards.ice40_hx8k_b_evn import ICE40HX8KBEVNPlatform
from amaranth_boards.icebreaker import ICEBreakerPlatform
from amaranth_boards.icestick import ICEStickPlatform
from amaranth_boards.orangecrab_r0_2 import OrangeCrabR0_2_25FPlatform
from amaranth_boards.resources import LEDResources, UARTResource
from amaranth_boards.tang_nano_9k import TangNano9kPlatform
from amaranth_boards.ulx3s import ULX3S_85F_Platform
from amaranth_boards.upduino_v3 import UpduinoV3Platform

from hw.boards.families import ECP5, GOWIN, ICE40, Family
from hw.boards.programmers import Programmer
from sw.cli import UserError

__all__ = ["ALIASES", "BOARDS", "SAFE_ROUTE", "Board", "board_names", "find_board"]


@dataclass(frozen=True, kw_only=True)
class Board:
    """A board and the part on it.

    Parameters
    ----------
    name : str
        As on the command line.
    title : str
        Its full name.
    platform : function returning an Amaranth platform
    part : str
    family : Family
    logic_cells : int
        Pairs of a 4-input look-up table and a flip-flop.
    memories : int
        Block RAMs: EBR of 4,096 bits (iCE40), DP16KD (ECP5) and BSRAM (Gowin) of 18,432 bits.
    spram : int
        Single-port RAMs of 256 Kibit.
    crystal : Hz
    clock : Hz
        Where the search for the fastest clock begins: what the board's own network reaches.
    network : str
        Network of the zoo that is built unless another is named.
    pll : str
        Primitive that makes the clock. A pad PLL where the crystal's pin is the PLL's own.
    seed : int
        Where placement begins: the board's own network routes well from there.
    route : str
        Options of place and route.
    leds : tuple of str
        What the LEDs that are used are called, from ``led`` 0 on. Four and more show the class in
        binary, the lowest bit first (:attr:`shows_class`). Of two the first, red, is lit while
        there is no class: the last input got none, or the weights are not loaded; the
        second, green, toggles with each class.
    serial : str
        Where a computer finds the UART.
    programmers : tuple of Programmer
        What writes a bitstream onto the board, the preferred first.
    idle : tuple of str
        Outputs that are held inactive: chips that share pins with what is used.
    weights_at : int, optional
        Address in the board's SPI flash of weights that are loaded, behind the bitstream. Without
        it, the design cannot reach the flash, and they come from the host.
    note : str
        What a user has to do or connect before it works; empty if nothing.
    """

    name: str
    title: str
    platform: Callable[[], TemplatedPlatform]
    part: str
    family: Family
    logic_cells: int
    memories: int
    spram: int
    crystal: int
    clock: int
    network: str
    pll: str
    leds: tuple[str, ...]
    serial: str
    programmers: tuple[Programmer, ...]
    seed: int = 0
    route: str = ""
    idle: tuple[str, ...] = ()
    weights_at: int | None = None
    note: str = ""

    @property
    def shows_class(self) -> bool:
        """The LEDs tell at least 16 classes apart."""
        return len(self.leds) >= 4


def _lattice(
    platform: type[TemplatedPlatform], *more: Resource, clk: str | None = None
) -> Callable[[], TemplatedPlatform]:
    """The platform with ``more`` resources and another clock, and without the programming tools
    that no build uses.
    """
    vendor: Any = next(base for base in platform.__mro__ if base.__module__.startswith("amaranth."))

    class Platform(platform):
        default_clk = clk or platform.default_clk
        resources = (*platform.resources, *more)
        required_tools = vendor.required_tools
        command_templates = vendor.command_templates

    return Platform


class _TangNano9k(TangNano9kPlatform):
    """With the place and route that has replaced the one Amaranth 0.5 calls."""

    required_tools = GOWIN.tools

    @property
    def command_templates(self) -> list[str]:
        """Amaranth's own, but for place and route."""
        synthesis, _, pack = super().command_templates
        route = r"""
        {{invoke_tool("nextpnr-himbaechel-gowin")}}
            {{get_override("nextpnr_opts")|options}}
            --log {{name}}.tim
            --device {{platform.part}}
            --vopt family={{platform._chipdb_device}}
            --vopt cst={{name}}.cst
            --json {{name}}.syn.json
            --write {{name}}.pnr.json
        """
        return [synthesis, route, pack]


def _loader(*options: str, keeps: bool) -> Programmer:
    return Programmer(program="openFPGALoader", options=options, keeps=keeps)


_ICEPROG = Programmer(program="iceprog", keeps=True)
# Boards whose adapter is wired to the flash as the iCEstick's
_ICE40_LOADER = _loader("-b", "ice40_generic", "-f", keeps=True)

# router1 may not converge where most cells are used, or SPRAM is.
SAFE_ROUTE = "--router router2"
_UP5K_ROUTE = f"{SAFE_ROUTE} --placer-heap-timingweight 20"

BOARDS = {
    board.name: board
    for board in (
        Board(
            name="icebreaker",
            title="1BitSquared iCEBreaker",
            platform=ICEBreakerPlatform,
            part="iCE40UP5K-SG48",
            family=ICE40,
            logic_cells=5280,
            memories=30,
            spram=4,
            crystal=12_000_000,
            clock=24_750_000,
            network="mnist-512-192-10-t8",
            pll="SB_PLL40_PAD",
            leds=("red", "green"),
            serial="its USB port, second of two",
            programmers=(_ICEPROG, _ICE40_LOADER),
            route=_UP5K_ROUTE,
            weights_at=1 << 20,
            seed=1,
        ),
        Board(
            name="upduino3",
            title="tinyVision UPduino v3",
            platform=_lattice(
                UpduinoV3Platform,
                # The programmer's lines, which it lets a terminal use as a UART, are the flash's.
                UARTResource(0, rx="15", tx="14", attrs=Attrs(IO_STANDARD="SB_LVCMOS")),
                Resource("flash", 0, PinsN("16", dir="o"), Attrs(IO_STANDARD="SB_LVCMOS")),
                *LEDResources(pins="41 39", invert=True, attrs=Attrs(IO_STANDARD="SB_LVCMOS")),
                # The oscillator inside is off by up to 10 %, more than a UART tolerates.
                clk="clk12",
            ),
            part="iCE40UP5K-SG48",
            family=ICE40,
            logic_cells=5280,
            memories=30,
            spram=4,
            crystal=12_000_000,
            clock=24_750_000,
            network="mnist-512-192-10-t8",
            pll="SB_PLL40_CORE",
            leds=("red", "green"),
            serial="its USB port",
            programmers=(_ICEPROG,),
            route=_UP5K_ROUTE,
            idle=("flash",),
            note="close the jumper OSC (R16): it brings the 12 MHz clock to pin 20; plug it in "
            "again once programmed, since `iceprog` takes its port away",
        ),
        Board(
            name="ice40hx8k",
            title="Lattice iCE40-HX8K breakout",
            platform=ICE40HX8KBEVNPlatform,
            part="iCE40HX8K-CT256",
            family=ICE40,
            logic_cells=7680,
            memories=32,
            spram=0,
            crystal=12_000_000,
            clock=76_500_000,
            network="mnist-512-192-10-t8",
            seed=3,
            pll="SB_PLL40_CORE",
            leds=tuple(f"D{number}" for number in range(2, 10)),
            serial="its USB port, second of two",
            programmers=(_ICEPROG, _ICE40_LOADER),
        ),
        Board(
            name="icestick",
            title="Lattice iCEstick",
            platform=ICEStickPlatform,
            part="iCE40HX1K-TQ144",
            family=ICE40,
            logic_cells=1280,
            memories=16,
            spram=0,
            crystal=12_000_000,
            clock=76_500_000,
            network="digits-64-32-10-t2",
            pll="SB_PLL40_CORE",
            leds=tuple(f"D{number}" for number in range(1, 6)),
            serial="its USB port, second of two",
            programmers=(_ICEPROG, _ICE40_LOADER),
            route=SAFE_ROUTE,
        ),
        Board(
            name="ulx3s",
            title="Radiona ULX3S 85F",
            platform=_lattice(ULX3S_85F_Platform),
            part="LFE5U-85F-6BG381C",
            family=ECP5,
            logic_cells=83640,
            memories=208,
            spram=0,
            crystal=25_000_000,
            clock=63_750_000,
            network="mnist-784-600-10-t8",
            pll="EHXPLLL",
            leds=tuple(f"LED{number}" for number in range(8)),
            serial="USB port US1",
            programmers=(_loader("-b", "ulx3s", keeps=False),),
        ),
        Board(
            name="orangecrab",
            title="OrangeCrab r0.2 25F",
            platform=_lattice(
                OrangeCrabR0_2_25FPlatform,
                UARTResource(0, rx="0", tx="1", conn=("io", 0), attrs=Attrs(IO_TYPE="LVCMOS33")),
                *LEDResources(pins="K4 M3", invert=True, attrs=Attrs(IO_TYPE="LVCMOS33")),
            ),
            part="LFE5U-25F-8MG285C",
            family=ECP5,
            logic_cells=24288,
            memories=56,
            spram=0,
            crystal=48_000_000,
            clock=88_800_000,
            network="mnist-784-600-10-t8",
            pll="EHXPLLL",
            leds=("red", "green"),
            serial="pins 0 and 1",
            programmers=(
                Programmer(program="dfu-util", options=("-a", "0", "-D"), keeps=True),
                _loader("-b", "orangeCrab", keeps=True),
            ),
            note="connect a USB-UART of 3.3 V, since it has none: TX to pin 0, RX to pin 1",
        ),
        Board(
            name="tangnano9k",
            title="Sipeed Tang Nano 9K",
            platform=_TangNano9k,
            part="GW1NR-LV9QN88PC6/I5",
            family=GOWIN,
            logic_cells=8640,
            memories=26,
            spram=0,
            crystal=27_000_000,
            clock=60_750_000,
            network="mnist-512-192-10-t8",
            pll="rPLL",
            leds=tuple(f"LED{number}" for number in range(1, 7)),
            serial="its USB port, second of two",
            programmers=(_loader("-b", "tangnano9k", keeps=False),),
        ),
    )
}

# The board that a family's name alone means.
ALIASES = {"ice40": "icebreaker", "ecp5": "ulx3s"}


def board_names() -> str:
    """What ``--board`` takes, as human-readable text."""
    return ", ".join([*BOARDS, *(f"{a} (= {b})" for a, b in ALIASES.items())])


def find_board(name: str) -> Board:
    """The board of that name or alias. Raises :class:`UserError` for an unknown one."""
    board = BOARDS.get(ALIASES.get(name, name))
    if board is None:
        raise UserError(f"board {name!r} is not known; choose one of {board_names()}")
    return board
