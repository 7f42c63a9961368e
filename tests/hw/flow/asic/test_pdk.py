"""The table of cell libraries, and what is read of them."""

import re

import pytest

from hw.flow.asic.pdk import PDKS, cell_sizes, find_pdk
from sw.cli import UserError

LEF = """
SITE core
    SIZE 0.8 BY 10.0 ;
END core
MACRO INVX1
  CLASS CORE ;
  SIZE 1.600 BY 10.000 ;
  PIN A
  END A
END INVX1
MACRO NAND2X1
  SIZE 2.4 BY 10 ;
END NAND2X1
"""


def test_sizes_are_those_that_the_text_says():
    assert cell_sizes(LEF) == {"INVX1": (1.6, 10), "NAND2X1": (2.4, 10)}


def test_text_that_is_no_library_is_refused():
    with pytest.raises(ValueError, match="no cells"):
        cell_sizes("module x; endmodule")
    with pytest.raises(ValueError, match="INVX1 has no size"):
        cell_sizes("MACRO INVX1\nEND INVX1\n")


def test_an_unknown_pdk_is_refused_with_those_that_are_there():
    with pytest.raises(UserError, match=re.escape("pdk 'sky13' is not known; choose of osu018")):
        find_pdk("sky13")


def test_a_library_that_is_not_installed_is_refused_with_its_package(tmp_path):
    from dataclasses import replace

    missing = replace(PDKS["osu018"], folder=tmp_path)
    with pytest.raises(UserError, match=r"apt-get install qflow-tech-osu018 .*--pdk osu018"):
        missing.file("lib")


def test_a_library_that_was_not_made_is_refused_with_the_command_that_makes_it(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"not there; python -m hw\.characterise makes it"):
        PDKS["sky130"].file("lib")


@pytest.mark.parametrize("pdk", PDKS.values(), ids=PDKS)
def test_the_cells_that_the_table_names_are_in_the_library(pdk):
    try:
        text = pdk.file("lib").read_text()
    except UserError as error:
        pytest.skip(str(error))
    for cell in (pdk.driver, pdk.buffer, pdk.repeater, pdk.nand, pdk.full_adder, *pdk.unused):
        assert f"cell ({cell})" in text
    # All but a few have the area in the Liberty file that their outline has.
    listed = dict(re.findall(r"cell \((\w+)\) \{.*?area : ([\d.]+);", text, re.S))
    same = sum(float(area) == pdk.areas.get(name) for name, area in listed.items())
    assert len(listed) > 30
    assert same > 0.8 * len(listed)
    for suffix in ("lef", "v", "sp") if pdk.last_step == "lvs" else ("lef",):
        assert pdk.file(suffix).is_file()
