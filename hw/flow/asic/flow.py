"""The steps from a network to silicon, one after the other, and their report."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hw.explore.measure import Observation
from hw.flow.asic.activity import ACTIVITY
from hw.flow.asic.gates import GateSimulation, simulate
from hw.flow.asic.pdk import Pdk
from hw.flow.asic.power import Power, estimate_power
from hw.flow.asic.programs import program_version, require
from hw.flow.asic.rtl import PREFIX, silicon_verilog
from hw.flow.asic.synthesis import CELLS, NETLIST, Synthesis, synthesise
from hw.flow.asic.timing import Timing, analyse
from hw.flow.tools import tool_version
from hw.rtl.config import Config, default_config
from sw.cli import exclusive, write_json
from sw.network import Network
from sw.record import Record

__all__ = ["NOTE", "STEPS", "AsicReport", "asic_folder", "run_flow"]

# Each step, in order, and the programs that it needs beside Yosys.
STEPS = {
    "synthesis": (),
    "timing": ("sta",),
    "simulation": ("iverilog", "vvp"),
    "power": ("sta",),
}
NOTE = (
    "an open academic library and its cells' abstracts: an estimate of what silicon would take, "
    "no sign-off"
)


@dataclass(frozen=True, kw_only=True)
class AsicReport(Record):
    """What the flow made of a network, as in ``report.json``.

    Parameters
    ----------
    network, network_sha256, layers : str
    steps, weight_bits : int
    engine, pdk : str
    node_nm : int
    volts : float
    clock_mhz : float
        What all steps aim at or assume.
    synthesis : Synthesis
    timing, simulation, power
        None where the flow ended before.
    accuracy : float, or None
        Strict, on all test images of the data set, by the golden model.
    tools : dict of str to str
        Versions.
    note : str
        What this is.
    """

    network: str
    network_sha256: str
    layers: str
    steps: int
    weight_bits: int
    engine: str
    pdk: str
    node_nm: int
    volts: float
    clock_mhz: float
    synthesis: Synthesis
    timing: Timing | None
    simulation: GateSimulation | None
    power: Power | None
    accuracy: float | None
    tools: dict[str, str]
    note: str = NOTE

    def lines(self) -> list[tuple[str, object]]:
        """As human-readable text."""
        parts = (self.synthesis, self.timing, self.simulation, self.power)
        accuracy = "" if self.accuracy is None else f"{self.accuracy:.2%} of all test images"
        return [
            ("network", f"{self.network}, {self.layers}, {self.steps} steps"),
            ("weight bits", f"{self.weight_bits:,}"),
            *([("accuracy, strict", accuracy)] if accuracy else []),
            ("engine", self.engine),
            ("library", f"{self.pdk}, {self.node_nm} nm, {self.volts:g} V"),
            *(line for part in parts if part is not None for line in part.lines()),
            ("note", self.note),
        ]


def asic_folder(network: Network, config: Config, pdk: Pdk, build_dir: Path) -> Path:
    """Where :func:`run_flow` works: a folder for each network, engine and library."""
    engine = "" if config == default_config(network) else f"-{config.name}"
    return build_dir / "asic" / f"{network.file_name}{engine}-{pdk.name}"


def run_flow(
    observation: Observation,
    pdk: Pdk,
    *,
    clock: int,
    until: str,
    images: int,
    active: int,
    build_dir: Path,
    log: Callable[[str], None] = print,
) -> AsicReport:
    """Runs the steps up to ``until``, of :data:`STEPS`, and leaves ``report.json`` in
    :func:`asic_folder`. A step that was run before for the same inputs and tools is not repeated.

    Parameters
    ----------
    observation : Observation
        Of the network, with its config and data.
    clock : Hz
    images, active : int
        Test images that the netlist is simulated on, and those whose activity is counted.

    Raises
    ------
    UserError
        A program, the library or data are missing.
    ToolFailedError
        A program failed.
    """
    network, config = observation.network, observation.config
    pdk.file("lib")
    steps = list(STEPS)[: list(STEPS).index(until) + 1]
    for step in steps:
        require(STEPS[step])
    if "simulation" in steps:
        observation.data  # noqa: B018  what cannot be had is refused before any work
    made = f"{clock / 1e6:g} MHz"
    with exclusive(asic_folder(network, config, pdk, build_dir)) as folder:
        period = 1e9 / clock
        log(f"synthesis to {pdk.name}, for {made} …")
        verilog = silicon_verilog(network, config).text
        work = folder / "synthesis"
        synthesis = synthesise(verilog, top=PREFIX, pdk=pdk, folder=work, period_ns=period)
        cells, named = work / CELLS, work / NETLIST
        timing = simulation = power = None
        if "timing" in steps:
            log("timing …")
            timing = analyse(cells, top=PREFIX, pdk=pdk, period_ns=period, folder=folder / "timing")
        if "simulation" in steps:
            log(f"simulation of the gates on {images} test images …")
            simulation = simulate(
                named,
                observation,
                top=PREFIX,
                pdk=pdk,
                period_ns=period,
                images=images,
                active=active,
                folder=folder / "simulation",
            )
        if "power" in steps:
            assert simulation is not None
            log("power …")
            power = estimate_power(
                cells,
                named,
                folder / "simulation" / ACTIVITY,
                top=PREFIX,
                pdk=pdk,
                period_ns=period,
                cycles=simulation.activity_cycles / simulation.activity_images,
                images=simulation.activity_images,
                folder=folder / "power",
            )
        report = AsicReport(
            network=network.name,
            network_sha256=network.sha256,
            layers=network.structure,
            steps=network.steps,
            weight_bits=network.weight_bits,
            engine=config.name,
            pdk=pdk.name,
            node_nm=pdk.node_nm,
            volts=pdk.volts,
            clock_mhz=clock / 1e6,
            synthesis=synthesis,
            timing=timing,
            simulation=simulation,
            power=power,
            accuracy=_accuracy(observation) if "simulation" in steps else None,
            tools={
                "yosys": tool_version("yosys"),
                **{
                    name: program_version(name)
                    for name in dict.fromkeys(name for step in steps for name in STEPS[step])
                },
            },
        )
        write_json(folder / "report.json", report)
    return report


def _accuracy(observation: Observation) -> float:
    return float((observation.answer.label == observation.data[1]).mean())
