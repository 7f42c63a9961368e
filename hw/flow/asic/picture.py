"""A picture of a layout: its cells, coloured by block, and its wires, coloured by layer."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hw.flow.asic.design_file import Design
from sw.cli import save_picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_layout"]

_FILLER = "#e6e6e6"
_MOST_BLOCKS = 10  # that have a colour of their own
_BELOW: Any = {"loc": "upper left", "bbox_to_anchor": (0, -0.12), "ncols": 3, "fontsize": 8}


def draw_layout(
    path: Path,
    design: Design,
    blocks: Mapping[str, str],
    sizes: Mapping[str, tuple[float, float]],
    title: str,
) -> None:
    """Writes the picture.

    Parameters
    ----------
    blocks : mapping of str to str
        The block of each cell, by its name in the layout; what is not in it is a filler.
    sizes : mapping of str to (float, float)
        Width and height in µm of each kind of cell.
    """
    from matplotlib.figure import Figure

    size = (14, 7 * design.height / design.width + 2.2)
    figure = Figure(figsize=size, layout="constrained")
    cells, wires = figure.subplots(1, 2)
    _draw_cells(cells, design, blocks, sizes)
    _draw_wires(wires, design)
    for axes in (cells, wires):
        axes.set_aspect("equal")
        axes.set_xlim(design.box[0], design.box[2])
        axes.set_ylim(design.box[1], design.box[3])
        axes.set_xlabel("µm")
    figure.suptitle(title, fontsize=10)
    save_picture(path, figure, 150)


def _draw_cells(
    axes: "Axes",
    design: Design,
    blocks: Mapping[str, str],
    sizes: Mapping[str, tuple[float, float]],
) -> None:
    from matplotlib import colormaps
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Patch, Rectangle

    by_block: dict[str, list[Rectangle]] = {}
    areas: dict[str, float] = {}
    for name, (kind, x, y) in design.cells.items():
        width, height = sizes[kind]
        block = blocks.get(name, "")
        by_block.setdefault(block, []).append(Rectangle((x, y), width, height))
        areas[block] = areas.get(block, 0.0) + width * height
    fillers = by_block.pop("", [])
    axes.add_collection(PatchCollection(fillers, facecolor=_FILLER, edgecolor="none"))
    legend = []
    ordered = sorted(by_block, key=lambda block: -areas[block])
    for index, block in enumerate(ordered):
        colour = colormaps["tab10"](min(index, _MOST_BLOCKS - 1))
        collection = PatchCollection(
            by_block[block], facecolor=colour, edgecolor="white", linewidth=0.15
        )
        axes.add_collection(collection)
        legend.append(Patch(color=colour, label=f"{block}: {len(by_block[block]):,} cells"))
    axes.set_title("cells, by block")
    axes.legend(handles=legend[:_MOST_BLOCKS], **_BELOW)


def _draw_wires(axes: "Axes", design: Design) -> None:
    from matplotlib import colormaps
    from matplotlib.collections import LineCollection
    from matplotlib.lines import Line2D

    legend = []
    for index, layer in enumerate(sorted({wire.layer for wire in design.wires})):
        found = [wire for wire in design.wires if wire.layer == layer]
        colour = colormaps["Dark2"](index % 8)
        axes.add_collection(
            LineCollection(
                [((wire.x0, wire.y0), (wire.x1, wire.y1)) for wire in found],
                colors=[colour],
                linewidths=0.35,
                alpha=0.8,
            )
        )
        length = sum(wire.length for wire in found) / 1e3
        legend.append(Line2D([], [], color=colour, label=f"{layer}: {length:,.1f} mm"))
    axes.set_title("wires, by layer")
    axes.legend(handles=legend, **_BELOW)
