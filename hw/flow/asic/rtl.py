"""The Verilog of a network for silicon: Verilog-2005 without anything that only an FPGA has.

Weights are logic or macros, no net is implicit, nothing has an initial value, and every module's
name begins with the prefix, so that two networks can be in one design.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from hw.flow.asic.memories import Macro, MemoriesTooLargeError, SiliconMemories
from hw.flow.ports import PORT_NAMES
from hw.flow.verilog import to_verilog
from hw.rtl.config import Config
from hw.rtl.pixel_port import PORTS, PixelPort
from sw.cli import UserError, printable
from sw.network import Network

__all__ = ["PREFIX", "SiliconVerilog", "check_prefix", "silicon_verilog"]

PREFIX = "firstspike"

# IEEE 1364-2005, annex B, and IEEE 1800-2017, annex B: many tools read Verilog as SystemVerilog.
_KEYWORDS = frozenset((Path(__file__).parent / "keywords.txt").read_text(encoding="utf-8").split())

_LONGEST = 64  # files are named by it, too
_TAKEN = dict.fromkeys(PORT_NAMES, "the name of a port") | {
    "core": "what floorplanners call the chip's inside",
    "std": "a package that SystemVerilog has",
    "tb": "what Tiny Tapeout calls its test bench",
}


@dataclass(frozen=True, kw_only=True)
class SiliconVerilog:
    """The Verilog of a network for silicon.

    Parameters
    ----------
    prefix : str
        The name of the top module, and what those of all others begin with.
    text : str
        All modules that are synthesised.
    macros : tuple of Macro
        Memories that it instantiates and does not contain.
    gates : int
        Estimated NAND2 equivalents of the memories that are logic.
    ram_bits, rom_bits : int
        Of these memories.
    """

    prefix: str
    text: str
    macros: tuple[Macro, ...]
    gates: int
    ram_bits: int
    rom_bits: int


def check_prefix(prefix: str) -> str:
    """``prefix`` if modules can be named so; raises :class:`UserError`."""
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", prefix) or prefix in _KEYWORDS:
        raise UserError(
            f"prefix {prefix!r} is no Verilog identifier; take a letter or _, then letters, digits "
            "and _, and no keyword"
        )
    if len(prefix) > _LONGEST:
        begin = printable(prefix, 20)
        raise UserError(f"prefix {begin!r} has {len(prefix)} characters; take at most {_LONGEST}")
    if prefix in _TAKEN:
        raise UserError(f"prefix {prefix!r} is {_TAKEN[prefix]}; take another")
    return prefix


def silicon_verilog(
    network: Network,
    config: Config,
    *,
    prefix: str = PREFIX,
    port: PixelPort = PORTS["byte"],
    loader: bool = False,
    macros: str | None = None,
) -> SiliconVerilog:
    """The Verilog of ``network`` for silicon; the same arguments always give the same text.

    Parameters
    ----------
    network : Network
    config : Config
    prefix : str
        The top module's name.
    port : PixelPort
        How pixels come in.
    loader : bool
        Weights that are loaded come byte by byte, with a checksum.
    macros : "ram", "rom" or "all", optional
        Which memories are macros, see hw/flow/asic/memories.py; without it none.

    Raises
    ------
    UserError
        The prefix is no identifier, or the memories are too large to be logic.
    """
    memories = SiliconMemories(top=check_prefix(prefix), macros=macros)
    try:
        plain = to_verilog(network, config, top=prefix, port=port, loader=loader, memories=memories)
    except MemoriesTooLargeError as error:
        raise UserError(f"network {network.name!r} with {config.name}: {error}") from None
    header, text = re.split(r"(?=^module )", plain, maxsplit=1, flags=re.M)
    logic = [each.verilog for each in memories.modules if each.is_logic]
    body = "\n".join([_named(text), *logic])
    return SiliconVerilog(
        prefix=prefix,
        text=f"{header}\n`default_nettype none\n\n{body}\n`default_nettype wire\n",
        macros=tuple(each for each in memories.modules if not each.is_logic),
        gates=round(memories.gates),
        ram_bits=memories.ram_bits,
        rom_bits=memories.rom_bits,
    )


def _named(text: str) -> str:
    """Names what Yosys numbers: ``x_next`` of a register ``x``, ``n12`` of other nets."""

    def module(match: re.Match[str]) -> str:
        body = match[0]
        taken = set(re.findall(r"[A-Za-z_]\w*", body))
        names: dict[str, str] = {}

        def name(wire: str, wanted: str) -> None:
            while wanted in taken:
                wanted += "_"
            taken.add(wanted)
            names[wire] = wanted

        for register, wire in re.findall(r"^\s*(?:if \(.*?\) )?(\w+) +<= (_\d+_);", body, re.M):
            if wire not in names and not re.fullmatch(r"_\d+_", register):
                name(wire, f"{register}_next")
        for wire in dict.fromkeys(re.findall(r"\b_\d+_\b", body)):
            if wire not in names:
                name(wire, f"n{wire.strip('_')}")
        return re.sub(r"\b_\d+_\b", lambda wire: names[wire[0]], body)

    return re.sub(r"^module .*?^endmodule", module, text, flags=re.M | re.S)
