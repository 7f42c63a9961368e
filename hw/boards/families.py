"""The FPGA families: all that the project knows of each family's tools, cells, memories and PLL, in
one table.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import NamedTuple

from hw.boards.plls import Ecp5Pll, GowinPll, Ice40Pll, Pll

__all__ = ["ECP5", "FAMILIES", "GOWIN", "ICE40", "Family", "Grid"]


class Grid(NamedTuple):
    """The block RAMs of a memory.

    Parameters
    ----------
    rows : int
        Of which a multiplexer chooses one, for each bit of a word.
    blocks : int
        Of all rows.
    """

    rows: int
    blocks: int


@dataclass(frozen=True, kw_only=True)
class Family:
    """An FPGA family and the open tools for it.

    Parameters
    ----------
    name : str
        As in the table of coefficients and in reports.
    synthesis, route, pack : str
        Yosys, nextpnr, and the packer of bitstreams, as :data:`hw.flow.tools.TOOLS` names them.
    suffix : str
        Of a bitstream's file.
    outputs : tuple of str
        nextpnr's options that name a file of the placed and routed design. Without them and with
        ``--pack-only`` the same command line counts cells and stops.
    logic, memories, single_port : tuple of str
        Cells in nextpnr's table of utilisation: those of logic, named once for each logic cell
        that they take, block RAMs, single-port RAMs.
    mapped_logic, mapped_memories : frozenset of str
        The same in yosys' statistics, before packing.
    shapes : tuple of (int, int)
        Depth (words) and width (bits) that a block RAM can have, with independent read and write
        ports.
    block_ram_cost : int
        Of a block RAM in yosys' pass memory_libmap, where a 1-bit 2:1 multiplexer costs 0.5.
    distributed_cells : function of depth (words) and width (bits) returning int, optional
        Logic cells of a memory in distributed RAM; None if there is none that is used.
    write_bits : int
        Bits that share a write enable in a block RAM.
    pll : type of Pll
        Its PLL: which clocks it makes, and the instance that makes them.
    """

    name: str
    synthesis: str = "yosys"
    route: str
    pack: str
    suffix: str
    outputs: tuple[str, ...]
    logic: tuple[str, ...]
    memories: tuple[str, ...]
    single_port: tuple[str, ...] = ()
    mapped_logic: frozenset[str]
    mapped_memories: frozenset[str]
    shapes: tuple[tuple[int, int], ...]
    block_ram_cost: int
    distributed_cells: Callable[[int, int], int] | None = None
    write_bits: int
    pll: type[Pll]

    @property
    def tools(self) -> tuple[str, str, str]:
        """What a build runs, in order."""
        return self.synthesis, self.route, self.pack

    def grid(self, depth: int, width: int, *, constant: bool = False) -> Grid:
        """Block RAMs that yosys takes for a memory of ``depth`` words of ``width`` bits with one
        read port and, unless it is ``constant``, one to write: those that it finds the cheapest.
        Memories deeper than a block RAM are divided by rows, so that bits of several rows share a
        block RAM where none is written, or each alone.
        """
        shared = constant or self.write_bits == 1
        grids = []
        for deep, wide in self.shapes:
            rows = ceil(depth / deep)
            blocks = ceil(rows * width / wide) if shared else rows * ceil(width / wide)
            grids.append(Grid(rows, blocks))
        return min(
            grids,
            key=lambda grid: int(self.block_ram_cost * grid.blocks + (grid.rows - 1) * width / 2),
        )

    def block_rams(self, depth: int, width: int) -> int:
        """Those of :meth:`grid` for a memory that is written."""
        return self.grid(depth, width).blocks

    def __str__(self) -> str:
        return self.name


_SHAPES_18K = ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1))


def _distributed_16x4(depth: int, width: int) -> int:
    """ECP5: 16 words of 4 bits take 4 logic cells and 2 that write them; of deeper memories each
    further 16 words take one more per bit, to choose.
    """
    parts = ceil(depth / 16)
    return 6 * parts * ceil(width / 4) + (parts - 1) * width


ICE40 = Family(
    name="ice40",
    route="nextpnr-ice40",
    pack="icepack",
    suffix="bin",
    outputs=("--asc", "--report"),
    logic=("ICESTORM_LC",),
    memories=("ICESTORM_RAM",),
    single_port=("ICESTORM_SPRAM",),
    mapped_logic=frozenset({"SB_LUT4"}),
    mapped_memories=frozenset({"SB_RAM40_4K"}),
    shapes=((2048, 2), (1024, 4), (512, 8), (256, 16)),
    block_ram_cost=64,
    write_bits=1,
    pll=Ice40Pll,
)
ECP5 = Family(
    name="ecp5",
    route="nextpnr-ecp5",
    pack="ecppack",
    suffix="bit",
    outputs=("--textcfg", "--report"),
    logic=("TRELLIS_COMB", "TRELLIS_RAMW", "TRELLIS_RAMW"),
    memories=("DP16KD",),
    mapped_logic=frozenset({"LUT4"}),
    mapped_memories=frozenset({"DP16KD"}),
    shapes=_SHAPES_18K,
    block_ram_cost=128,
    distributed_cells=_distributed_16x4,
    write_bits=9,
    pll=Ecp5Pll,
)
GOWIN = Family(
    name="gowin",
    route="nextpnr-himbaechel-gowin",
    pack="gowin_pack",
    suffix="fs",
    outputs=("--write", "--report"),
    logic=("LUT4", "ALU"),
    memories=("BSRAM",),
    mapped_logic=frozenset({"LUT1", "LUT2", "LUT3", "LUT4", "ALU"}),
    mapped_memories=frozenset({"SDPB", "SDPX9B", "DPB", "DPX9B", "pROM", "pROMX9"}),
    shapes=_SHAPES_18K,
    block_ram_cost=128,
    write_bits=9,
    pll=GowinPll,
)
FAMILIES = {family.name: family for family in (ICE40, ECP5, GOWIN)}
