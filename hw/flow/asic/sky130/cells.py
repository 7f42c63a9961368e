"""The cells that are characterised: what each of them computes."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

__all__ = ["CELLS", "PREFIX", "Arc", "Cell"]

PREFIX = "sky130_fd_sc_hd__"


@dataclass(frozen=True)
class Arc:
    """An input that switches an output while the other inputs stay.

    Parameters
    ----------
    pin, output : str
    rising : bool
        A rising input makes the output rise; else fall.
    others : tuple of (str, int)
        The levels of the other inputs.
    """

    pin: str
    output: str
    rising: bool
    others: tuple[tuple[str, int], ...]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A cell.

    Parameters
    ----------
    name : str
        Without the library's prefix.
    inputs : tuple of str
    functions : mapping of str to str
        That of each output, as a Liberty file has it: ``!``, ``&``, ``|`` and ``^``, with
        parentheses. Empty for the flip-flop, which takes D to Q when CLK rises.
    """

    name: str
    inputs: tuple[str, ...]
    functions: Mapping[str, str]

    @property
    def is_flip_flop(self) -> bool:
        """Whether it is one."""
        return not self.functions

    @property
    def outputs(self) -> tuple[str, ...]:
        """Pins."""
        return tuple(self.functions) or ("Q",)

    @property
    def drive(self) -> int:
        """Its strength: the number at the end of its name."""
        return int(self.name.rpartition("_")[2])

    def value(self, output: str, levels: Mapping[str, int]) -> int:
        """What an output is, 0 or 1, by the levels of all inputs."""
        text = self.functions[output].replace("!", "~")
        return int(eval(text, {"__builtins__": {}}, dict(levels))) & 1

    def arcs(self) -> list[Arc]:
        """All arcs of gates, for all levels of the inputs that stay."""
        found = []
        for pin in self.inputs:
            others = [each for each in self.inputs if each != pin]
            for levels in product((0, 1), repeat=len(others)):
                still = dict(zip(others, levels, strict=True))
                for output in self.functions:
                    low, high = (self.value(output, {**still, pin: level}) for level in (0, 1))
                    if low != high:
                        found.append(Arc(pin, output, bool(high), tuple(still.items())))
        return found


def _gates(kind: str, drives: str, inputs: str, **functions: str) -> list[Cell]:
    return [
        Cell(name=f"{kind}_{drive}", inputs=tuple(inputs.split()), functions=functions)
        for drive in drives.split()
    ]


_MAJORITY = "(A&B)|(A&{c})|(B&{c})"

# What ABC takes for these netlists when it may choose of all, and the strengths that it needs.
CELLS = (
    *_gates("inv", "1 2 4 8", "A", Y="!A"),
    *_gates("buf", "1 2 4 8", "A", X="A"),
    *_gates("nand2", "1 2 4", "A B", Y="!(A&B)"),
    *_gates("nand3", "1 2", "A B C", Y="!(A&B&C)"),
    *_gates("nand4", "1", "A B C D", Y="!(A&B&C&D)"),
    *_gates("nor2", "1 2 4", "A B", Y="!(A|B)"),
    *_gates("nor3", "1", "A B C", Y="!(A|B|C)"),
    *_gates("and2", "1 2", "A B", X="A&B"),
    *_gates("or2", "1 2", "A B", X="A|B"),
    *_gates("nand2b", "1", "A_N B", Y="!(!A_N&B)"),
    *_gates("nor2b", "1", "A B_N", Y="!(A|!B_N)"),
    *_gates("a21oi", "1 2", "A1 A2 B1", Y="!((A1&A2)|B1)"),
    *_gates("a22oi", "1", "A1 A2 B1 B2", Y="!((A1&A2)|(B1&B2))"),
    *_gates("a31oi", "1", "A1 A2 A3 B1", Y="!((A1&A2&A3)|B1)"),
    *_gates("a211oi", "1", "A1 A2 B1 C1", Y="!((A1&A2)|B1|C1)"),
    *_gates("o21ai", "1 2", "A1 A2 B1", Y="!((A1|A2)&B1)"),
    *_gates("o22ai", "1", "A1 A2 B1 B2", Y="!((A1|A2)&(B1|B2))"),
    *_gates("o31ai", "1", "A1 A2 A3 B1", Y="!((A1|A2|A3)&B1)"),
    *_gates("o211ai", "1", "A1 A2 B1 C1", Y="!((A1|A2)&B1&C1)"),
    *_gates("a21o", "1", "A1 A2 B1", X="(A1&A2)|B1"),
    *_gates("o21a", "1", "A1 A2 B1", X="(A1|A2)&B1"),
    *_gates("a21boi", "1", "A1 A2 B1_N", Y="!((A1&A2)|!B1_N)"),
    *_gates("o21bai", "1", "A1 A2 B1_N", Y="!((A1|A2)&!B1_N)"),
    *_gates("xor2", "1", "A B", X="A^B"),
    *_gates("xnor2", "1", "A B", Y="!(A^B)"),
    *_gates("mux2", "1", "A0 A1 S", X="(A0&!S)|(A1&S)"),
    *_gates("maj3", "1", "A B C", X=_MAJORITY.format(c="C")),
    *_gates("ha", "1", "A B", COUT="A&B", SUM="A^B"),
    *_gates("fa", "1", "A B CIN", COUT=_MAJORITY.format(c="CIN"), SUM="A^B^CIN"),
    *_gates("dfxtp", "1 2", "CLK D"),
)
