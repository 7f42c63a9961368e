"""How often the wires of a netlist toggle, by simulation of the netlist on real images.

The netlist is the one that synthesis makes for iCE40. Counted are the outputs of its cells; a
look-up table that only feeds the flip-flop of its own logic cell drives no wire, so it does not
count.
"""

import json
import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Mapping, Sized
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from hw.flow.verilog import TOP, to_verilog
from hw.rtl.config import Config, default_config
from sim.verilator import compiler
from sim.verilator.netlist import cell_models, synthesise
from sw.cli import UserError
from sw.network import Network

__all__ = ["Activity", "clocked_activity", "core_activity"]

_DEVICE = "iCE40UP5K"
# The export says nothing of what a memory is made of; in a board's build all are block RAMs but
# these, and SPRAM.
_LOGIC = "m:*starts* m:*down_rows* m:*across_rows*"
_SCRIPT = (
    'read_verilog source.v; setattr -set ram_style "block" m:*; {logic}'
    "synth_ice40 -top {top} -flatten; write_verilog -noattr netlist.v; write_json netlist.json"
)
_HARNESS = Path(__file__).parent / "toggles.cpp"
_SKIPPED = 2  # answers before the steady state


@dataclass(frozen=True, kw_only=True)
class Activity:
    """What a netlist has, and what happened in it, block by block.

    A block is a submodule of the core, or of a top level without one; what lies in no submodule
    is the block "".
    Carry chains have wires of their own, which are not counted.

    Parameters
    ----------
    cycles : int
        Clock cycles counted.
    images : int
        Images answered in them.
    flip_flops, luts, rams : Counter
        Cells of each block.
    wires : Counter
        Toggles of look-up tables' and flip-flops' outputs, of each block.
    accesses : Counter
        Reads and writes of block RAMs, of 16 bits each.
    single_accesses : Counter
        The same of single-port RAMs.
    """

    cycles: int
    images: int
    flip_flops: Counter[str]
    luts: Counter[str]
    rams: Counter[str]
    wires: Counter[str]
    accesses: Counter[str]
    single_accesses: Counter[str] = field(default_factory=Counter)


def core_activity(
    network: Network, images: np.ndarray, *, folder: Path, config: Config | None = None
) -> Activity:
    """Of a network's core, on ``images`` uint8 [B, height, width, …] offered back to back.

    The first two are not counted, so that the pipeline is full, and weights that are loaded before
    neither. Programs lie in ``folder``.
    """
    config = config or default_config(network)
    if len(images) <= _SKIPPED:
        raise UserError(f"Images must be at least {_SKIPPED + 1}, not {len(images)}")
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "images"
        file.write_bytes(np.ascontiguousarray(images, np.uint8).tobytes())
        arguments = [file, images[0].size, _SKIPPED]
        if config.loads(network):
            words = Path(name) / "words"
            words.write_bytes(config.load_words(network).astype("<u2").tobytes())
            arguments.append(words)
        verilog = to_verilog(network, config, device=_DEVICE)
        return _count(verilog, TOP, arguments, folder, len(images) - _SKIPPED)


def clocked_activity(verilog: str, *, top: str, cycles: int, folder: Path) -> Activity:
    """Of a design whose only port is ``clk``."""
    return _count(verilog, top, [cycles], folder, 0)


def _count(verilog: str, top: str, arguments: list[object], folder: Path, images: int) -> Activity:
    tables = any(name.strip("m:*") in verilog for name in _LOGIC.split())
    logic = f'setattr -set ram_style "logic" {_LOGIC}; ' if tables else ""
    made = synthesise("source.v", verilog, _SCRIPT.format(top=top, logic=logic), folder)
    module = json.loads((made / "netlist.json").read_text(encoding="utf-8"))["modules"][top]
    netlist = (made / "netlist.v").read_text(encoding="utf-8")
    probes = _Probes(module)
    widths = f"#define WIRES {probes.width(probes.wires)}\n"
    widths += f"#define ENABLES {probes.width(probes.enables)}\n"
    if not images:
        widths += "#define CLOCK_ALONE\n"
    elif len(arguments) > 3:
        widths += "#define LOADS\n"
    program = compiler.build(
        {
            "core.v": probes.put_into(netlist, top),
            "cells.v": cell_models(),
            "harness.cpp": widths + _HARNESS.read_text(encoding="utf-8"),
        },
        top=top,
        folder=folder,
        optimise="-O0",  # few images: optimising takes g++ longer than it saves
    )
    with tempfile.TemporaryDirectory() as name:
        out = Path(name) / "counts"
        result = subprocess.run(
            [program, out, *map(str, arguments)],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        if result.returncode:
            raise UserError(f"{program}: {result.stderr.strip() or 'failed; remove it'}")
        counts = np.fromfile(out, np.uint64)
    return probes.activity(counts, images)


class _Probes:
    """The wires of a netlist that are watched: each with its block and its kind."""

    def __init__(self, module: Mapping[str, Mapping[str, Any]]) -> None:
        self._names: dict[object, str] = {}
        for name, net in module["netnames"].items():
            for index, bit in enumerate(net["bits"]):
                whole = f"\\{name} " if not name.isidentifier() else name
                text = f"{whole}[{index}]" if len(net["bits"]) > 1 else whole
                self._names.setdefault(bit, text)
        inputs: Counter[object] = Counter()
        feeds: dict[object, bool] = {}  # of a wire: the last cell that it enters at the input D
        for cell in module["cells"].values():
            for port, bits in cell["connections"].items():
                if cell["port_directions"][port] == "input":
                    inputs.update(bits)
                    feeds |= dict.fromkeys(bits, cell["type"].startswith("SB_DFF") and port == "D")
        for port in module["ports"].values():
            inputs.update(port["bits"])
        # Bits of which all are 1, and their block.
        self.wires: list[tuple[tuple[object, ...], str]] = []
        self.enables: list[tuple[tuple[object, ...], str]] = []
        self.single_ports: set[int] = set()  # of the enables those of single-port RAMs
        self.cells: dict[str, Counter[str]] = {
            kind: Counter() for kind in ("flip_flops", "luts", "rams")
        }
        for name, cell in module["cells"].items():
            *path, _ = name.removeprefix("core.").split(".")
            block = path[0] if path else ""
            kind = cell["type"]
            pins = cell["connections"]
            if kind.startswith("SB_DFF"):
                self.cells["flip_flops"][block] += 1
                self.wires.append((tuple(pins["Q"]), block))
            elif kind == "SB_LUT4":
                self.cells["luts"][block] += 1
                (out,) = pins["O"]
                if not (inputs[out] == 1 and feeds.get(out)):
                    self.wires.append(((out,), block))
            elif kind.startswith("SB_RAM40_4K"):
                self.cells["rams"][block] += 1
                self.wires += [((bit,), block) for bit in pins["RDATA"]]
                self.enables += [
                    ((pins[enable][0], pins[clock][0]), block)
                    for enable, clock in (("RE", "RCLKE"), ("WE", "WCLKE"))
                ]
            elif kind == "SB_SPRAM256KA":
                self.wires += [((bit,), block) for bit in pins["DATAOUT"]]
                self.single_ports.add(len(self.enables))
                self.enables.append((tuple(pins["CHIPSELECT"]), block))

    @staticmethod
    def width(probes: Sized) -> int:
        """Whole words of 32 bits, and at least three: Verilator then makes an array of them."""
        return max(96, -(-len(probes) // 32) * 32)

    def put_into(self, netlist: str, top: str) -> str:
        """The netlist with the ports ``wires`` and ``enables``."""
        head = re.search(rf"module {top}\(([^)]*)\);", netlist)
        assert head, "yosys writes the ports in one list"
        body = [f"module {top}({head[1]}, wires, enables);"]
        for name, probes in (("wires", self.wires), ("enables", self.enables)):
            width = self.width(probes)
            bits = ["1'b0"] * (width - len(probes)) + [
                self._text(bits) for bits, _ in reversed(probes)
            ]
            body.append(f"  output [{width - 1}:0] {name};")
            body.append(f"  assign {name} = {{{', '.join(bits)}}};")
        return netlist.replace(head[0], "\n".join(body), 1)

    def _text(self, bits: tuple[object, ...]) -> str:
        """A wire is named by its number in the netlist, a constant by its digit."""
        return " & ".join(
            self._names[bit] if isinstance(bit, int) else f"1'b{bit if bit in ('0', '1') else 0}"
            for bit in bits
        )

    def activity(self, counts: np.ndarray, images: int) -> Activity:
        """From what the program wrote."""
        cycles, changes = int(counts[0]), counts[1:]
        ones = changes[self.width(self.wires) :]
        found: dict[str, Counter[str]] = {
            kind: Counter() for kind in ("wires", "accesses", "single_accesses")
        }
        for (_, block), count in zip(self.wires, changes, strict=False):
            found["wires"][block] += int(count)
        for index, ((_, block), count) in enumerate(zip(self.enables, ones, strict=False)):
            kind = "single_accesses" if index in self.single_ports else "accesses"
            found[kind][block] += int(count)
        return Activity(cycles=cycles, images=images, **self.cells, **found)
