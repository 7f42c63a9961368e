"""What the ASIC flow adds to the network's report page."""

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from hw.flow.asic.design_file import Design, read_def
from hw.flow.asic.layout import DEF, NAMES
from hw.flow.asic.pdk import Pdk
from hw.flow.asic.picture import draw_layout
from hw.flow.asic.report import AsicReport
from hw.flow.asic.synthesis import BLOCKS
from sw.reports.sections.silicon import Layout, Part, Silicon

__all__ = ["PICTURE", "result", "runs"]

PICTURE = "layout.png"
# Lines of the report that the page has elsewhere.
_IN_TITLE = ("network", "note")


def result(report: AsicReport, pdk: Pdk, folder: Path, command: str) -> Silicon:
    """The result. Of a layout it also draws a picture, :data:`PICTURE` in ``folder``, where the
    flow worked.
    """
    layout, places = None, dict[str, tuple[tuple[int, ...], ...]]()
    if report.routed is not None:
        design = read_def((folder / "routing" / DEF).read_text(encoding="utf-8"))
        blocks = _blocks(folder)
        title = f"{report.network} ({report.engine}), {pdk.title}\n{report.note}"
        draw_layout(folder / PICTURE, design, blocks, pdk.sizes, title)
        layout, places = _layout(report, pdk, design, blocks)
    synthesis, simulation = report.synthesis, report.simulation
    timing = report.routed_timing or report.timing
    power = report.routed_power or report.power
    return Silicon(
        network_sha256=report.network_sha256,
        command=command,
        versions=report.tools,
        library=pdk.name,
        engine=report.engine,
        node_nm=pdk.node_nm,
        clock_mhz=report.clock_mhz,
        um2=synthesis.total.um2,
        gates=synthesis.total.gates,
        cells=synthesis.total.cells,
        flip_flops=synthesis.total.flip_flops,
        parts=tuple(
            Part(
                name=area.block,
                cells=area.cells,
                um2=area.um2,
                gates=area.gates,
                places=places.get(area.block, ()),
            )
            for area in synthesis.blocks
        ),
        facts=tuple(
            (name, str(text))
            for name, text in report.lines()
            if name not in _IN_TITLE and not name.startswith(" ")
        ),
        images=None if simulation is None else simulation.images,
        mismatches=None if simulation is None else simulation.mismatches,
        fmax_mhz=None if timing is None else timing.fmax_mhz,
        nanojoules=None if power is None else power.nanojoules,
        layout=layout,
        lvs=None if report.checked is None else report.checked.matches,
        note=report.note,
    )


def _blocks(folder: Path) -> dict[str, str]:
    """The block of each cell, by its name in the layout."""
    blocks = json.loads((folder / "synthesis" / BLOCKS).read_text(encoding="utf-8"))
    names = json.loads((folder / "routing" / NAMES).read_text(encoding="utf-8"))
    return {names[cell]: block for block, cells in blocks.items() for cell in cells}


def _layout(
    report: AsicReport, pdk: Pdk, design: Design, blocks: Mapping[str, str]
) -> tuple[Layout, dict[str, tuple[tuple[int, ...], ...]]]:
    """The layout, and what each block takes of it."""
    assert report.routed is not None
    routed = report.routed
    site, row = pdk.sizes[pdk.filler]
    left = min(x for _, x, _ in design.cells.values())
    bottom = min(y for _, _, y in design.cells.values())
    placed = [
        (
            round((y - bottom) / row),
            round((x - left) / site),
            round(pdk.sizes[kind][0] / site),
            blocks.get(name, ""),
        )
        for name, (kind, x, y) in design.cells.items()
    ]
    layout = Layout(
        width_um=routed.width_um,
        height_um=routed.height_um,
        sites=max(begin + width for _, begin, width, _ in placed),
        rows=1 + max(line for line, *_ in placed),
        site_um=site,
        row_um=row,
        utilisation=routed.utilisation,
        wire_mm=routed.wire_mm,
        vias=routed.vias,
    )
    return layout, runs(placed)


def runs(placed: list[tuple[int, int, int, str]]) -> dict[str, tuple[tuple[int, ...], ...]]:
    """For each block, left, row and width of each run of its cells in a row.

    Parameters
    ----------
    placed : list of (int, int, int, str)
        Row, left, width and block of each cell; fillers have no block.
    """
    found: dict[str, list[tuple[int, int, int]]] = defaultdict(list)
    for row, left, width, block in sorted(placed):
        if not block:
            continue
        if found[block]:
            begin, before, span = found[block][-1]
            if before == row and begin + span == left:
                found[block][-1] = (begin, row, span + width)
                continue
        found[block].append((left, row, width))
    return {block: tuple(pieces) for block, pieces in found.items()}
