"""The bundle: all files of a design for a flow, by their paths."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from hw.flow.bundle.constraints import constraints
from hw.flow.bundle.datasheet import datasheet
from hw.flow.bundle.design import Design
from hw.flow.bundle.flows.base import Flow, Paths
from hw.flow.bundle.templates import fill
from hw.flow.bundle.testbench import testbench
from hw.rtl.config import Config, default_config
from sw.cli import UserError, write_files
from sw.network import Network

__all__ = ["MANIFEST", "bundle", "check_folder", "default_folder", "write_bundle"]

MANIFEST = "manifest.json"
_DATASHEET = "datasheet.md"


def bundle(design: Design, flow: Flow) -> dict[str, str]:
    """The files of ``design`` for ``flow`` by their paths; the same arguments give the same bytes.

    Raises
    ------
    UserError
        The flow cannot take the design.
    """
    flow.check(design)
    paths, verilog = Paths(design, flow.sources), design.verilog
    files = {paths.rtl: verilog.text, paths.sdc: constraints(design)}
    if paths.models and paths.stubs:
        files[paths.models] = _macros(each.verilog for each in verilog.macros)
        files[paths.stubs] = _macros(each.stub for each in verilog.macros)
    bench = testbench(design, "tb")
    files |= bench
    files["Makefile"] = fill(
        "Makefile",
        TOP=design.top,
        RTL=paths.rtl,
        MODELS=paths.models or "",
        STUBS=paths.stubs or "",
        BENCH=f"tb/{design.top}_tb.v",
        DATASHEET=_DATASHEET,
    )
    files |= flow.files(design, paths)
    sources = [path for path in (paths.rtl, paths.stubs) if path]
    files[_DATASHEET] = datasheet(design, flow, sources)
    content = {
        **design.manifest,
        "sources": sources,
        "models": [paths.models] if paths.models else [],
        "constraints": paths.sdc,
        "test_bench": sorted(bench),
        "flow": flow.name,
        "options": dict(design.options),
        "clock_mhz": design.clock / 1e6,
        "pixel_port": design.pixel_port.name,
        "vectors": {"images": len(design.vectors), "source": design.vectors.source},
        "memories": {
            "ram_bits": design.ram_bits,
            "constant_bits": design.constant_bits,
            "tables": [
                {"what": what, "rows": rows, "width": width} for what, rows, width in design.tables
            ],
            "macros": [
                {"module": each.name, "kind": each.kind, "depth": each.depth, "width": each.width}
                for each in verilog.macros
            ],
        },
    }
    files[MANIFEST] = json.dumps(content, indent=2) + "\n"
    return dict(sorted(files.items()))


def _macros(modules: Iterable[str]) -> str:
    return (
        "// verilator lint_off DECLFILENAME\n`default_nettype none\n\n"
        + "\n".join(modules)
        + "\n`default_nettype wire\n"
    )


def default_folder(network: Network, config: Config, flow: str, build_dir: Path) -> Path:
    """Where a bundle goes by default: a folder for each network, engine and flow."""
    name = network.file_name
    if config != default_config(network):
        name += f"-{config.name}"
    return build_dir / "export" / (name if flow == "generic" else f"{name}-{flow}")


def check_folder(folder: Path) -> None:
    """Raises :class:`UserError` if there is something else in it than an earlier export."""
    if folder.exists() and not _listed(folder) and any(folder.iterdir()):
        raise UserError(f"{folder}: has files that are no export; name an empty folder")


def write_bundle(folder: Path, files: Mapping[str, str]) -> None:
    """Writes the files, all or none, and removes those that an earlier export has left there, with
    the folders that have none then, in a folder that :func:`check_folder` takes.
    """
    before = _listed(folder)
    content = dict(files)
    listing = json.loads(content[MANIFEST])
    listing["files"] = sorted(files)
    content[MANIFEST] = json.dumps(listing, indent=2) + "\n"
    write_files(folder, content)
    for name in before - set(files):
        (folder / name).unlink(missing_ok=True)
        for parent in Path(name).parents[:-1]:  # the last is the export's own folder
            if (folder / parent).is_dir() and not any((folder / parent).iterdir()):
                (folder / parent).rmdir()


def _listed(folder: Path) -> set[str]:
    """What an earlier export has written there."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if not {"network_sha256", "flow", "test_bench"} <= set(manifest):
            return set()  # other programs have manifests, too
        names = [Path(name) for name in manifest["files"]]
        return {str(name) for name in names if ".." not in name.parts and not name.is_absolute()}
    except (OSError, ValueError, KeyError, TypeError):
        return set()
