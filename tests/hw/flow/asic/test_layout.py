"""Netlists on their way into a layout, and a small network all the way through."""

import re

import pytest
from library import library
from samples import image_network, random_images
from test_flow import SMALL, flow, observed

from hw.flow.asic.layout import GDS, check, read_comparison, to_blif
from hw.flow.asic.result import PICTURE, result, runs

MODULE = {
    "ports": {
        "a": {"direction": "input"},
        "b": {"direction": "input"},
        "y": {"direction": "output"},
    },
    "netnames": {
        "inside": {"bits": [5]},
        "a": {"bits": [2]},
        "b": {"bits": [3]},
        "again": {"bits": [4]},
        "y": {"bits": [4]},
    },
    "cells": {
        "first": {"type": "NAND2X1", "connections": {"A": [2], "B": [3], "Y": [5]}},
        "second": {"type": "INVX1", "connections": {"A": [5], "Y": [6]}},
        "third": {"type": "NAND2X1", "connections": {"A": [5], "B": ["1"], "Y": [4]}},
    },
}


def test_blif_names_ports_first_and_ties_constants_to_the_supply():
    module = {**MODULE, "netnames": {**MODULE["netnames"], "loose": {"bits": [6]}}}
    blif, names = to_blif(module, "chip")
    assert blif.splitlines() == [
        ".model chip",
        ".inputs a b",
        ".outputs y",
        ".gate NAND2X1 A=a B=b Y=inside",
        ".gate INVX1 A=inside Y=loose",
        ".gate NAND2X1 A=inside B=vdd Y=y",
        ".end",
    ]
    assert names == {"first": "NAND2X1_1", "second": "INVX1_1", "third": "NAND2X1_2"}


@pytest.mark.parametrize(
    ("text", "matches", "line"),
    [
        ("Netlists match uniquely.\nResult: Circuits match uniquely.\n", True, "Circuits match"),
        ("Result: Netlists do not match.\n", False, "Netlists do not match."),
        ("Result: Top level cell failed pin matching.\n", False, "Top level cell failed"),
    ],
)
def test_netgens_words_are_read(text, matches, line):
    found, said = read_comparison(f"Netgen 1.5\n{text}LVS Done.\n")
    assert found is matches
    assert said.startswith(line)


def test_a_comparison_of_nothing_is_refused():
    with pytest.raises(ValueError, match="compares nothing"):
        read_comparison("Cannot find cell chip in file chip.spice\n")


def test_cells_of_a_block_that_touch_are_one_piece():
    placed = [(0, 0, 3, "a"), (0, 3, 2, "a"), (0, 5, 1, ""), (0, 6, 2, "a"), (1, 0, 3, "b")]
    assert runs(placed[::-1]) == {"a": ((0, 0, 5), (6, 0, 2)), "b": ((0, 1, 3),)}


@pytest.mark.deep
def test_a_small_network_all_the_way(rng, tmp_path):
    network = image_network(rng, **SMALL)
    report = flow(observed(network, random_images(rng, network, 8)), tmp_path, until="lvs")
    total = report.synthesis.total
    assert report.checked.matches, report.checked.result
    assert report.checked.devices >= total.cells  # and fillers
    assert report.routed.area_mm2 * report.routed.utilisation * 1e6 == pytest.approx(total.um2)
    # Wires cost time and energy, but little in a layout as small as this.
    assert report.timing.fmax_mhz * 0.8 < report.routed_timing.fmax_mhz < report.timing.fmax_mhz
    assert 1 < report.routed_power.switching / report.power.switching < 2
    (folder,) = tmp_path.glob("asic/*")
    assert (folder / "lvs" / GDS).read_bytes()[:4] == b"\x00\x06\x00\x02"  # a GDS header
    pdk = library()
    silicon = result(report, pdk, folder, "python -m hw.asic x")
    assert (folder / PICTURE).read_bytes()[:4] == b"\x89PNG"
    sites = sum(width for part in silicon.parts for *_, width in part.places)
    assert sites * 0.8 * 10 == pytest.approx(total.um2)

    # A netlist with two pins of a gate's neighbour exchanged is another one.
    schematic = folder / "routing" / "synthesis" / "firstspike.spc"
    text = schematic.read_text()
    gate = re.search(r"^(XAOI21X1_1 \S+ \S+) (\S+) (\S+)", text, re.M)
    schematic.write_text(text.replace(gate[0], f"{gate[1]} {gate[3]} {gate[2]}"))
    wrong = check(folder / "routing", top="firstspike", pdk=pdk, folder=tmp_path / "wrong")
    assert not wrong.matches
