"""What an ASIC flow made of the network: area by block, timing, power, layout."""

from collections.abc import Iterator
from dataclasses import dataclass

from sw.network import Network
from sw.record import Record
from sw.reports.blocks import Block, Facts, Figure, Highlight, Note, Table
from sw.reports.result import Result
from sw.reports.sections.base import Section
from sw.reports.svg import SERIES

__all__ = ["SECTION", "Layout", "Part", "Silicon"]

_FIXED = 'vector-effect="non-scaling-stroke"'


@dataclass(frozen=True, kw_only=True)
class Part(Record):
    """A block.

    Parameters
    ----------
    name : str
    cells : int
    um2 : float
        Of its cells.
    gates : float
        The same as NANDs of two inputs.
    places : tuple of (int, int, int)
        Left, row and width of what it takes in the layout, in sites and rows of cells.
    """

    name: str
    cells: int
    um2: float
    gates: float
    places: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Layout(Record):
    """Size of the layout in µm and in sites and rows of cells, and what is in it."""

    width_um: float
    height_um: float
    sites: int
    rows: int
    site_um: float
    row_um: float
    utilisation: float
    wire_mm: float
    vias: int


@dataclass(frozen=True, kw_only=True)
class Silicon(Result):
    """What ``hw.asic`` made.

    Parameters
    ----------
    library, engine : str
    node_nm : int
    clock_mhz : float
    um2, gates : float
        Of all cells.
    cells, flip_flops : int
    parts : tuple of Part
        The largest first.
    facts : tuple of (str, str)
        What each step found, as text.
    images, mismatches : int, or None
        Of the gate simulation.
    fmax_mhz, nanojoules : float, or None
        With the routed wires where there are some.
    layout : Layout, or None
    lvs : bool, or None
        Whether the layout matches the netlist.
    note : str
        What it is worth.
    """

    kind = "silicon"

    library: str
    engine: str
    node_nm: int
    clock_mhz: float
    um2: float
    gates: float
    cells: int
    flip_flops: int
    parts: tuple[Part, ...]
    facts: tuple[tuple[str, ...], ...]
    images: int | None
    mismatches: int | None
    fmax_mhz: float | None
    nanojoules: float | None
    layout: Layout | None
    lvs: bool | None
    note: str

    @property
    def variant(self) -> str:
        return f"{self.library}-{self.engine}"


def _highlights(network: Network, result: Silicon) -> Iterator[Highlight]:
    yield Highlight(
        name="silicon, estimated",
        value=f"{result.um2 / 1e6:.3g} mm²",
        note=f"{result.gates:,.0f} gates, {result.library} ({result.node_nm} nm)",
    )


def _blocks(network: Network, result: Silicon) -> Iterator[Block]:
    yield Note(text=f"{result.note[0].upper()}{result.note[1:]}.")
    if result.mismatches:
        yield Note(
            text=f"{result.mismatches} of {result.images} results of the gates are wrong.",
            tone="bad",
        )
    if result.lvs is False:
        yield Note(text="The layout does not match the netlist.", tone="bad")
    yield Facts(rows=[(name, text) for name, text in result.facts])
    yield Table(
        caption="Cells by block, without the space between them",
        head=("block", "cells", "µm²", "gates", "share"),
        rows=[
            *(_row(part.name, part.cells, part.um2, part.gates, result) for part in result.parts),
            _row("all", result.cells, result.um2, result.gates, result),
        ],
    )
    if result.layout is not None:
        layout = result.layout
        yield Figure(
            svg=_floorplan(layout, result.parts),
            title="Layout",
            caption=f"Cells as placed, {layout.width_um:.0f} × {layout.height_um:.0f} µm, in rows "
            f"of {layout.row_um:g} µm; {layout.utilisation:.0%} of it cells, "
            f"{layout.wire_mm:,.0f} mm of wires and {layout.vias:,} vias above them.",
            description="Layout of "
            + ", ".join(f"{part.name} with {part.cells:,} cells" for part in result.parts)
            + ".",
            legend=[
                (f"series{number % SERIES}", part.name) for number, part in enumerate(result.parts)
            ],
        )


def _row(name: str, cells: int, um2: float, gates: float, result: Silicon) -> tuple[str, ...]:
    return name, f"{cells:,}", f"{um2:,.0f}", f"{gates:,.0f}", f"{um2 / result.um2:.1%}"


def _floorplan(layout: Layout, parts: tuple[Part, ...]) -> str:
    """A path for each block, of a box for each run of its cells in a row."""
    width, height = layout.sites * layout.site_um, layout.rows * layout.row_um
    paths = []
    for number, part in enumerate(parts):
        boxes = "".join(
            f"M{left * layout.site_um:g} {(layout.rows - 1 - row + 0.06) * layout.row_um:g}"
            f"h{span * layout.site_um:g}v{0.88 * layout.row_um:g}h-{span * layout.site_um:g}z"
            for left, row, span in part.places
        )
        if boxes:
            paths.append(f'<path d="{boxes}" fill="var(--series{number % SERIES})"/>')
    frame = f'<path d="M0 0h{width:g}v{height:g}h-{width:g}z" fill="none" '
    frame += f'stroke="var(--muted)" stroke-width="1" {_FIXED}/>'
    inside = "".join([*paths, frame])
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" xmlns="http://www.w3.org/2000/svg">{inside}</svg>'
    )


def _missing(network: Network, named: str) -> str:
    return f"python -m hw.asic {named}"


SECTION = Section(
    anchor="silicon",
    title="Silicon",
    kind=Silicon,
    blocks=_blocks,
    highlights=_highlights,
    missing=_missing,
)
