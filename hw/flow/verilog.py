"""A network as Verilog: one module per block, named ``firstspike_<block>``, whose ports are the
block's signature.

It has no initial values but the weight ROMs: all state that must start known is reset. For silicon,
where these are logic, see hw/flow/asic/rtl.py.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

from amaranth.back import rtlil
from amaranth.hdl import ClockSignal, Const, Fragment, Instance, Module, ResetSignal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.flow.tools import run_tool, scratch_folder, tool_version
from hw.link import weight_image
from hw.link.loader import Loader
from hw.rtl.config import DEFAULT, Config
from hw.rtl.core import Core, loaded_words, place
from hw.rtl.inputs.base import Place
from hw.rtl.pixel_port import PORTS, PixelPort, ReadPixels
from sw import __version__
from sw.network import Network

if TYPE_CHECKING:
    from hw.flow.asic.memories import SiliconMemories

__all__ = ["TOP", "FlatCore", "manifest", "to_verilog"]

TOP = "firstspike"


# One module per block; registers and memories that are written without initial values (all that
# must start known is reset);
# operators of one width and cases without overlap, as `verilator -Wall` and other linters ask.
_PASSES = """
    hierarchy -top {top}; setattr -mod -set keep_hierarchy 1 {blocks}; flatten -noscopeinfo;
    delete t:$meminit_v2 {constants};
    proc{norom}; pmuxtree; wreduce; opt_expr; opt_clean -purge; setattr -unset init;
    techmap -map widths.v; opt_clean -purge; memory_collect; splitnets -driver; opt_clean -purge;
    write_verilog -noattr out.v
"""


# On an FPGA weights are the initial values of memories.
_CONSTANTS = "r:MEMID=*rows* r:MEMID=*starts* r:MEMID=*constants* r:MEMID=*steps* %u %u %u %d"


class FlatCore(wiring.Component):
    """The core with one plain port per value, as a Verilog user expects.

    Members
    -------
    pixel_data : 8 · config.pixels, or the port's width
    pixel_valid, pixel_ready : 1
        Valid/ready stream of pixels: a pixel is taken in each cycle in which both are set; of an
        image with several channels one value of it.
    event_unit, event_step, event_end : range(inputs + 1), range(steps), 1
    event_valid, event_ready : 1
        In place of the pixels where inputs are sensor events: spikes in time order, then the end
        mark. An out-of-range unit is a fault.
    load_address, load_data, load_valid
        Where weights are loaded: words of them, in the order of the config's ``load_words``, one in
        each cycle in which valid is set, before the first image.
    load_begin, load_data, load_valid, load_status
        In place of these with ``loader``: a weight image, byte by byte (hw/link/loader.py).
    result_label, result_step, result_margin
        Index of the class, decision step, and ``V − θ`` of the winner (signed); of a bistable
        network how far its potential is above the next largest.
    result_valid, result_ready : 1
        Valid/ready stream of results.
    result_fault : 1
        Where inputs are sensor events: they were invalid (hw/rtl/bypass.py), and so is this result.
        Where an engine cannot hold the spikes of any input: it had too many.
    """

    def __init__(
        self,
        core: Core,
        *,
        place: Place = place,
        port: PixelPort = PORTS["byte"],
        loader: bool = False,
    ):
        port.check(core.network, core.config.input(core.network))
        self._core = core
        self._narrow = None if port.name == "byte" else ReadPixels(port, core.network.steps)
        self._loader = _loader(core) if loader and core.loads else None
        self._can_fault = core.config.can_fault(core.network)
        self._place = place
        source, load, result = self._flat(core, self._narrow, self._loader)
        super().__init__(
            {
                name: wiring.Member(flow, value.shape() if len(value) else 1)
                for name, (flow, value) in {**source, **load, **result}.items()
            }
        )

    def _flat(
        self,
        core: wiring.PureInterface,
        narrow: wiring.PureInterface | None,
        loader: wiring.PureInterface | None,
    ) -> list[dict[str, tuple[wiring.Flow, Value]]]:
        """The ports of the input, of what is loaded, and of the result: values of the core, and of
        what reads pixels of fewer bits and weights byte by byte before it.
        """
        source = self._core.config.input(self._core.network)
        stream = narrow.beats if narrow else getattr(core, source.port)
        load, result = {}, core.result
        if loader:
            load = {
                "load_begin": (In, loader.host.begin),
                "load_data": (In, loader.host.content.payload),
                "load_valid": (In, loader.host.content.valid),
                "load_status": (Out, Value.cast(loader.host.status)),
            }
        elif self._core.loads:
            load = {
                "load_address": (In, core.load.payload.address),
                "load_data": (In, core.load.payload.data),
                "load_valid": (In, core.load.valid),
            }
        answer = {
            "result_label": (Out, result.payload.label),
            "result_step": (Out, result.payload.step),
            "result_margin": (Out, result.payload.margin),
            **({"result_fault": (Out, result.payload.fault)} if self._can_fault else {}),
            "result_valid": (Out, result.valid),
            "result_ready": (In, result.ready),
        }
        return [dict(source.flat_ports(stream)), load, answer]

    def elaborate(self, platform):
        m = Module()
        core = self._place(m, "core", self._core)
        narrow = None
        if self._narrow:
            # A block without state has no clock: it is no module of its own.
            put = place if self._narrow.combinational else self._place
            narrow = put(m, "port", self._narrow)
            wiring.connect(m, narrow.pixels, core.pixels)
        loader = None
        if self._loader:
            loader = self._place(m, "loader", self._loader)
            wiring.connect(m, loader.words, core.load)
        for ports in self._flat(core, narrow, loader):
            for name, (flow, value) in ports.items():
                port = getattr(self, name)
                m.d.comb += value.eq(port) if flow == In else port.eq(value)
        return m


def _loader(core: Core) -> Loader:
    """What checks a weight image of the core's network and writes its words."""
    words = loaded_words(core.network, core.config)
    assert words is not None
    layout = core.config.load_layout(core.network)
    return Loader(header=weight_image.header(core.network, words), layout=layout, flash=False)


def to_verilog(
    network: Network,
    config: Config = DEFAULT,
    *,
    device: str = "",
    top: str = TOP,
    port: PixelPort = PORTS["byte"],
    loader: bool = False,
    memories: "SiliconMemories | None" = None,
) -> str:
    """The Verilog text of a network; the same network and config always give the same text. For a
    ``device``, by its name, with primitives that only it has, such as SPRAM. With ``memories``, for
    silicon, without the modules that it collects.
    """
    platform = memories or (SimpleNamespace(device=device) if device else None)
    waiting = []

    def place(m, name, component):
        # Amaranth names the ports of an inner module after whatever drives them; only the ports
        # of a top module are exactly its signature. So each block is converted on its own.
        interface = component.signature.create(path=(name,))
        ports = {"i_clk": ClockSignal(), "i_rst": ResetSignal()}
        for name_of_port, (flow, value) in _ports(component.signature, interface).items():
            ports[f"{'i' if flow == wiring.In else 'o'}_{name_of_port}"] = value
        m.submodules[name] = Instance(f"{top}_{name}", **ports)
        waiting.append((f"{top}_{name}", component))
        return interface

    flat = FlatCore(
        Core(network, config=config, place=place), place=place, port=port, loader=loader
    )
    texts = [rtlil.convert(flat, name=top, emit_src=False, platform=platform)]
    names = []
    while waiting:  # the core brings further blocks
        name, component = waiting.pop(0)
        names.append(name)
        if memories:
            memories.block = name
        ports = {
            port: (value, None)  # the direction follows from whether the block drives it
            for port, (_, value) in _ports(component.signature, component).items()
        }
        texts.append(
            rtlil.convert(component, name=name, ports=ports, emit_src=False, platform=platform)
        )

    if memories:
        memories.check()
    with scratch_folder(f"verilog-{network.file_name}") as folder:
        (folder / "in.il").write_text("\n".join(texts), encoding="utf-8")
        (folder / "widths.v").write_text(
            (Path(__file__).parent / "widths.v").read_text(encoding="utf-8"), encoding="utf-8"
        )
        passes = _PASSES.format(
            top=top,
            blocks=" ".join(names),
            constants="" if memories else _CONSTANTS,
            norom=" -norom" if memories else "",
        )
        script = f"read_rtlil in.il; {passes}"
        if memories:
            stubs = "".join(each.stub for each in memories.modules)
            (folder / "stubs.v").write_text(stubs, encoding="utf-8")
            script = f"read_verilog -lib stubs.v; {script}"
        log = folder / "yosys.log"
        run_tool("yosys", ["-q", "-p", script], cwd=folder, log=log, makes="out.v")
        text = (folder / "out.v").read_text(encoding="utf-8")
    return _header(network, config) + _open_outputs(
        _one_width(_plain_names(text.split("\n", 1)[1]))
    )


def _ports(
    signature: wiring.Signature, interface: wiring.PureInterface
) -> dict[str, tuple[wiring.Flow, Value]]:
    """The ports by name, without what is constant: the ready of a stream that is always ready."""
    return {
        "__".join(path): (member.flow, Value.cast(value))
        for path, member, value in signature.flatten(interface)
        if not isinstance(value, Const)
    }


def _header(network: Network, config: Config) -> str:
    lines = (
        f"{network.file_name}: {network.structure}, {network.steps} steps, 1-bit weights.",
        f"Engine {config.name}",
        f"Network file sha256 {network.sha256}",
        f"Written by firstspike {__version__}, amaranth {version('amaranth')}.",
        "verilator lint_off DECLFILENAME",  # one file on purpose: it is easier to hand on
        "verilator lint_off UNUSEDSIGNAL",  # a block may need less than all bits of a bus
    )
    return "".join(f"// {line}\n" for line in lines)


def _plain_names(text: str) -> str:
    r"""Turns escaped names such as ``\events__payload$19.last`` into plain ones, each its own."""
    names = sorted(set(re.findall(r"\\\S+ ", text)))
    taken = set(re.findall(r"[A-Za-z_]\w*", text))
    plain = {}
    for name in names:
        candidate = re.sub(r"\W+", "_", name).strip("_")
        while candidate in taken:
            candidate += "_"
        taken.add(candidate)
        plain[name] = candidate + " "
    return re.sub(r"\\\S+ ", lambda match: plain[match[0]], text)


def _one_width(text: str) -> str:
    """Writes out the zeros before the narrower operand of AND, OR and XOR, as widths.v does for
    arithmetic. The order of the assignments stays, on which the area after ABC depends.
    """

    def module(match: re.Match[str]) -> str:
        declared = re.findall(r"^\s*(?:wire|reg) (?:\[(\d+):0\] )?(\w+)", match[0], re.M)
        widths = {name: int(high or 0) + 1 for high, name in declared}

        def operation(found: re.Match[str]) -> str:
            target, left, operator, right = found.groups()
            a, b = _width(left, widths), _width(right, widths)
            if a is None or b is None or a == b:
                return found[0]
            left, right = _wider(left, b - a), _wider(right, a - b)
            return f"  assign {target} = {left} {operator} {right};"

        operand = r"(\{[^{}]*\}|[\w']+ ?(?:\[[\d:]+\])?)"
        line = rf"^  assign (.*) = {operand} +(&|\||\^|~\^) +{operand} ?;$"
        return re.sub(line, operation, match[0], flags=re.M)

    return re.sub(r"^module .*?^endmodule", module, text, flags=re.M | re.S)


def _width(operand: str, widths: Mapping[str, int]) -> int | None:
    """Bits of a name, a part of it, a constant or a concatenation of these; None of what else."""
    parts = [each.strip() for each in operand.strip("{} ").split(",")]
    total = 0
    for part in parts:
        found = re.fullmatch(r"(\w+) *(?:\[(\d+)(?::(\d+))?\])?|(\d+)'h[0-9a-f]+", part)
        if not found or (found[1] and found[1] not in widths):
            return None
        name, high, low, constant = found.groups()
        if constant:
            total += int(constant)
        elif high:
            total += int(high) - int(low or high) + 1
        else:
            total += widths[name]
    return total


def _wider(operand: str, zeros: int) -> str:
    """The operand with so many zeros before it, if any."""
    if zeros <= 0:
        return operand
    return f"{{ {zeros}'h{0:0{(zeros + 3) // 4}x}, {operand.strip('{} ')} }}"


def _open_outputs(text: str) -> str:
    """Renames wires that lead from an output to nowhere to ``unused_…``, which says to linters that
    it is meant so.
    """

    def module(match: re.Match[str]) -> str:
        body = match[0]
        for port, wire in re.findall(r"\.(\w+)\((_\d+_)\)", body):
            if len(re.findall(rf"\b{wire}\b", body)) == 2:  # declared and connected
                name = f"unused_{port}"
                while re.search(rf"\b{name}\b", body):  # that of another instance
                    name += "_"
                body = re.sub(rf"\b{wire}\b", name, body)
        return body

    return re.sub(r"^module .*?^endmodule", module, text, flags=re.M | re.S)


def manifest(
    network: Network,
    config: Config = DEFAULT,
    *,
    top: str = TOP,
    port: PixelPort = PORTS["byte"],
    loader: bool = False,
) -> dict[str, object]:
    """What an integrator has to know of the Verilog, as JSON values."""
    core = FlatCore(Core(network, config=config), port=port, loader=loader)
    Fragment.get(core, None)  # Amaranth warns of components that are made and not used
    ports = [
        {"name": "clk", "direction": "input", "width": 1, "meaning": "rising edge"},
        {"name": "rst", "direction": "input", "width": 1, "meaning": "synchronous, high"},
    ]
    for path, member, value in core.signature.flatten(core):
        ports.append(
            {
                "name": path[0],
                "direction": "input" if member.flow == wiring.In else "output",
                "width": len(value),
                "signed": value.shape().signed,
            }
        )
    words = loaded_words(network, config)
    return {
        "top": top,
        "network": network.name,
        "network_sha256": network.sha256,
        "layers": network.structure,
        "steps": network.steps,
        "config": asdict(config),
        **config.input(network).manifest(),
        "labels": list(network.labels),
        "weight_bits": network.weight_bits,
        "ports": ports,
        **({} if words is None else {"load": {"words": len(words)}}),
        "tools": {"amaranth": version("amaranth"), "yosys": tool_version("yosys")},
    }
