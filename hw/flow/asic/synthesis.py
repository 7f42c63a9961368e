"""Synthesis to a cell library: the netlist, and its area, block by block.

Yosys maps each block on its own, and then all into one netlist, whose cells keep the block's name
in their own. ABC is told what drives an input and what loads an output, without which it sizes no
gate, and the period that it is to reach.
"""

import json
import shutil
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hw.flow.asic.fanout import MOST_SINKS, buffer_nets
from hw.flow.asic.pdk import Pdk
from hw.flow.asic.step import cached
from hw.flow.errors import ToolFailedError
from hw.flow.implement import sha256_of
from hw.flow.tools import run_tool, tool_version
from sw.cli import write_json
from sw.record import Record

__all__ = [
    "BLOCKS",
    "CELLS",
    "CELLS_JSON",
    "NETLIST",
    "Area",
    "Synthesis",
    "block_of",
    "synthesise",
]

NETLIST = "netlist.v"  # with the ports of the source, for simulation
CELLS = "cells.v"  # the same cells, each port of one bit, for timing
CELLS_JSON = "cells.json"  # that as JSON, for layout
BLOCKS = "blocks.json"  # the names of the cells of each block
_LIBRARY = "library.lib"

# Each block is mapped on its own, so that its area is known. Full adders are found in the gates
# that popcounts become: the library's own are smaller than what ABC makes of their parts. Each
# flip-flop that is reset has a gate for it that ABC does not see: it makes x AND NOT x of the reset
# of a bit x that toggles, which is 0, but unknown to a simulator as long as x is. For registers
# that take a constant on another condition that holds, too.
_MAP = """
    read_liberty -lib -ignore_miss_func {liberty}; read_verilog source.v;
    hierarchy -check -top {top}; setattr -mod -set keep_hierarchy 1 *; synth -top {top};
    extract_fa -fa; techmap -map adders.v; opt_clean;
    dfflegalize -cell $_DFF_P_ x -cell $_SDFF_PP?_ x; techmap -map resets.v; opt_clean;
    dfflibmap -liberty {liberty} {unused}; opt_clean;
    abc -liberty {liberty} -constr abc.constr -D {picoseconds} {unused}; opt_clean -purge;
    rename -enumerate -pattern gate%; setattr -mod -unset keep_hierarchy *; flatten -noscopeinfo;
    opt_clean -purge; write_json mapped.json
"""
_WRITE = """
    read_json mapped.json; hierarchy -top {top};
    rename -unescape; splitnets; insbuf -buf {buffer} {input_pin} {output_pin}; opt_clean -purge;
    rename -enumerate -pattern buffer%; rename -unescape; check -assert -mapped;
    write_verilog -noattr -noexpr -nohex -simple-lhs {netlist};
    splitnets -ports; rename -unescape; write_json {bits};
    write_verilog -noattr -noexpr -nohex -simple-lhs {cells}
"""
_ADDERS = """
(* techmap_celltype = "$fa" *)
module full_adders (A, B, C, X, Y);
  parameter WIDTH = 1;
  input [WIDTH-1:0] A, B, C;
  output [WIDTH-1:0] X, Y;
  genvar i;
  generate for (i = 0; i < WIDTH; i = i + 1)
    {cell} adder (.{a}(A[i]), .{b}(B[i]), .{c}(C[i]), .{carry}(X[i]), .{sum}(Y[i]));
  endgenerate
endmodule
"""
_RESETS = """
(* techmap_celltype = "$_SDFF_PP0_" *)
module cleared (input C, D, R, output Q);
  wire not_d, next;
  \\$_NOT_ inverter (.A(D), .Y(not_d));
  {nor} gate (.A(R), .B(not_d), .Y(next));
  \\$_DFF_P_ register (.C(C), .D(next), .Q(Q));
endmodule
(* techmap_celltype = "$_SDFF_PP1_" *)
module set (input C, D, R, output Q);
  wire not_d, not_r, next;
  \\$_NOT_ inverter (.A(D), .Y(not_d));
  \\$_NOT_ inverter_r (.A(R), .Y(not_r));
  {nand} gate (.A(not_r), .B(not_d), .Y(next));
  \\$_DFF_P_ register (.C(C), .D(next), .Q(Q));
endmodule
"""


@dataclass(frozen=True, kw_only=True)
class Area(Record):
    """What a block is made of.

    Parameters
    ----------
    block : str
        See :func:`block_of`.
    cells, flip_flops : int
    um2 : float
        Sum of the cells' areas in µm², without the space between them.
    gates : float
        The same in gate equivalents, each a NAND of two inputs.
    """

    block: str
    cells: int
    flip_flops: int
    um2: float
    gates: float


@dataclass(frozen=True, kw_only=True)
class Synthesis(Record):
    """A netlist of library cells.

    Parameters
    ----------
    pdk : str
    total : Area
    blocks : tuple of Area
        The largest first.
    kinds : dict of str to int
        Number of cells of each kind.
    period_ns : float
        What ABC was told to reach.
    """

    pdk: str
    total: Area
    blocks: tuple[Area, ...]
    kinds: dict[str, int]
    period_ns: float

    def lines(self) -> list[tuple[str, object]]:
        """As human-readable text."""
        total = self.total
        return [
            ("cells", f"{total.cells:,}, {total.flip_flops:,} of them flip-flops"),
            ("cell area", f"{total.um2 / 1e6:.4f} mm², {total.gates:,.0f} gates (NAND2)"),
            *((f"  {each.block}", f"{each.um2 / total.um2:6.1%}") for each in self.blocks),
        ]


def synthesise(verilog: str, *, top: str, pdk: Pdk, folder: Path, period_ns: float) -> Synthesis:
    """Maps Verilog to the cells of ``pdk``; leaves :data:`NETLIST` and :data:`CELLS` in ``folder``.

    Raises
    ------
    UserError
        The library or Yosys is missing.
    ToolFailedError
        With Yosys' own line.
    """
    liberty = pdk.file("lib")
    inputs = {
        "verilog": verilog,
        "top": top,
        "period_ns": period_ns,
        "script": [_MAP, _WRITE, _ADDERS, _RESETS, MOST_SINKS],
        "pdk": repr(pdk),
        "liberty": sha256_of(liberty),
        "yosys": tool_version("yosys"),
    }

    def make(work: Path) -> Synthesis:
        (work / "source.v").write_text(verilog, encoding="utf-8")
        pins = dict(zip(("a", "b", "c", "carry", "sum"), pdk.full_adder_pins, strict=True))
        adders = _ADDERS.format(cell=pdk.full_adder, **pins)
        (work / "adders.v").write_text(adders, encoding="utf-8")
        resets = _RESETS.format(nor=pdk.nor, nand=pdk.nand)
        (work / "resets.v").write_text(resets, encoding="utf-8")
        (work / "abc.constr").write_text(
            f"set_driving_cell {pdk.driver}\nset_load {1000 * pdk.load_pf:g} [all_outputs]\n",
            encoding="utf-8",
        )
        log = work / "yosys.log"
        # Yosys as WebAssembly sees what lies in its folder, and not all else, such as /tmp.
        shutil.copyfile(liberty, work / _LIBRARY)
        script = _MAP.format(
            top=top,
            liberty=_LIBRARY,
            picoseconds=round(1000 * period_ns),
            unused=" ".join(f"-dont_use {cell}" for cell in pdk.unused),
        )
        run_tool("yosys", ["-q", "-p", script], cwd=work, log=log, makes="mapped.json")
        blocks = _buffered(work / "mapped.json", top, pdk)
        script = _WRITE.format(
            top=top,
            buffer=pdk.buffer,
            input_pin=pdk.input_pin,
            output_pin=pdk.output_pin,
            netlist=NETLIST,
            cells=CELLS,
            bits=CELLS_JSON,
        )
        run_tool("yosys", ["-q", "-p", script], cwd=work, log=log, makes=CELLS)
        (work / "mapped.json").unlink()
        (work / _LIBRARY).unlink()
        cells = _cells(json.loads((work / CELLS_JSON).read_text(encoding="utf-8")), top)
        unknown = sorted(set(cells.values()) - set(pdk.areas))
        if unknown:
            raise ToolFailedError("yosys", f"{unknown[0]} is no cell of {pdk.name}", log)
        members: dict[str, dict[str, str]] = defaultdict(dict)
        for name, kind in cells.items():
            members[blocks.get(name, "top")][name] = kind
        write_json(work / BLOCKS, {block: sorted(names) for block, names in members.items()})
        return _counted({block: names.values() for block, names in members.items()}, pdk, period_ns)

    return cached(folder, inputs, Synthesis, make)


def block_of(instance: str) -> str:
    """The block that a cell belongs to, by its hierarchical name: the instances around it, without
    the core around them all.
    """
    path = instance.split(".")[:-1]
    return ".".join(path[1:] if path[0:1] == ["core"] and len(path) > 1 else path) or "top"


def _buffered(path: Path, top: str, pdk: Pdk) -> dict[str, str]:
    """Buffers the netlist in a JSON file of Yosys; the block of each of its cells, by the name that
    Verilog will have.
    """
    design = json.loads(path.read_text(encoding="utf-8"))
    buffer_nets(
        design["modules"][top],
        buffer=pdk.repeater,
        input_pin=pdk.input_pin,
        output_pin=pdk.output_pin,
    )
    path.write_text(json.dumps(design), encoding="utf-8")
    return {name.replace(".", "_"): block_of(name) for name in _cells(design, top)}


def _cells(design: dict[str, Any], top: str) -> dict[str, str]:
    """The kind of each cell, by its name."""
    return {name: cell["type"] for name, cell in design["modules"][top]["cells"].items()}


def _counted(blocks: Mapping[str, Iterable[str]], pdk: Pdk, period_ns: float) -> Synthesis:
    areas = [_area(block, kinds, pdk) for block, kinds in blocks.items()]
    everything = [kind for kinds in blocks.values() for kind in kinds]
    return Synthesis(
        pdk=pdk.name,
        total=_area("total", everything, pdk),
        blocks=tuple(sorted(areas, key=lambda area: (-area.um2, area.block))),
        kinds={kind: everything.count(kind) for kind in sorted(set(everything))},
        period_ns=period_ns,
    )


def _area(block: str, kinds: Iterable[str], pdk: Pdk) -> Area:
    kinds = list(kinds)
    um2 = sum(pdk.areas[kind] for kind in kinds)
    return Area(
        block=block,
        cells=len(kinds),
        flip_flops=sum(kind.startswith(pdk.flip_flop) for kind in kinds),
        um2=um2,
        gates=round(um2 / pdk.gate_um2, 1),
    )
