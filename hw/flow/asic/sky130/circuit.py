"""Transient simulations of a cell with ngspice: many in one run of the program."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hw.flow.asic.programs import run_program
from hw.flow.asic.sky130.extraction import Extracted

__all__ = ["CELSIUS", "VOLTS", "Transient", "circuit", "ramp", "simulate"]

VOLTS, CELSIUS = 1.8, 25
# Transitions are from 20 % to 80 % of the supply, as the foundry's own Liberty file has them.
_SPAN = 0.6


@dataclass(frozen=True, kw_only=True)
class Transient:
    """A simulation.

    Parameters
    ----------
    inputs : mapping of str to sequence of (float, float)
        For each input, ns and volts where its straight pieces meet.
    loads : mapping of str to float
        Of each output, in fF.
    stop, step : float
        End, and the longest step, in ns.
    measures : mapping of str to str
        By name, what ngspice's ``meas tran <name>`` takes.
    """

    inputs: Mapping[str, Sequence[tuple[float, float]]]
    loads: Mapping[str, float]
    stop: float
    step: float
    measures: Mapping[str, str]


def ramp(at: float, transition: float, rising: bool) -> list[tuple[float, float]]:
    """An edge whose middle is ``at``, both in ns."""
    half = transition / _SPAN / 2
    first, last = (0.0, VOLTS) if rising else (VOLTS, 0.0)
    return [(at - half, first), (at + half, last)]


def circuit(
    cell: Extracted, models: Iterable[Path], inputs: Sequence[str], outputs: Sequence[str]
) -> str:
    """The cell between sources and loads, as SPICE: a source ``v<pin>`` for each input, a capacitor
    ``load<pin>`` for each output, and the models of files.
    """
    lines = [
        "* one cell, with what its layout adds",
        ".option scale=1e-6",
        *(f'.include "{path}"' for path in models),
        f".temp {CELSIUS}",
        f"vsupply VPWR 0 {VOLTS}",
        f"vwell VPB 0 {VOLTS}",
        "vground VGND 0 0",
        "vbulk VNB 0 0",
        *(f"v{pin} {pin} 0 pwl(0 0 1n 0)" for pin in inputs),
        *(f"cload{pin} {pin} 0 1f" for pin in outputs),
        *(
            f"cwire{index} {net} 0 {af / 1000:.4f}f"
            for index, (net, af) in enumerate(cell.wires.items())
        ),
    ]
    for index, each in enumerate(cell.transistors):
        lines.append(
            f"m{index} {each.drain} {each.gate} {each.source} {each.bulk} {each.kind}fet "
            f"w={each.width:.4g} l={each.length:.4g} ad={each.drain_area:.4g} "
            f"as={each.source_area:.4g} pd={each.drain_edge:.4g} ps={each.source_edge:.4g} "
            f"sa={each.left:.4g} sb={each.right:.4g}"
        )
    return "\n".join(lines)


def simulate(text: str, transients: Sequence[Transient], folder: Path) -> list[dict[str, float]]:
    """What each transient measures; a measure that fails, as an edge that does not come, is absent.

    Raises
    ------
    UserError
        ngspice is missing.
    ToolFailedError
        It fails.
    """
    # Threads cost a hundred times what they save on so few transistors.
    lines = [text, ".control", "set num_threads=1"]
    for index, each in enumerate(transients):
        for pin, points in each.inputs.items():
            values = " ".join(f"{1e-9 * time:.6g} {volts:g}" for time, volts in points)
            lines.append(f"alter @v{pin}[pwl] = [ {values} ]")
        lines += [f"alter cload{pin} = {load:.6g}f" for pin, load in each.loads.items()]
        lines.append(f"tran {each.step:.6g}n {each.stop:.6g}n 0 {each.step:.6g}n")
        lines.append(f"echo transient {index}")
        lines += [f"meas tran {name} {measure}" for name, measure in each.measures.items()]
        lines.append("destroy all")
    deck = "\n".join([*lines, "quit", ".endc", ".end", ""])
    (folder / "deck.sp").write_text(deck, encoding="utf-8")
    output = run_program("ngspice", ["-b", "deck.sp"], folder=folder, log="ngspice.log")
    # The names of measures are in lower case, whatever they were.
    parts = re.split(r"^transient \d+$", output, flags=re.M)[1:]
    return [
        {name: float(value) for name, value in re.findall(r"^(\w+) += +(\S+)", part, re.M)}
        for part in parts
    ]
