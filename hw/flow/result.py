"""What a build adds to the network's report page."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from hw.boards.table import Board
from hw.explore.measure import Observation
from hw.explore.resources import resources_of
from hw.flow.bitstream import BuildReport, work_folder
from hw.flow.implement import PLACEMENT
from hw.flow.placement import part_of
from sw.cli import UserError, read_json
from sw.data.registry import name_of
from sw.reports.floorplan import Placement
from sw.reports.result import Histogram, portable, read_results, versions_of
from sw.reports.sections.answers import evaluation_of
from sw.reports.sections.evaluation import Evaluation
from sw.reports.sections.hardware import Build, SlowestPath, Use
from sw.reports.sections.values import Values

__all__ = ["results", "slowest_path"]


def results(
    board: Board, report: BuildReport, observation: Observation, *, folder: Path, command: str
) -> Iterator[Build | Evaluation | Values]:
    """The build itself; and, where data were measured for it, what the network answers. What is
    known of the same bitstream is taken from ``folder``, where the page lies.
    """
    network = observation.network
    work = work_folder(Path(report.bitstream), board, report.implementation)
    versions = versions_of("numpy") | report.tools
    made = report.implementation
    build = Build(
        network_sha256=network.sha256,
        command=command,
        versions=versions,
        board=board.name,
        board_title=board.title,
        part=board.part,
        engine=report.engine,
        includes=report.includes,
        uses=tuple(_uses(board, report, observation)),
        clock_mhz=made.clock_mhz,
        fmax_mhz=made.fmax_mhz,
        slowest=slowest_path(work / "nextpnr.json"),
        placement_seed=made.placement_seed,
        router=made.router,
        bitstream=portable(report.bitstream),
        bitstream_sha256=made.bitstream_sha256,
        cycles=Histogram.of(observation.cycles) if observation.made else None,
        cycles_from=observation.config.input(network).cycles_from,
        accuracy=report.measurement.accuracy,
        images=report.measurement.images,
        note=portable(report.measurement.note),
        placement=_placement(work / PLACEMENT),
    )
    yield build if observation.made else _with_cycles(build, observation, folder)
    if observation.made:
        inputs, labels = observation.data
        yield evaluation_of(
            network,
            inputs,
            labels,
            observation.answer,
            dataset=name_of(network, observation.selection),
            command=command,
            versions=versions,
        )


def _with_cycles(build: Build, observation: Observation, folder: Path) -> Build:
    """With the latencies that are known of the same bitstream; else they are counted, if the data
    are there.
    """
    if build.images is None:
        return build
    for before in read_results(folder, Build, observation.network):
        if before.bitstream_sha256 == build.bitstream_sha256 and before.images == build.images:
            return replace(build, cycles=before.cycles)
    try:
        return replace(build, cycles=Histogram.of(observation.cycles))
    except UserError as error:
        return replace(build, note=portable(f"not measured: {error}"))


def _uses(board: Board, report: BuildReport, observation: Observation) -> Iterator[Use]:
    """Each resource of the part, beside the estimate of ``hw.estimate``."""
    estimate = resources_of(observation.network, observation.config)
    block_rams, spram = estimate.memories_on(board)
    used = report.implementation.utilisation
    for name, estimated, taken, available in (
        ("logic cells", estimate.logic_cells(board.family), used.logic_cells, board.logic_cells),
        ("block RAMs", block_rams, used.ebr, board.memories),
        ("SPRAM", spram, used.spram, board.spram),
    ):
        yield Use(name=name, estimated=estimated, used=taken, available=available)


def _placement(path: Path) -> Placement | None:
    try:
        return Placement.from_dict(read_json(path))
    except (OSError, ValueError):
        return None


def slowest_path(path: Path) -> SlowestPath | None:
    """The slowest of nextpnr's critical paths from register to register, in its report; None if
    there is none.
    """
    try:
        critical = json.loads(path.read_text(encoding="utf-8"))["critical_paths"]
        paths = [each["path"] for each in critical if "<async>" not in (each["from"], each["to"])]
        slowest = max(paths, key=lambda steps: sum(step["delay"] for step in steps))
        routing = sum(step["delay"] for step in slowest if step["type"] == "routing")
        return SlowestPath(
            begin=part_of(slowest[0]["from"]["cell"]),
            end=part_of(slowest[-1]["to"]["cell"]),
            logic=round(sum(step["delay"] for step in slowest) - routing, 3),
            routing=round(routing, 3),
        )
    except (OSError, ValueError, LookupError, TypeError):
        return None
