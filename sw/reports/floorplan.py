"""A floorplan: which part of a design takes which tiles of the FPGA, as SVG of our own. A path for
each part keeps it small: nextpnr's own picture has a rectangle for each site.
"""

from dataclasses import dataclass

from sw.record import Record
from sw.reports.svg import SERIES

__all__ = ["Placed", "Placement", "floorplan"]

_FIXED = 'vector-effect="non-scaling-stroke"'


@dataclass(frozen=True, kw_only=True)
class Placed(Record):
    """A part of a design.

    Parameters
    ----------
    part : str
    cells : int
        Logic: look-up tables and flip-flops, in as many cells as they take.
    memories : int
    logic, memory : tuple of (int, int, int), (int, int)
        Tiles, as column, row and how many of their cells; columns and rows of memories.
    """

    part: str
    cells: int
    memories: int
    logic: tuple[tuple[int, ...], ...]
    memory: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Placement(Record):
    """Where nextpnr placed a design.

    Parameters
    ----------
    columns, rows : int
        Of the tiles that the placed cells span, pins included.
    cells_per_tile : int
        That a tile of logic has.
    parts : tuple of Placed
        The largest first.
    """

    columns: int
    rows: int
    cells_per_tile: int
    parts: tuple[Placed, ...]


def floorplan(placement: Placement) -> str:
    """The SVG. A tile of logic is filled, from left to right, as far as it is used."""
    begun: dict[tuple[int, ...], int] = {}
    paths = []
    for number, part in enumerate(placement.parts):
        colour = f"var(--series{number % SERIES})"
        logic = "".join(
            _stripe(placement, column, row, count, begun) for column, row, count in part.logic
        )
        if logic:
            paths.append(f'<path d="{logic}" stroke="{colour}" stroke-width="0.86"/>')
        memory = "".join(
            f"M{column + 0.07:g} {placement.rows - 1 - row + 0.07:g}h.86v.86h-.86z"
            for column, row in part.memory
        )
        if memory:
            edge = f'stroke="var(--ink)" stroke-width="1.2" {_FIXED}'
            paths.append(f'<path d="{memory}" fill="{colour}" {edge}/>')
    frame = f'<path d="M0 0h{placement.columns}v{placement.rows}h-{placement.columns}z" '
    frame += f'stroke="var(--muted)" stroke-width="1" {_FIXED}/>'
    view = f"-0.1 -0.1 {placement.columns + 0.2:g} {placement.rows + 0.2:g}"
    inside = "".join([frame, *paths])
    return f'<svg viewBox="{view}" fill="none" xmlns="http://www.w3.org/2000/svg">{inside}</svg>'


def _stripe(
    placement: Placement, column: int, row: int, count: int, begun: dict[tuple[int, ...], int]
) -> str:
    """A part's cells of a tile, behind those of the parts before."""
    before = begun.get((column, row), 0)
    begun[column, row] = before + count
    scale = 0.86 / placement.cells_per_tile
    x, y = column + 0.07 + scale * before, placement.rows - 1 - row + 0.5
    return f"M{x:.5g} {y:g}h{scale * count:.3g}"
