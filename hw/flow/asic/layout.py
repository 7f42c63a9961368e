"""Place and route of a netlist, and the check of what came of it, with the tools that qflow binds.

Graywolf places, qrouter routes, both through qflow's own scripts. Magic then extracts a netlist
from the routed layout, netgen compares it with the one that was placed (LVS), and Magic writes GDS.
The library has abstracts of its cells only: outlines, pins and blockages. So the layout's wires are
real, and what lies within the cells is not there.
"""

import json
import re
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hw.flow.asic.design_file import net_capacitances, read_def
from hw.flow.asic.pdk import Pdk
from hw.flow.asic.programs import QFLOW, program_version, run_program
from hw.flow.asic.step import cached
from hw.flow.errors import ToolFailedError
from hw.flow.implement import sha256_of
from sw.record import Record

__all__ = ["DEF", "GDS", "NAMES", "WIRES", "Checked", "Placed", "Routed", "check", "place", "route"]

DEF, GDS, NAMES, WIRES = "layout.def", "layout.gds", "names.json", "wires.tcl"

_SCRIPTS = Path("/usr/lib/qflow/scripts")
_SUPPLY, _GROUND = "vdd", "gnd"  # as the library's LEF names them


@dataclass(frozen=True, kw_only=True)
class Placed(Record):
    """Cells placed, and those that only fill rows."""

    cells: int
    fillers: int


@dataclass(frozen=True, kw_only=True)
class Routed(Record):
    """A routed layout.

    Parameters
    ----------
    width_um, height_um : float
    area_mm2 : float
    utilisation : float
        Share of the area that cells other than fillers take.
    nets : int
    wire_mm : float
        Length of all wires but the supply's.
    vias : int
    """

    width_um: float
    height_um: float
    area_mm2: float
    utilisation: float
    nets: int
    wire_mm: float
    vias: int

    def lines(self) -> list[tuple[str, object]]:
        """As human-readable text."""
        return [
            (
                "layout",
                f"{self.width_um:.0f} × {self.height_um:.0f} µm = {self.area_mm2:.4f} mm², "
                f"{self.utilisation:.0%} of it cells",
            ),
            ("wires", f"{self.wire_mm:,.1f} mm, {self.vias:,} vias, {self.nets:,} nets"),
        ]


@dataclass(frozen=True, kw_only=True)
class Checked(Record):
    """Layout against netlist.

    Parameters
    ----------
    matches : bool
    result : str
        netgen's own words.
    devices, nets : int
        Of the layout.
    """

    matches: bool
    result: str
    devices: int
    nets: int

    def lines(self) -> list[tuple[str, object]]:
        """As human-readable text."""
        return [("LVS", f"{self.result} {self.devices:,} cells, {self.nets:,} nets")]


def place(cells_json: Path, *, top: str, pdk: Pdk, folder: Path) -> Placed:
    """Places the netlist that synthesis left as JSON of Yosys. Leaves the name that each of its
    cells has in the layout in ``NAMES``.
    """
    depends = {
        "netlist": sha256_of(cells_json),
        "files": _library(pdk),
        "tools": [program_version(name) for name in ("qflow", "graywolf", "qrouter")],
    }

    def make(work: Path) -> Placed:
        module = json.loads(cells_json.read_text(encoding="utf-8"))["modules"][top]
        blif, names = to_blif(module, top)
        _project(work, pdk)
        (work / "synthesis" / f"{top}.blif").write_text(blif, encoding="utf-8")
        (work / "synthesis" / f"{top}_powerground").write_text(
            f'set vddnet="{_SUPPLY}"\nset gndnet="{_GROUND}"\n', encoding="utf-8"
        )
        (work / NAMES).write_text(json.dumps(names, indent=0), encoding="utf-8")
        (work / "synthesis" / f"{top}.spc").write_text(_spice(work, top, pdk), encoding="utf-8")
        shutil.copyfile(pdk.folder / f"{pdk.name}.par", work / "layout" / f"{top}.par")
        _script("placement.sh", ["-d"], work, top, f"layout/{top}.def")
        design = read_def((work / "layout" / f"{top}.def").read_text(encoding="utf-8"))
        return Placed(cells=len(names), fillers=len(design.cells) - len(names))

    return cached(folder, depends, Placed, make)


def route(placed: Path, *, top: str, pdk: Pdk, folder: Path) -> Routed:
    """Routes what :func:`place` left in the folder ``placed``. Leaves ``DEF`` and ``WIRES``."""
    depends = {
        "placed": sha256_of(placed / "layout" / f"{top}.def"),
        "files": _library(pdk),
        "tools": [program_version(name) for name in ("qflow", "qrouter")],
    }

    def make(work: Path) -> Routed:
        shutil.copytree(placed, work, dirs_exist_ok=True, ignore=_without_done)
        _project(work, pdk)
        _script("router.sh", [], work, top, f"layout/{top}.rc")
        text = (work / "layout" / f"{top}.def").read_text(encoding="utf-8")
        design = read_def(text)
        (work / DEF).write_text(text, encoding="utf-8")
        rc = net_capacitances((work / "layout" / f"{top}.rc").read_text(encoding="utf-8"))
        (work / WIRES).write_text(
            "".join(f"set_load -wire_load {pf:.6g} [get_nets {net}]\n" for net, pf in rc.items()),
            encoding="utf-8",
        )
        area = design.width * design.height
        names = json.loads((work / NAMES).read_text(encoding="utf-8"))
        taken = sum(pdk.areas[design.cells[name][0]] for name in names.values())
        return Routed(
            width_um=design.width,
            height_um=design.height,
            area_mm2=area / 1e6,
            utilisation=taken / area,
            nets=design.nets,
            wire_mm=sum(wire.length for wire in design.wires) / 1e3,
            vias=design.vias,
        )

    return cached(folder, depends, Routed, make)


def check(routed: Path, *, top: str, pdk: Pdk, folder: Path) -> Checked:
    """Extracts the layout that :func:`route` left and compares it with the netlist. Leaves ``GDS``.

    Raises
    ------
    ToolFailedError
        A tool fails; that netlists differ is a result.
    """
    schematic = routed / "synthesis" / f"{top}.spc"
    depends = {
        "layout": sha256_of(routed / DEF),
        "schematic": sha256_of(schematic),
        "script": _EXTRACT,
        "files": _library(pdk),
        "tools": [program_version(name) for name in ("magic", "netgen-lvs")],
    }

    def make(work: Path) -> Checked:
        shutil.copyfile(routed / DEF, work / f"{top}.def")
        script = _EXTRACT.format(lef=pdk.file("lef"), top=top)
        (work / "extract.tcl").write_text(script, encoding="utf-8")
        (technology,) = sorted(pdk.folder.glob("*.tech"))
        run_program(
            "magic",
            ["-dnull", "-noconsole", "-T", technology, "extract.tcl"],
            folder=work,
            log="magic.log",
            makes=[f"{top}.spice", f"{top}.gds"],
        )
        (work / f"{top}.gds").rename(work / GDS)
        setup = pdk.folder / f"{pdk.name}_setup.tcl"
        text = run_program(
            "netgen-lvs",
            [
                *("-batch", "lvs", f"{top}.spice {top}", f"{schematic.resolve()} {top}"),
                *(setup, "lvs.out", "-json", "-blackbox"),
            ],
            folder=work,
            log="netgen.log",
        )
        try:
            matches, result = read_comparison(text)
        except ValueError as error:
            raise ToolFailedError("netgen-lvs", str(error), work / "netgen.log") from None
        spice = (work / f"{top}.spice").read_text(encoding="utf-8").replace("\n+", "")
        body = spice.partition(f".subckt {top} ")[2]
        devices = [line.split()[1:-1] for line in re.findall(r"^X.*$", body, re.M)]
        for path in (*work.glob("*.ext"), *work.glob("*.mag"), work / f"{top}.def"):
            path.unlink()
        return Checked(
            matches=matches,
            result=result,
            devices=len(devices),
            nets=len({net for nets in devices for net in nets}),
        )

    return cached(folder, depends, Checked, make)


_EXTRACT = """
drc off
snap int
lef read {lef}
def read {top}
load {top}
select top cell
expand
extract all
ext2spice hierarchy on
ext2spice format ngspice
ext2spice scale off
ext2spice renumber off
ext2spice cthresh infinite
ext2spice rthresh infinite
ext2spice blackbox on
ext2spice subcircuit top auto
ext2spice global off
ext2spice
gds write {top}
quit -noprompt
"""


def read_comparison(text: str) -> tuple[bool, str]:
    """What netgen says: whether the netlists are the same, and its line. Raises ValueError if it
    compares nothing.
    """
    found = re.findall(r"^Result: (.*)$", text, re.M) or re.findall(
        r"^(Netlists do not match.*|.*[Tt]op level cell failed pin matching.*)$", text, re.M
    )
    if not found:
        raise ValueError("it compares nothing")
    return found[-1].startswith("Circuits match uniquely"), found[-1].strip()


def to_blif(module: dict[str, dict[str, Any]], top: str) -> tuple[str, dict[str, str]]:
    """A mapped netlist of Yosys as BLIF, and the name that qflow gives each cell: its kind, and
    its number among them in the order of the file. Constant pins go to the supply.
    """
    names: dict[int | str, str] = {"0": _GROUND, "1": _SUPPLY}
    for name, net in module["netnames"].items():
        (bit,) = net["bits"]
        if bit not in names or name in module["ports"]:
            names[bit] = name
    lines = [f".model {top}"]
    for keyword, direction in ((".inputs", "input"), (".outputs", "output")):
        ports = [name for name, port in module["ports"].items() if port["direction"] == direction]
        lines.append(" ".join([keyword, *ports]))
    count: Counter[str] = Counter()
    placed = {}
    for name, cell in module["cells"].items():
        count[cell["type"]] += 1
        placed[name] = f"{cell['type']}_{count[cell['type']]}"
        pins = (f"{pin}={names[bit]}" for pin, (bit,) in cell["connections"].items())
        lines.append(" ".join([".gate", cell["type"], *pins]))
    return "\n".join([*lines, ".end", ""]), placed


def _library(pdk: Pdk) -> list[str]:
    """Digests of the library's files that a layout depends on."""
    return [sha256_of(pdk.file(suffix)) for suffix in ("lef", "sp")]


def _without_done(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if name in ("done.json", "log")]


def _project(work: Path, pdk: Pdk) -> None:
    """A project of qflow in ``work``, where netlist and placement are, or are to be."""
    for name in ("source", "synthesis", "layout", "log"):
        (work / name).mkdir(exist_ok=True)
    at = work.resolve()
    places = {
        "projectpath": at,
        "techdir": pdk.folder,
        "sourcedir": at / "source",
        "synthdir": at / "synthesis",
        "layoutdir": at / "layout",
        "logdir": at / "log",
        "techname": pdk.name,
        "scriptdir": _SCRIPTS,
        "bindir": QFLOW,
    }
    text = "".join(f'set {name}="{value}"\n' for name, value in places.items())
    (work / "qflow_vars.sh").write_text(f"#!/usr/bin/tcsh -f\n{text}", encoding="utf-8")
    (work / "log" / "synth.log").write_text("made elsewhere\n", encoding="utf-8")


def _spice(work: Path, top: str, pdk: Pdk) -> str:
    """The netlist that was placed as SPICE."""
    blif = work / "synthesis" / f"{top}.blif"
    return run_program(
        "blif2BSpice",
        ["-i", "-p", _SUPPLY, "-g", _GROUND, "-l", pdk.file("sp"), blif.resolve()],
        folder=work,
        log="blif2BSpice.log",
    )


def _script(name: str, options: list[str], work: Path, top: str, makes: str) -> None:
    """Runs one of qflow's scripts on the project in ``work``."""
    arguments: list[str | Path] = ["-f", _SCRIPTS / name, *options, work.resolve(), top]
    log = f"{name.partition('.')[0]}.log"
    run_program("tcsh", arguments, folder=work, log=log, makes=[makes], minutes=600)
