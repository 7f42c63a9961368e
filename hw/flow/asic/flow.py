"""The steps from a network to a layout, one after the other."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from hw.explore.measure import Observation
from hw.flow.asic.activity import ACTIVITY
from hw.flow.asic.gates import IMAGES, GateSimulation, enough_images, simulate
from hw.flow.asic.layout import WIRES, Checked, Placed, Routed, check, place, route
from hw.flow.asic.pdk import Pdk
from hw.flow.asic.power import Power, estimate_power
from hw.flow.asic.programs import program_version, require
from hw.flow.asic.report import NOTE, AsicReport
from hw.flow.asic.rtl import PREFIX, silicon_verilog
from hw.flow.asic.synthesis import CELLS, CELLS_JSON, NETLIST, Synthesis, synthesise
from hw.flow.asic.timing import Timing, analyse
from hw.flow.tools import tool_version
from hw.rtl.config import Config, default_config
from sw.cli import UserError, exclusive, write_json
from sw.network import Network
from sw.progress import elapsed

__all__ = ["IMAGES", "STEPS", "Flow", "asic_folder", "run_flow"]

# Each step, in order, with the programs that it needs beside Yosys.
STEPS = {
    "synthesis": (),
    "timing": ("sta",),
    "simulation": ("iverilog", "vvp"),
    "power": ("sta",),
    "placement": ("qflow", "tcsh", "blif2BSpice", "graywolf", "qrouter"),
    "routing": ("qflow", "tcsh", "qrouter", "sta"),
    "lvs": ("magic", "netgen-lvs"),
}


@dataclass(kw_only=True)
class Flow:
    """A network on its way: each step takes what those before it left in ``folder``, and is not
    repeated for the same inputs and tools.

    Parameters
    ----------
    observation : Observation
        Of the network, with its config and data.
    pdk : Pdk
    clock : Hz
    images, active : int
        Test images that the netlist is simulated on, and those whose activity is counted.
    folder : Path
    """

    observation: Observation
    pdk: Pdk
    clock: int
    images: int
    active: int
    folder: Path

    @cached_property
    def synthesis(self) -> Synthesis:
        """The netlist."""
        return synthesise(
            silicon_verilog(self.observation.network, self.observation.config).text,
            top=PREFIX,
            pdk=self.pdk,
            folder=self.folder / "synthesis",
            period_ns=self._period,
        )

    @cached_property
    def timing(self) -> Timing:
        """That of the netlist without wires."""
        return self._timing("timing", None)

    @cached_property
    def simulation(self) -> GateSimulation:
        """The netlist beside the golden model."""
        return simulate(
            self._made(NETLIST),
            self.observation,
            top=PREFIX,
            pdk=self.pdk,
            period_ns=self._period,
            images=self.images,
            active=self.active,
            folder=self.folder / "simulation",
        )

    @cached_property
    def power(self) -> Power:
        """That of the netlist without wires."""
        return self._power("power", None)

    @cached_property
    def placement(self) -> Placed:
        """Where cells lie."""
        return place(
            self._made(CELLS_JSON), top=PREFIX, pdk=self.pdk, folder=self.folder / "placement"
        )

    @cached_property
    def routing(self) -> Routed:
        """The layout."""
        return route(
            self.folder / "placement", top=PREFIX, pdk=self.pdk, folder=self.folder / "routing"
        )

    @cached_property
    def routed_timing(self) -> Timing:
        """That with the routed wires."""
        return self._timing("routed_timing", self.folder / "routing" / WIRES)

    @cached_property
    def routed_power(self) -> Power:
        """That with the routed wires."""
        return self._power("routed_power", self.folder / "routing" / WIRES)

    @cached_property
    def lvs(self) -> Checked:
        """Layout against netlist."""
        return check(self.folder / "routing", top=PREFIX, pdk=self.pdk, folder=self.folder / "lvs")

    @property
    def _period(self) -> float:
        """Of the clock, in ns."""
        return 1e9 / self.clock

    def _made(self, name: str) -> Path:
        """What synthesis left."""
        return self.folder / "synthesis" / name

    def _timing(self, name: str, wires: Path | None) -> Timing:
        return analyse(
            self._made(CELLS),
            top=PREFIX,
            pdk=self.pdk,
            period_ns=self._period,
            folder=self.folder / name,
            wires_pf=wires,
        )

    def _power(self, name: str, wires: Path | None) -> Power:
        simulation = self.simulation
        return estimate_power(
            self._made(CELLS),
            self._made(NETLIST),
            self.folder / "simulation" / ACTIVITY,
            top=PREFIX,
            pdk=self.pdk,
            period_ns=self._period,
            cycles=simulation.activity_cycles / simulation.activity_images,
            images=simulation.activity_images,
            folder=self.folder / name,
            wires_pf=wires,
        )


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
    images: int | None,
    active: int,
    build_dir: Path,
    quiet: bool = True,
) -> AsicReport:
    """Runs the steps up to ``until``, of :data:`STEPS`, and leaves ``report.json`` in
    :func:`asic_folder`. Parameters are those of :class:`Flow`; if ``images`` is None, they are
    :data:`IMAGES` or as many as there are.

    Raises
    ------
    UserError
        A program, the library or data are missing; before any work.
    ToolFailedError
        A program failed.
    """
    network, config = observation.network, observation.config
    order = list(STEPS)
    if order.index(until) > order.index(pdk.last_step):
        raise UserError(
            f"step {until!r}: --pdk {pdk.name} has cells for no step after {pdk.last_step!r}"
        )
    steps = order[: order.index(until) + 1]
    programs = list(dict.fromkeys(program for step in steps for program in STEPS[step]))
    pdk.file("lib")
    require(programs)
    count = enough_images(observation, images) if "simulation" in steps else 0
    with exclusive(asic_folder(network, config, pdk, build_dir)) as folder:
        flow = Flow(
            observation=observation,
            pdk=pdk,
            clock=clock,
            images=count,
            active=active,
            folder=folder,
        )
        for step in steps:
            with elapsed(step, quiet):
                getattr(flow, step)
        routed = "routing" in steps
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
            accuracy=_accuracy(observation) if "simulation" in steps else None,
            synthesis=flow.synthesis,
            timing=flow.timing if "timing" in steps else None,
            simulation=flow.simulation if "simulation" in steps else None,
            power=flow.power if "power" in steps else None,
            routed=flow.routing if routed else None,
            routed_timing=flow.routed_timing if routed else None,
            routed_power=flow.routed_power if routed else None,
            checked=flow.lvs if "lvs" in steps else None,
            tools={
                "yosys": tool_version("yosys"),
                **{name: program_version(name) for name in programs},
            },
            note=f"{pdk.note}: {NOTE}",
        )
        write_json(folder / "report.json", report)
    return report


def _accuracy(observation: Observation) -> float:
    return float(observation.answer.correct(observation.data[1]).mean())
