"""The cell libraries that a network can be mapped to: one table."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from sw.cli import UserError

__all__ = ["PDKS", "SKY130", "Pdk", "cell_sizes", "find_pdk", "pdk_names"]


@dataclass(frozen=True, kw_only=True)
class Pdk:
    """A process and its cell library.

    Parameters
    ----------
    name : str
        As ``--pdk`` takes it.
    title : str
        For people.
    node_nm : int
        Gate length of the process in nm.
    volts, celsius : float
        Of the Liberty file, whose process corner is typical.
    source : str
        The command that brings the files.
    folder : Path
        Where they lie, each named ``<name>_stdcells``: ``.lib`` and ``.lef``; for the steps after
        timing also ``.v`` and ``.sp``.
    last_step : str
        Of the flow, that the library has all for.
    note : str
        What it is, for reports.
    driver, buffer, repeater, nand, nor : str
        Cells: what drives an input, what joins an input to an output, what repeats a signal for
        many sinks, what a gate equivalent is; a NAND and a NOR of the pins A, B and Y.
    filler : str
        Cell of one site, which fills rows.
    full_adder : str
        Cell.
    full_adder_pins : tuple of str
        Its three inputs, its carry and its sum.
    flip_flop : str
        What the names of flip-flops begin with.
    input_pin, output_pin : str
        Pins of buffers.
    load_pf : float
        Load of an output.
    clock : Hz
        What is aimed at unless told otherwise.
    unused : sequence of str
        Cells that synthesis leaves alone: latches, tristate drivers, clock buffers.
    """

    name: str
    title: str
    node_nm: int
    volts: float
    celsius: float
    source: str
    folder: Path
    last_step: str = "lvs"
    note: str = "an open academic library and its cells' abstracts"
    driver: str
    buffer: str
    repeater: str
    nand: str
    nor: str
    filler: str
    full_adder: str
    full_adder_pins: tuple[str, str, str, str, str]
    flip_flop: str
    input_pin: str
    output_pin: str
    load_pf: float
    clock: int
    unused: Sequence[str]

    def file(self, suffix: str) -> Path:
        """The library's file with this suffix. Raises :class:`UserError` if it is missing."""
        path = self.folder / f"{self.name}_stdcells.{suffix}"
        if not path.is_file():
            raise UserError(f"{path}: not there; {self.source} (the cells of --pdk {self.name})")
        return path.resolve()

    @cached_property
    def areas(self) -> dict[str, float]:
        """Area of each cell in µm², of its outline: the Liberty file's is another one for some."""
        return {name: round(width * height, 4) for name, (width, height) in self.sizes.items()}

    @cached_property
    def sizes(self) -> dict[str, tuple[float, float]]:
        """Width and height of each cell in µm."""
        return cell_sizes(self.file("lef").read_text(encoding="utf-8", errors="replace"))

    @property
    def gate_um2(self) -> float:
        """Area of a gate equivalent in µm²: a NAND of two inputs."""
        return self.areas[self.nand]


def cell_sizes(lef: str) -> dict[str, tuple[float, float]]:
    """Width and height in µm of each cell of a LEF file. Raises ValueError if it has none."""
    sizes = {}
    for name, body in re.findall(r"^MACRO\s+(\S+)(.*?)^END\s+\1\b", lef, re.M | re.S):
        found = re.search(r"^\s*SIZE\s+(\S+)\s+BY\s+(\S+)\s*;", body, re.M)
        if found is None:
            raise ValueError(f"cell {name} has no size")
        sizes[name] = (float(found[1]), float(found[2]))
    if not sizes:
        raise ValueError("there are no cells")
    return sizes


def _osu(name: str, *, node_nm: int, volts: float, load_pf: float, clock: int) -> Pdk:
    """One of Oklahoma State University's libraries, for the scalable rules of MOSIS."""
    return Pdk(
        name=name,
        title=f"OSU {node_nm} nm (scalable CMOS, typical corner)",
        node_nm=node_nm,
        volts=volts,
        celsius=25,
        source=f"apt-get install qflow-tech-{name}",
        folder=Path("/usr/share/qflow/tech") / name,
        driver="BUFX2",
        buffer="BUFX2",
        repeater="BUFX4",
        nand="NAND2X1",
        nor="NOR2X1",
        filler="FILL",
        full_adder="FAX1",
        full_adder_pins=("A", "B", "C", "YC", "YS"),
        flip_flop="DFF",
        input_pin="A",
        output_pin="Y",
        load_pf=load_pf,
        clock=clock,
        unused=("CLKBUF1", "CLKBUF2", "CLKBUF3", "DFFNEGX1", "LATCH", "TBUFX1", "TBUFX2"),
    )


# Characterised here, from the cells' layouts (hw/flow/asic/sky130): a library for timing only.
SKY130 = Pdk(
    name="sky130",
    title="SkyWater 130 nm (sky130_fd_sc_hd, typical corner, our own characterisation)",
    node_nm=130,
    volts=1.8,
    celsius=25,
    source="python -m hw.characterise makes it",
    folder=Path("build/sky130"),
    last_step="timing",
    note="our own characterisation, before layout, of an open library",
    driver="sky130_fd_sc_hd__buf_2",
    buffer="sky130_fd_sc_hd__buf_2",
    repeater="sky130_fd_sc_hd__buf_4",
    nand="sky130_fd_sc_hd__nand2_1",
    nor="sky130_fd_sc_hd__nor2_1",
    filler="sky130_fd_sc_hd__fill_1",
    full_adder="sky130_fd_sc_hd__fa_1",
    full_adder_pins=("A", "B", "CIN", "COUT", "SUM"),
    flip_flop="sky130_fd_sc_hd__dfxtp",
    input_pin="A",
    output_pin="X",
    load_pf=0.033,
    clock=100_000_000,
    unused=(),
)

PDKS = {
    each.name: each
    for each in (
        _osu("osu018", node_nm=180, volts=1.8, load_pf=0.05, clock=100_000_000),
        _osu("osu035", node_nm=350, volts=3.3, load_pf=0.1, clock=50_000_000),
        SKY130,
    )
}


def pdk_names() -> str:
    """What ``--pdk`` takes, as human-readable text."""
    return ", ".join(PDKS)


def find_pdk(name: str) -> Pdk:
    """The library of this name. Raises :class:`UserError` for an unknown one."""
    if name not in PDKS:
        raise UserError(f"pdk {name!r} is not known; choose of {pdk_names()}")
    return PDKS[name]
