"""The steps from a network to silicon, one after the other, and their report."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hw.flow.asic.pdk import Pdk
from hw.flow.asic.synthesis import Synthesis, synthesise
from hw.flow.tools import tool_version
from hw.flow.verilog import TOP, to_verilog
from hw.rtl.config import Config, default_config
from sw.cli import exclusive, write_json
from sw.network import Network
from sw.record import Record

__all__ = ["NOTE", "STEPS", "AsicReport", "asic_folder", "run_flow"]

STEPS = ("synthesis",)
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
    clock_mhz : float
        What all steps aim at or assume.
    synthesis : Synthesis
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
    clock_mhz: float
    synthesis: Synthesis
    tools: dict[str, str]
    note: str = NOTE

    def lines(self) -> list[tuple[str, object]]:
        """As human-readable text."""
        return [
            ("network", f"{self.network}, {self.layers}, {self.steps} steps"),
            ("weight bits", f"{self.weight_bits:,}"),
            ("engine", self.engine),
            ("library", f"{self.pdk}, {self.node_nm} nm"),
            *self.synthesis.lines(),
            ("note", self.note),
        ]


def asic_folder(network: Network, config: Config, pdk: Pdk, build_dir: Path) -> Path:
    """Where :func:`run_flow` works: a folder for each network, engine and library."""
    engine = "" if config == default_config(network) else f"-{config.name}"
    return build_dir / "asic" / f"{network.file_name}{engine}-{pdk.name}"


def run_flow(
    network: Network,
    config: Config,
    pdk: Pdk,
    *,
    clock: int,
    until: str,
    build_dir: Path,
    log: Callable[[str], None] = print,
) -> AsicReport:
    """Runs the steps up to ``until``, of :data:`STEPS`, and leaves ``report.json`` in
    :func:`asic_folder`. A step that was run before for the same inputs and tools is not repeated.

    Parameters
    ----------
    clock : Hz

    Raises
    ------
    UserError
        A program or the library is missing.
    ToolFailedError
        A program failed.
    """
    pdk.file("lib")
    period_ns = 1e9 / clock
    with exclusive(asic_folder(network, config, pdk, build_dir)) as folder:
        log(f"synthesis to {pdk.name}, for {clock / 1e6:g} MHz …")
        synthesis = synthesise(
            to_verilog(network, config),
            top=TOP,
            pdk=pdk,
            folder=folder / "synthesis",
            period_ns=period_ns,
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
            clock_mhz=clock / 1e6,
            synthesis=synthesis,
            tools={"yosys": tool_version("yosys")},
        )
        write_json(folder / "report.json", report)
    return report
