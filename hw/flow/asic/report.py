"""What the flow made of a network."""

from dataclasses import dataclass

from hw.flow.asic.gates import GateSimulation
from hw.flow.asic.layout import Checked, Routed
from hw.flow.asic.power import Power
from hw.flow.asic.synthesis import Synthesis
from hw.flow.asic.timing import Timing
from sw.record import Record

__all__ = ["NOTE", "AsicReport"]

NOTE = "an estimate of what silicon would take, no sign-off"


@dataclass(frozen=True, kw_only=True)
class AsicReport(Record):
    """What the flow made of a network, as in ``report.json``. Of steps that were not run it has
    None.

    Parameters
    ----------
    network, network_sha256, layers : str
    steps, weight_bits : int
    engine, pdk : str
    node_nm : int
    volts : float
    clock_mhz : float
        What all steps aim at or assume.
    accuracy : float, or None
        Strict, on all test images of the data set, by the golden model.
    synthesis : Synthesis
    timing, simulation, power
        Of the netlist, without wires.
    routed : Routed, or None
    routed_timing, routed_power
        With the capacitance of the routed wires.
    checked : Checked, or None
        Layout against netlist.
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
    accuracy: float | None
    synthesis: Synthesis
    timing: Timing | None = None
    simulation: GateSimulation | None = None
    power: Power | None = None
    routed: Routed | None = None
    routed_timing: Timing | None = None
    routed_power: Power | None = None
    checked: Checked | None = None
    tools: dict[str, str]
    note: str

    def lines(self) -> list[tuple[str, object]]:
        """As human-readable text."""
        parts = (
            *(self.synthesis, self.timing, self.simulation, self.power),
            *(self.routed, self.routed_timing, self.routed_power, self.checked),
        )
        known = [] if self.accuracy is None else [f"{self.accuracy:.2%} of all test images"]
        return [
            ("network", f"{self.network}, {self.layers}, {self.steps} steps"),
            ("weight bits", f"{self.weight_bits:,}"),
            *(("accuracy, strict", text) for text in known),
            ("engine", self.engine),
            ("library", f"{self.pdk}, {self.node_nm} nm, {self.volts:g} V"),
            *(line for part in parts if part is not None for line in part.lines()),
            ("note", self.note),
        ]
