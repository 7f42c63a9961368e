"""How many standard cells a design has, by a generic synthesis, and how many units would fit."""

import json
import re
from collections.abc import Mapping, Sequence

from hw.flow.tools import run_tool, scratch_folder

__all__ = ["count_cells", "hidden_units_that_fit"]

_GATES = "AND,NAND,OR,NOR,XOR,XNOR,MUX,AOI3,OAI3,AOI4,OAI4"
_FLIP_FLOPS = "-cell $_DFF_P_ 01 -cell $_DFFE_PP_ 01"  # libraries have no synchronous reset


def count_cells(verilog: str, top: str) -> dict[str, int]:
    """Standard cells of each module, an estimate: gates of two to four inputs and flip-flops, each
    module for itself, without clock buffers and what timing repair adds.

    Parameters
    ----------
    verilog : str
        All modules.
    top : str
    """
    script = (
        f"read_verilog in.v; synth -top {top}; dfflegalize {_FLIP_FLOPS}; abc -g {_GATES}; "
        "opt_clean -purge; tee -q -o stat.json stat -json"
    )
    with scratch_folder(f"cells-{top}") as folder:
        (folder / "in.v").write_text(verilog, encoding="utf-8")
        log = folder / "yosys.log"
        run_tool("yosys", ["-q", "-p", script], cwd=folder, log=log, makes="stat.json")
        modules = json.loads((folder / "stat.json").read_text(encoding="utf-8"))["modules"]
    return {
        name.removeprefix("\\"): sum(
            count
            for kind, count in module["num_cells_by_type"].items()
            if kind.startswith("$_")  # the others are modules
        )
        for name, module in modules.items()
    }


def hidden_units_that_fit(
    sizes: Sequence[int], blocks: Mapping[str, int], budget: int
) -> list[int]:
    """Units of the hidden layers of a network like that of ``sizes`` that fit into ``budget``
    cells, about: blocks with a number belong to a layer, and grow with its units. Empty if none do.
    """
    of_layers = sum(cells for name, cells in blocks.items() if re.search(r"_\d+(_|$)", name))
    fixed = sum(blocks.values()) - of_layers
    if not of_layers:
        fixed, of_layers = 0, fixed
    fitting = [int(units * (budget - fixed) / of_layers) for units in sizes[1:-1]]
    return fitting if all(units > 0 for units in fitting) else []
