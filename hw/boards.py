"""The boards: all that the project knows of each, in one table."""

from collections.abc import Callable
from dataclasses import dataclass

from amaranth.vendor import LatticePlatform
from amaranth_boards.ice40_hx8k_b_evn import ICE40HX8KBEVNPlatform
from amaranth_boards.icebreaker import ICEBreakerPlatform
from amaranth_boards.ulx3s import ULX3S_85F_Platform

from sw.cli import UserError

__all__ = ["ALIASES", "BOARDS", "Board", "board_names", "find_board"]


@dataclass(frozen=True, kw_only=True)
class Board:
    """A board and the part on it.

    Parameters
    ----------
    name : str
        As on the command line.
    title : str
        As people call it.
    platform : function returning an Amaranth platform
    part : str
    family : "ice40" or "ecp5"
    logic_cells : int
        Pairs of a 4-input look-up table and a flip-flop.
    memories : int
        Block RAMs: EBR of 4,096 bits (iCE40), DP16KD of 18,432 bits (ECP5).
    spram : int
        Single-port RAMs of 256 Kibit.
    crystal : Hz
    clock : Hz
        Clock of the accelerator, from the PLL. A build fails if the design does not reach it.
    network : str
        Network of the zoo that is built unless another is named.
    pll : str
        Primitive that makes it. A pad PLL where the crystal's pin is the PLL's own.
    """

    name: str
    title: str
    platform: Callable[[], LatticePlatform]
    part: str
    family: str
    logic_cells: int
    memories: int
    spram: int
    crystal: int
    clock: int
    network: str
    pll: str


def _without_loader(platform: type[LatticePlatform]) -> Callable[[], LatticePlatform]:
    """The platform without its need for a programming tool, which no build uses."""

    class Platform(platform):
        required_tools = LatticePlatform.required_tools

    return Platform


BOARDS = {
    board.name: board
    for board in (
        Board(
            name="icebreaker",
            title="1BitSquared iCEBreaker",
            platform=ICEBreakerPlatform,
            part="iCE40UP5K-SG48",
            family="ice40",
            logic_cells=5280,
            memories=30,
            spram=4,
            crystal=12_000_000,
            clock=24_000_000,
            network="mnist-512-192-10-t8",
            pll="SB_PLL40_PAD",
        ),
        Board(
            name="ice40hx8k",
            title="Lattice iCE40-HX8K breakout",
            platform=ICE40HX8KBEVNPlatform,
            part="iCE40HX8K-CT256",
            family="ice40",
            logic_cells=7680,
            memories=32,
            spram=0,
            crystal=12_000_000,
            clock=60_000_000,
            network="mnist-512-192-10-t8",
            pll="SB_PLL40_CORE",
        ),
        Board(
            name="ulx3s",
            title="Radiona ULX3S 85F",
            platform=_without_loader(ULX3S_85F_Platform),
            part="LFE5U-85F-6BG381C",
            family="ecp5",
            logic_cells=83640,
            memories=208,
            spram=0,
            crystal=25_000_000,
            clock=50_000_000,
            network="mnist-784-600-10-t8",
            pll="EHXPLLL",
        ),
    )
}

# The board that a family's name alone means.
ALIASES = {"ice40": "icebreaker", "ecp5": "ulx3s"}


def board_names() -> str:
    """What ``--board`` takes, for people."""
    return ", ".join([*BOARDS, *(f"{a} (= {b})" for a, b in ALIASES.items())])


def find_board(name: str) -> Board:
    """The board of that name or alias. Raises :class:`UserError` for an unknown one."""
    board = BOARDS.get(ALIASES.get(name, name))
    if board is None:
        raise UserError(f"board {name!r} is not known; choose one of {board_names()}")
    return board
