"""The memories of a chip: constants as logic or ROM macros, RAM as flip-flops or SRAM macros.

A chip has no contents at power-up. So a memory that is only read becomes a module of its own, a
``case`` over its address; one that is written starts unknown, and the engines write each word
before its value counts.
"""

from dataclasses import dataclass, field

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Mux, Shape, Signal
from amaranth.lib import memory

from sw.cli import UserError

__all__ = [
    "KINDS",
    "MACRO_BITS",
    "MOST_GATES",
    "Macro",
    "MemoriesTooLargeError",
    "SiliconMemories",
]

KINDS = ("ram", "rom", "all")  # which memories become macros
MACRO_BITS = 1024  # a smaller memory is flip-flops or logic in any case: a macro's frame is larger
MOST_GATES = 1_000_000  # of memories that are logic, before they are refused

# NAND2 equivalents of a bit, for the refusal only. A flip-flop of 4.5 to 6 with the multiplexers
# to write and to read it, 2.25 each; of constants one level of a tree of multiplexers, of which
# synthesis leaves about a quarter of a gate.
_GATES_OF_RAM_BIT = 10
_GATES_OF_ROM_BIT = 0.25


class MemoriesTooLargeError(UserError):
    """Memories cannot become logic of sensible size."""


@dataclass(frozen=True, kw_only=True)
class Macro:
    """A memory that has its own module: its text as Verilog, and its ports alone.

    Parameters
    ----------
    name : str
        Of the module.
    kind : "rom", "ram_1r1w", "ram_1rw" or "case"
        ``case`` is combinational logic, the others are to be macros.
    depth, width : int
    ports : tuple of (str, str, int)
        Direction, name and width.
    body : str
        What the behavioural model does, without the ports.
    """

    name: str
    kind: str
    depth: int
    width: int
    ports: tuple[tuple[str, str, int], ...]
    body: str = field(repr=False)

    @property
    def is_logic(self) -> bool:
        """It is synthesised with the rest."""
        return self.kind == "case"

    @property
    def verilog(self) -> str:
        """The module, for simulation, and for synthesis where it is logic."""
        return f"{self._head}{self.body}endmodule\n"

    @property
    def stub(self) -> str:
        """The module's ports, as synthesis wants them for a macro."""
        return f"(* blackbox *)\n{self._head}endmodule\n"

    @property
    def _head(self) -> str:
        names = ", ".join(name for _, name, _ in self.ports)
        lines = [f"module {self.name}({names});"]
        for direction, name, width in self.ports:
            bits = f" [{width - 1}:0]" if width > 1 else ""
            lines.append(f"  {direction}{bits} {name};")
        return "\n".join(lines) + "\n"


class SiliconMemories:
    """Replaces the memories of a design, as an Amaranth platform's ``get_memory`` does.

    Parameters
    ----------
    top : str
        What the names of modules begin with.
    macros : "ram", "rom" or "all", optional
        Which memories of at least :data:`MACRO_BITS` become macros; without it none.

    Attributes
    ----------
    block : str
        The module that is being converted; whoever converts sets it.
    modules : list of Macro
        What the design instantiates.
    gates : int
        Estimated NAND2 equivalents of memories that become logic.
    """

    def __init__(self, *, top: str, macros: str | None = None):
        self.block = top
        self.modules: list[Macro] = []
        self.gates = 0.0
        self.ram_bits = self.rom_bits = 0  # of those that are logic
        self._top = top
        self._macros = macros

    def check(self) -> None:
        """Raises :class:`MemoriesTooLargeError` if they cannot be logic."""
        if self.gates > MOST_GATES:
            raise MemoriesTooLargeError(
                f"its memories as logic would be about {self.gates:,.0f} gates ({self.ram_bits:,} "
                f"bits of RAM, {self.rom_bits:,} of constants), and {MOST_GATES:,} are sensible; "
                "take --macros all, or a smaller network"
            )

    def get_memory(self, plain: memory.Memory) -> Module:
        """What takes the place of ``plain``."""
        width, depth = Shape.cast(plain.shape).width, plain.depth
        words = [Const.cast(Const(word, plain.shape)).value for word in plain.init]
        if not plain.write_ports:
            return self._rom(plain, words, width=width)
        if any(words):
            raise ValueError(f"Memory of {self.block} must start empty: a chip has no contents")
        if not self._is_macro("ram", depth * width):
            self.ram_bits += depth * width
            self.gates += depth * width * _GATES_OF_RAM_BIT
            return plain.elaborate(None)
        return self._ram(plain, width=width)

    def _is_macro(self, kind: str, bits: int) -> bool:
        return self._macros in (kind, "all") and bits >= MACRO_BITS

    def _add(self, macro: Macro) -> None:
        if macro.name not in {each.name for each in self.modules}:
            self.modules.append(macro)

    def _rom(self, plain: memory.Memory, words: list[int], *, width: int) -> Module:
        m = Module()
        if width == 0 or plain.depth == 1:
            for port in plain.read_ports:
                m.d.comb += port.data.eq(words[0] if words else 0)
            return m
        is_macro = self._is_macro("rom", len(words) * width)
        if not is_macro:
            self.rom_bits += len(words) * width
            self.gates += len(words) * width * _GATES_OF_ROM_BIT
        number = sum(each.name.startswith(f"{self.block}_rom_") for each in self.modules)
        name = f"{self.block}_rom_{number}"
        address_bits = len(plain.read_ports[0].addr)
        self._add(_constants(name, words, address_bits, width, is_macro=is_macro))
        for index, port in enumerate(plain.read_ports):
            word = Signal(width, name=f"word_{index}")
            of_macro = {"i_clk": ClockSignal(), "i_enable": port.en} if is_macro else {}
            m.submodules[f"rom_{index}"] = Instance(
                name, i_address=port.addr, o_data=word, **of_macro
            )
            if is_macro or port.domain == "comb":
                m.d.comb += Cat(port.data).eq(word)
            else:
                with m.If(port.en):
                    m.d[port.domain] += Cat(port.data).eq(word)
        return m

    def _ram(self, plain: memory.Memory, *, width: int) -> Module:
        m = Module()
        (write,) = plain.write_ports
        parts = len(write.en)
        if plain.attrs.get("single_port"):
            (read,) = plain.read_ports
            macro = _single_port(self._top, plain.depth, width, parts)
            self._add(macro)
            m.submodules.ram = Instance(
                macro.name,
                i_clk=ClockSignal(),
                i_enable=read.en | write.en.any(),
                i_write=write.en,
                i_address=write.addr,  # which is that of the read port
                i_write_data=Cat(write.data),
                o_read_data=Cat(read.data),
            )
            return m
        macro = _two_port(self._top, plain.depth, width, parts)
        self._add(macro)
        for index, read in enumerate(plain.read_ports):  # each has a copy
            word = Signal(width, name=f"word_{index}")
            m.submodules[f"ram_{index}"] = Instance(
                macro.name,
                i_clk=ClockSignal(),
                i_write_enable=write.en,
                i_write_address=write.addr,
                i_write_data=Cat(write.data),
                i_read_enable=read.en,
                i_read_address=read.addr,
                o_read_data=word,
            )
            if read.transparent_for:
                word = _bypass(m, index, read, write, word)
            m.d.comb += Cat(read.data).eq(word)
        return m


def _bypass(m, index, read, write, word):
    """What is read of a word that is being written: the parts that are new. Macros give old or
    unknown ones.
    """
    parts = len(write.en)
    size = len(word) // parts
    fresh = Signal(parts, name=f"fresh_{index}")
    written = Signal(len(word), name=f"written_{index}")
    with m.If(read.en):
        same = read.addr == write.addr
        m.d.sync += [fresh.eq(write.en & same.replicate(parts)), written.eq(Cat(write.data))]
    return Cat(
        Mux(fresh[k], written[k * size : (k + 1) * size], word[k * size : (k + 1) * size])
        for k in range(parts)
    )


def _constants(
    name: str, words: list[int], address_bits: int, width: int, *, is_macro: bool
) -> Macro:
    """Words of constants, as combinational logic, or of a macro registered."""
    target = "word" if is_macro else "data"
    digits = -(-width // 4)
    cases = "".join(
        f"      {address_bits}'d{address}: {target} = {width}'h{word:0{digits}x};\n"
        for address, word in enumerate(words)
    )
    bits = f"[{width - 1}:0] " if width > 1 else ""
    body = (
        f"  reg {bits}{target};\n"
        "  always @(*)\n"
        "    case (address)\n"
        f"{cases}"
        f"      default: {target} = {{{width}{{1'bx}}}};\n"
        "    endcase\n"
    )
    ports: tuple[tuple[str, str, int], ...] = (
        ("input", "address", address_bits),
        ("output", "data", width),
    )
    if is_macro:
        ports = (("input", "clk", 1), ("input", "enable", 1), *ports)
        body += f"  reg {bits}data;\n  always @(posedge clk) if (enable) data <= word;\n"
    kind = "rom" if is_macro else "case"
    return Macro(name=name, kind=kind, depth=len(words), width=width, ports=ports, body=body)


def _writes(depth: int, width: int, parts: int, enable: str, address: str) -> str:
    """Declares the rows, and writes the parts that are enabled."""
    bits = f"[{width - 1}:0] " if width > 1 else ""
    size = width // parts
    lines = [f"  reg {bits}rows [0:{depth - 1}];"]
    for part in range(parts):
        bit = f"[{part}]" if parts > 1 else ""
        of = "" if parts == 1 else f"[{(part + 1) * size - 1}:{part * size}]"
        lines.append(
            f"  always @(posedge clk) if ({enable}{bit}) rows[{address}]{of} <= write_data{of};"
        )
    return "\n".join(lines) + "\n"


def _macro_name(top: str, kind: str, depth: int, width: int, parts: int) -> str:
    return f"{top}_{kind}_{depth}x{width}" + (f"_w{width // parts}" if parts > 1 else "")


def _two_port(top: str, depth: int, width: int, parts: int) -> Macro:
    address_bits = max(1, (depth - 1).bit_length())
    bits = f"[{width - 1}:0] " if width > 1 else ""
    return Macro(
        name=_macro_name(top, "ram_1r1w", depth, width, parts),
        kind="ram_1r1w",
        depth=depth,
        width=width,
        ports=(
            ("input", "clk", 1),
            ("input", "write_enable", parts),
            ("input", "write_address", address_bits),
            ("input", "write_data", width),
            ("input", "read_enable", 1),
            ("input", "read_address", address_bits),
            ("output", "read_data", width),
        ),
        body=_writes(depth, width, parts, "write_enable", "write_address")
        + f"  reg {bits}read_data;\n"
        "  always @(posedge clk) if (read_enable) read_data <= rows[read_address];\n",
    )


def _single_port(top: str, depth: int, width: int, parts: int) -> Macro:
    address_bits = max(1, (depth - 1).bit_length())
    bits = f"[{width - 1}:0] " if width > 1 else ""
    some = "|write" if parts > 1 else "write"
    return Macro(
        name=_macro_name(top, "ram_1rw", depth, width, parts),
        kind="ram_1rw",
        depth=depth,
        width=width,
        ports=(
            ("input", "clk", 1),
            ("input", "enable", 1),
            ("input", "write", parts),
            ("input", "address", address_bits),
            ("input", "write_data", width),
            ("output", "read_data", width),
        ),
        body=_writes(depth, width, parts, "enable && write", "address")
        + f"  reg {bits}read_data;\n"
        f"  always @(posedge clk) if (enable && !({some})) read_data <= rows[address];\n",
    )
