"""The netlist's cells."""

import pytest

from sim.verilator import netlist
from sw.cli import UserError


def test_cell_models_that_are_not_there(monkeypatch, tmp_path):
    (tmp_path / "bin").mkdir()
    monkeypatch.setattr(netlist, "find_tool", lambda name: str(tmp_path / "bin" / "yosys"))
    with pytest.raises(UserError, match=r"cells_sim\.v: yosys's models of iCE40 cells are not"):
        netlist.cell_models()
