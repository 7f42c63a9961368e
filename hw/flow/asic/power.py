"""Power of a netlist by the activity of its gates on real images, with OpenSTA.

OpenSTA 2.0 reads no dump, so each pin is told the activity of its net. What it adds up is the
Liberty file's: energy of each cell by edge of its pins, charge of pins and wires, leakage.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hw.flow.asic.activity import pins_of
from hw.flow.asic.pdk import Pdk
from hw.flow.asic.programs import program_version, run_program
from hw.flow.asic.step import cached
from hw.flow.asic.timing import linked
from hw.flow.errors import ToolFailedError
from hw.flow.implement import sha256_of
from sw.cli import read_json
from sw.record import Record

__all__ = ["Power", "estimate_power"]


@dataclass(frozen=True, kw_only=True)
class Power(Record):
    """Power at the clock, and energy.

    Parameters
    ----------
    clock_mhz : float
    milliwatts : float
        While images come back to back.
    internal, switching, leakage : float
        Its parts in mW: within cells, of nets, at rest.
    sequential : float
        The part of flip-flops, in mW; all else is gates.
    nanojoules : float
        Per image: power times the time of an image.
    images : int
        Whose activity it is.
    toggles : float
        Per net and cycle, on average.
    wires : str
        What was assumed of them.
    """

    clock_mhz: float
    milliwatts: float
    internal: float
    switching: float
    leakage: float
    sequential: float
    nanojoules: float
    images: int
    toggles: float
    wires: str

    def lines(self) -> list[tuple[str, object]]:
        """As human-readable text."""
        return [
            (
                "power",
                f"{self.milliwatts:.3f} mW at {self.clock_mhz:g} MHz, {self.sequential:.3f} of it "
                f"flip-flops; {self.wires}, activity of {self.images} test images",
            ),
            ("energy per image", f"{self.nanojoules:.2f} nJ, estimated"),
        ]


def estimate_power(
    cells: Path,
    named: Path,
    activity: Path,
    *,
    top: str,
    pdk: Pdk,
    period_ns: float,
    cycles: float,
    images: int,
    folder: Path,
    wires_pf: Path | None = None,
) -> Power:
    """The power of the netlist ``cells`` with the ``activity`` of the nets of ``named``, the same
    cells with the ports of the source.

    Parameters
    ----------
    activity : Path
        What hw/flow/asic/activity.py counted.
    cycles : float
        Per image.
    images : int
        Whose activity it is.
    """
    setup = linked(cells, top=top, pdk=pdk, period_ns=period_ns, wires_pf=wires_pf)
    depends = {
        "script": setup,
        "cycles": cycles,
        "images": images,
        "files": [sha256_of(path) for path in (cells, named, activity, pdk.file("lib"))],
        "wires": sha256_of(wires_pf) if wires_pf else "",
        "sta": program_version("sta"),
    }

    def make(work: Path) -> Power:
        nets = read_json(activity)
        commands = list(_activities(pins_of(named.read_text(encoding="utf-8")), nets))
        script = "\n".join([setup, *commands, "report_power -digits 6", "exit", ""])
        (work / "power.tcl").write_text(script, encoding="utf-8")
        text = run_program("sta", ["-exit", "power.tcl"], folder=work, log="sta.log")
        (work / "power.tcl").unlink()  # megabytes, and made of what is there
        try:
            total, parts, sequential = read_report(text)
        except ValueError as error:
            raise ToolFailedError("sta", str(error), work / "sta.log") from None
        internal, switching, leakage = parts
        toggles = [each[0] for each in nets.values()]
        return Power(
            clock_mhz=1e3 / period_ns,
            milliwatts=total,
            internal=internal,
            switching=switching,
            leakage=leakage,
            sequential=sequential,
            nanojoules=total * period_ns * cycles / 1e3,
            images=images,
            toggles=sum(toggles) / len(toggles),
            wires="no wires" if wires_pf is None else "routed wires",
        )

    return cached(folder, depends, Power, make)


def _activities(
    pins: Mapping[tuple[str, str], str], nets: Mapping[str, tuple[float, float]]
) -> list[str]:
    """The commands that tell OpenSTA of each pin. What is constant does not toggle."""
    still = {"1'b0": (0.0, 0.0), "1'b1": (0.0, 1.0)}
    return [
        "sta::set_power_pin_activity [get_pins {}/{}] {:.6g} {:.6g}".format(
            cell, pin, *(still.get(net) or nets[net])
        )
        for (cell, pin), net in pins.items()
    ]


def read_report(text: str) -> tuple[float, tuple[float, float, float], float]:
    """Total, its parts (internal, switching, leakage) and that of flip-flops, all in mW, of
    OpenSTA's report. Raises ValueError, with its own line, if it is none.
    """
    found = {
        row[0]: [1e3 * float(value) for value in row[1:]]
        for row in re.findall(
            r"^(Sequential|Total)" + r"\s+(-?\d+\.\d+e[+-]\d+)" * 4, text, re.MULTILINE
        )
    }
    if set(found) != {"Sequential", "Total"}:
        lines = [line for line in text.splitlines() if line.startswith("Error")]
        raise ValueError(lines[0] if lines else "it reports no power")
    internal, switching, leakage, total = found["Total"]
    return total, (internal, switching, leakage), found["Sequential"][3]
