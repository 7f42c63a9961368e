"""The table of cell libraries, and what is read of them."""

import re

import pytest

from hw.flow.asic.pdk import PDKS, cell_areas, find_pdk
from sw.cli import UserError

LIBERTY = """
library(x) {
  cell (INVX1) {
    cell_footprint : "inv";
    area : 16;
    pin(A) { direction : input; }
  }
  cell ("NAND2X1") { area : 2.4e1; }
}
"""


def test_areas_are_those_that_the_text_says():
    assert cell_areas(LIBERTY) == {"INVX1": 16, "NAND2X1": 24}


def test_text_that_is_no_library_is_refused():
    with pytest.raises(ValueError, match="no cells"):
        cell_areas("module x; endmodule")
    with pytest.raises(ValueError, match="INVX1 has no area"):
        cell_areas("cell (INVX1) { pin(A) {} }")


def test_an_unknown_pdk_is_refused_with_those_that_are_there():
    with pytest.raises(UserError, match=re.escape("pdk 'sky13' is not known; choose of osu018")):
        find_pdk("sky13")


def test_a_library_that_is_not_installed_is_refused_with_its_package(tmp_path):
    from dataclasses import replace

    missing = replace(PDKS["osu018"], folder=tmp_path)
    with pytest.raises(UserError, match=r"apt-get install qflow-tech-osu018 .*--pdk osu018"):
        missing.file("lib")


@pytest.mark.parametrize("pdk", PDKS.values(), ids=PDKS)
def test_the_cells_that_the_table_names_are_in_the_library(pdk):
    try:
        text = pdk.file("lib").read_text()
    except UserError as error:
        pytest.skip(str(error))
    for cell in (pdk.driver, pdk.buffer, pdk.nand, pdk.full_adder, *pdk.unused):
        assert f"cell ({cell})" in text
    assert pdk.gate_um2 == pdk.areas["NAND2X1"]
    for suffix in ("lef", "v", "sp"):
        assert pdk.file(suffix).is_file()
