"""The placement, out of the design that nextpnr writes."""

import json
import re

import pytest

from hw.flow.placement import part_of, read_placement
from hw.flow.result import slowest_path
from sw.reports.floorplan import Placed, Placement, floorplan


def written(path, sites):
    """A design whose cells of these names were placed at these sites."""
    cells = {
        name: {"type": "any", "attributes": {"NEXTPNR_BEL": site} if site else {}}
        for name, site in sites.items()
    }
    path.write_text(json.dumps({"modules": {"top": {"cells": cells}}}))
    return path


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("accelerator.core.integrate_0.potential_11_SB_DFFESR_Q_2_D_SB_LUT4_O_LC", "layer 1"),
        ("accelerator.core.fire_0.i$18_SB_DFFESR_Q_6", "layer 1"),
        ("accelerator.core.integrate_12.rows_0.0.1_ADB9_LUT4_Z", "layer 13"),
        ("accelerator.core.decide.level_1_1_DFFRE_Q_D_LUT2", "decision"),
        ("accelerator.core.orderer.links_0.0.0", "encoder, orderer"),
        ("accelerator.core.started_SB_LUT4_I3_LC", "clock, routing, other"),
        ("accelerator.link.$signal$22_SB_DFFESR_Q_DFFLC", "link, UART"),
        ("accelerator.bytes__payload_SB_DFFESR_Q_6_DFFLC", "link, UART"),
        ("tx$23.buf0_D_OUT_0_SB_LUT4_O", "link, UART"),
        ("accelerator.loader.checksum.crc", "weight loader"),
        ("$nextpnr_ICESTORM_LC_70", "clock, routing, other"),
        ("clock.pll", "clock, routing, other"),
    ],
)
def test_parts_by_name(name, part):
    assert part_of(name) == part


FAMILIES = {
    "ice40": {
        "accelerator.core.integrate_0.a": "X1/Y2/lc0",
        "accelerator.core.integrate_0.b": "X1/Y2/lc1",
        "accelerator.core.decide.c": "X1/Y2/lc7",
        "accelerator.core.integrate_0.rows": "X3/Y1/ram",
        "clock.pll": "X4/Y0/pll_3",
    },
    "ecp5": {
        "accelerator.core.integrate_0.a": "X1/Y2/SLICEA.K0",
        "accelerator.core.integrate_0.b": "X1/Y2/SLICED.FF1",
        "accelerator.core.decide.c": "X1/Y2/SLICEB.COMB1",
        "accelerator.core.integrate_0.rows": "X3/Y1/EBR0",
        "clock.pll": "X4/Y0/EHXPLL_LL",
    },
    "gowin": {
        "accelerator.core.integrate_0.a": "X1Y2/LUT0",
        "accelerator.core.integrate_0.b": "X1Y2/DFF0",
        "accelerator.core.decide.c": "X1Y2/ALU5",
        "accelerator.core.integrate_0.mux": "X1Y2/MUX3",  # comes with its look-up tables
        "accelerator.core.integrate_0.rows": "X3Y1/BSRAM",
        "clock.pll": "X4Y0/PLL",
    },
}


@pytest.mark.parametrize("family", FAMILIES)
def test_placement_by_hand(tmp_path, family):
    path = written(tmp_path / "placed.json", {**FAMILIES[family], "constant": None})
    assert read_placement(path) == Placement(
        columns=5,
        rows=3,
        cells_per_tile=3,
        parts=(
            Placed(part="layer 1", cells=2, memories=1, logic=((1, 2, 2),), memory=((3, 1),)),
            Placed(part="decision", cells=1, memories=0, logic=((1, 2, 1),), memory=()),
        ),
    )


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"modules": {"top": {"cells": {"a": 3}}}}'])
def test_what_is_no_placed_design(tmp_path, content):
    path = tmp_path / "placed.json"
    assert read_placement(path) is None
    path.write_text(content)
    assert read_placement(path) is None
    assert read_placement(written(path, {"clock.pll": "X4/Y0/pll_3"})) is None  # no logic


def test_stripes_of_a_tile_lie_beside_one_another(tmp_path):
    svg = floorplan(read_placement(written(tmp_path / "p", FAMILIES["ice40"])))
    stripes = [tuple(map(float, each)) for each in re.findall(r"M([\d.]+) 0.5h([\d.]+)", svg)]
    (first, wide), (second, narrow) = stripes  # in the uppermost of three rows
    assert first == pytest.approx(1.07)
    assert (wide, narrow) == (pytest.approx(2 / 3 * 0.86, abs=1e-3), pytest.approx(0.287, abs=1e-3))
    assert second == pytest.approx(first + wide, abs=1e-3)
    assert "M3.07 1.07h" in svg  # the memory, in the middle


def step(kind, delay, cell):
    place = {"cell": cell, "port": "O"}
    return {"type": kind, "delay": delay, "from": place, "to": place}


def test_the_slowest_path_by_hand(tmp_path):
    inside, last = "accelerator.core.integrate_0.x", "accelerator.core.decide.y"
    paths = [
        ("posedge a", "posedge a", [("clk-to-q", 0.5, inside), ("setup", 0.1, inside)]),
        (
            "posedge a",
            "posedge a",
            [("clk-to-q", 1.0, inside), ("routing", 2.5, inside), ("setup", 0.25, last)],
        ),
        ("posedge a", "<async>", [("clk-to-q", 99.0, inside), ("routing", 99.0, "tx$1.buf")]),
    ]
    report = tmp_path / "nextpnr.json"
    critical = [
        {"from": begin, "to": end, "path": [step(*each) for each in steps]}
        for begin, end, steps in paths
    ]
    report.write_text(json.dumps({"critical_paths": critical}))
    found = slowest_path(report)
    assert (found.begin, found.end) == ("layer 1", "decision")
    assert (found.logic, found.routing) == (1.25, 2.5)
    report.write_text(json.dumps({"critical_paths": critical[2:]}))
    assert slowest_path(report) is None
    assert slowest_path(tmp_path / "missing") is None
