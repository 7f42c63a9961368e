"""Static timing analysis of a netlist, with OpenSTA."""

import re
from dataclasses import dataclass
from pathlib import Path

from hw.flow.asic.pdk import Pdk
from hw.flow.asic.programs import program_version, run_program
from hw.flow.asic.step import cached
from hw.flow.errors import ToolFailedError
from hw.flow.implement import sha256_of
from sw.record import Record

__all__ = ["Timing", "analyse", "linked"]

# The clock is ideal: nothing here makes a clock tree. Ports are registered next door: inputs come
# with the clock's edge, by a buffer, and outputs have until the next one.
_SETUP = """
read_liberty {liberty}
read_verilog {netlist}
link_design {top}
create_clock -name clk -period {period} [get_ports clk]
set inputs {{}}
foreach port [all_inputs] {{
  if {{[get_property $port full_name] != "clk"}} {{ lappend inputs $port }}
}}
set_driving_cell -lib_cell {driver} $inputs
set_input_delay 0 -clock clk $inputs
set_output_delay 0 -clock clk [all_outputs]
set_load {load} [all_outputs]
{wires}
"""
_REPORT = """
puts "SETUP"
report_checks -path_delay max -digits 4
puts "HOLD"
report_checks -path_delay min -digits 4
exit
"""


@dataclass(frozen=True, kw_only=True)
class Timing(Record):
    """Slack of the slowest path, and what follows.

    Parameters
    ----------
    clock_mhz : float
        The clock that was asked for.
    setup_slack_ns, hold_slack_ns : float
        Below 0: not met.
    fmax_mhz : float
        The clock at which the slowest path has no slack.
    begin, end : str
        First and last cell, or port, of the slowest path.
    cells : int
        That the slowest path goes through.
    wires : str
        What was assumed of them.
    """

    clock_mhz: float
    setup_slack_ns: float
    hold_slack_ns: float
    fmax_mhz: float
    begin: str
    end: str
    cells: int
    wires: str

    def lines(self) -> list[tuple[str, object]]:
        """As human-readable text."""
        met = "met" if min(self.setup_slack_ns, self.hold_slack_ns) >= 0 else "NOT met"
        return [
            (
                "timing",
                f"{self.clock_mhz:g} MHz {met}, {self.wires}: slack {self.setup_slack_ns:.2f} ns "
                f"(hold {self.hold_slack_ns:.2f}), reaches {self.fmax_mhz:.1f} MHz",
            ),
            ("  slowest path", f"{self.cells} cells, {self.begin} → {self.end}"),
        ]


def linked(
    netlist: Path, *, top: str, pdk: Pdk, period_ns: float, wires_pf: Path | None = None
) -> str:
    """The script that reads the netlist, the library and the constraints.

    Parameters
    ----------
    wires_pf : Path, optional
        A script with the capacitance of each net's wires, in pF; without it they have none.
    """
    return _SETUP.format(
        liberty=pdk.file("lib"),
        netlist=netlist.resolve(),
        top=top,
        period=f"{period_ns:.6g}",
        driver=pdk.driver,
        load=pdk.load_pf,
        wires="" if wires_pf is None else f"source {wires_pf.resolve()}",
    )


def analyse(
    netlist: Path,
    *,
    top: str,
    pdk: Pdk,
    period_ns: float,
    folder: Path,
    wires_pf: Path | None = None,
) -> Timing:
    """Analyses the netlist at its clock.

    Raises
    ------
    UserError
        OpenSTA or the library is missing.
    ToolFailedError
        OpenSTA fails, or finds no path.
    """
    script = linked(netlist, top=top, pdk=pdk, period_ns=period_ns, wires_pf=wires_pf) + _REPORT
    depends = {
        "script": script,
        "netlist": sha256_of(netlist),
        "wires": sha256_of(wires_pf) if wires_pf else "",
        "liberty": sha256_of(pdk.file("lib")),
        "sta": program_version("sta"),
    }

    def make(work: Path) -> Timing:
        (work / "timing.tcl").write_text(script, encoding="utf-8")
        text = run_program("sta", ["-exit", "timing.tcl"], folder=work, log="sta.log")
        try:
            return read_report(text, period_ns, "no wires" if wires_pf is None else "routed wires")
        except ValueError as error:
            raise ToolFailedError("sta", str(error), work / "sta.log") from None

    return cached(folder, depends, Timing, make)


def read_report(text: str, period_ns: float, wires: str) -> Timing:
    """What OpenSTA's report says. Raises ValueError, with its own line, if it has no paths."""
    _, _, rest = text.partition("SETUP\n")
    setup, _, hold = rest.partition("HOLD\n")
    slacks = [re.search(r"(-?\d+\.\d+)\s+slack", part) for part in (setup, hold)]
    ends = [re.search(rf"^{name}: (\S+)", setup, re.M) for name in ("Startpoint", "Endpoint")]
    if not all(slacks) or not all(ends):
        lines = [line for line in text.splitlines() if line.startswith("Error")]
        raise ValueError(lines[0] if lines else "it reports no paths")
    slack, hold_slack = (float(found[1]) for found in slacks if found)
    begin, end = (found[1] for found in ends if found)
    outputs = re.findall(r"^ .*[\^v] (\S+)/\w+ \(\w+\)$", setup.split("data arrival")[0], re.M)
    return Timing(
        clock_mhz=1e3 / period_ns,
        setup_slack_ns=slack,
        hold_slack_ns=hold_slack,
        fmax_mhz=round(1e3 / (period_ns - slack), 2),
        begin=begin,
        end=end,
        cells=len(set(outputs)),
        wires=wires,
    )
