"""From a network to a bitstream and its report: plan, clock search, tools, measurement."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from amaranth.build.run import BuildPlan

from hw.boards.clock import check_clock, needs_pll
from hw.boards.table import Board
from hw.explore.measure import Measurement, Observation
from hw.flow.clock_search import MARGIN, RUNS, search_clock
from hw.flow.implement import (
    Implementation,
    implement,
    packed_path,
    plan_digest,
    sha256_of,
    tool_versions,
)
from hw.flow.loading import Loading, write_weights
from hw.flow.plan import plan
from hw.rtl.config import DEFAULT, Config, default_config
from sw.cli import UserError, atomic_path, exclusive, read_json, write_json
from sw.network import Network
from sw.record import INLINE, Record
from sw.selection import TRAINED_ON

__all__ = [
    "BuildReport",
    "ClockSearch",
    "Duration",
    "bitstream_path",
    "build",
    "work_folder",
]


@dataclass(frozen=True, kw_only=True)
class ClockSearch(Record):
    """What a clock search was asked for: clock (Hz, None for the fastest), digest of the plan that
    it begins with, and how it goes on.
    """

    asked: int | None
    begins: str
    margin: float
    runs: int


@dataclass(frozen=True, kw_only=True)
class Duration(Record):
    """Latency in µs, at the board's clock and at fmax; None if it was not measured."""

    microseconds_mean: float | None
    microseconds_at_fmax_mean: float | None
    microseconds_max: float | None
    microseconds_at_fmax_max: float | None

    @classmethod
    def of(cls, measurement: Measurement, made: Implementation) -> "Duration":
        """That of the measured cycles."""
        mean, worst = measurement.cycles_mean, measurement.cycles_max
        return cls(
            microseconds_mean=mean and mean / made.clock_mhz,
            microseconds_at_fmax_mean=mean and mean / made.fmax_mhz,
            microseconds_max=worst and worst / made.clock_mhz,
            microseconds_at_fmax_max=worst and worst / made.fmax_mhz,
        )


@dataclass(frozen=True, kw_only=True)
class BuildReport(Record):
    """What was built, as in ``report.json``; ``includes`` says what the logic cells are of."""

    board: str
    part: str
    network: str
    network_sha256: str
    layers: str
    steps: int
    weight_bits: int
    engine: str
    bitstream: str
    implementation: Implementation = field(metadata=INLINE)
    includes: str
    tools: dict[str, str]
    seed: int
    search: ClockSearch
    loading: Loading = field(metadata=INLINE)
    measurement: Measurement = field(metadata=INLINE)
    duration: Duration = field(metadata=INLINE)

    def lines(self) -> list[tuple[str, object]]:
        """As human-readable text."""
        made = self.implementation
        return [
            ("board", f"{self.board} ({self.part})"),
            ("network", f"{self.network}, {self.layers}, {self.steps} steps"),
            ("network sha256", self.network_sha256),
            ("weight bits", f"{self.weight_bits:,}"),
            *made.utilisation.lines(),
            ("clock", f"{made.clock_mhz:g} MHz (reaches {made.fmax_mhz:g} MHz)"),
            *self.measurement.lines(made.clock_mhz),
            *(("tool", f"{name}: {text}") for name, text in self.tools.items()),
            ("bitstream", self.bitstream),
            *self.loading.lines(),
        ]


def bitstream_path(network: Network, board: Board, config: Config, build_dir: Path) -> Path:
    """Where :func:`build` puts the bitstream; the report lies beside it."""
    name = network.file_name
    folder = name if config == default_config(network) else f"{name}-{config.name}"
    return build_dir / board.name / folder / f"{name}.{board.family.suffix}"


def work_folder(bitstream: Path, board: Board, made: Implementation) -> Path:
    """Where the tools made a bitstream, with their files."""
    return packed_path(board, bitstream.parent / "work", made.clock_mhz).parent


def build(
    network: Network,
    board: Board,
    *,
    build_dir: Path,
    config: Config = DEFAULT,
    observation: Observation | None = None,
    clock: int | None = None,
    seed: int | None = None,
    log: Callable[[str], None] = print,
) -> BuildReport:
    """Makes ``<build_dir>/<board>/<network>/`` with the bitstream and ``report.json``.

    Without ``clock`` (Hz) the design runs at the fastest that the clock search finds, from the
    board's usual clock on; without ``seed`` placement begins with the board's. Without an
    ``observation`` data are looked for where they usually lie. Nothing is run if all is there and
    comes from the same plans and the same tools.

    Raises
    ------
    DesignError
        The clock is not met, the design is not routed, or synthesis makes it too large.
    UserError
        The network does not fit by its estimate, or a tool is missing or fails.
    """
    if clock is not None:
        check_clock(board, clock)
    tools = tool_versions(board)
    bitstream = bitstream_path(network, board, config, build_dir)
    report_path = bitstream.with_name("report.json")

    @cache
    def planned(at: int) -> tuple[BuildPlan, str]:
        the_plan = plan(network, board, config=config, clock=at, seed=seed)
        return the_plan, plan_digest(the_plan, tools)

    start = clock or board.clock
    asked = ClockSearch(asked=clock, begins=planned(start)[1], margin=MARGIN, runs=RUNS)
    with exclusive(bitstream.parent) as folder:
        before = _read(report_path, board)
        if before and _is_current(before, bitstream, asked, lambda at: planned(at)[1]):
            log(f"{bitstream} is up to date")
            made, measurement = before.implementation, before.measurement
        else:
            made = search_clock(
                board,
                start,
                lambda at: implement(
                    *planned(at), board=board, clock=at, folder=folder / "work", log=log
                ),
                runs=RUNS if clock is None else 1,
                log=log,
            )
            with atomic_path(bitstream) as temporary:
                shutil.copyfile(packed_path(board, folder / "work", made.clock_mhz), temporary)
            measurement = None
        observed = observation or Observation(network, TRAINED_ON, config)
        named = observed.selection.dataset is not None
        if measurement is None or measurement.accuracy is None or named:
            measurement = observed.measurement
        report = BuildReport(
            board=board.name,
            part=board.part,
            network=network.name,
            network_sha256=network.sha256,
            layers=network.structure,
            steps=network.steps,
            weight_bits=network.weight_bits,
            engine=config.name,
            bitstream=str(bitstream),
            implementation=made,
            includes=_included(network, board, config, made.clock),
            tools=tools,
            seed=board.seed if seed is None else seed,
            search=asked,
            loading=write_weights(network, board, config, bitstream),
            measurement=measurement,
            duration=Duration.of(measurement, made),
        )
        write_json(report_path, report)
    return report


def _included(network: Network, board: Board, config: Config, clock: int) -> str:
    """What the logic cells are of."""
    pll = "PLL, " if needs_pll(board, clock) else ""
    source = config.input(network)
    blocks = source.front_blocks if config.whole else source.blocks
    return f"{pll}UART link, {blocks}, all layers, decision"


def _read(path: Path, board: Board) -> BuildReport | None:
    """The report of the build before; None if there is none, or it is damaged."""
    try:
        report = BuildReport.from_dict(read_json(path))
        check_clock(board, report.implementation.clock)
    except (OSError, ValueError, OverflowError, UserError):
        return None
    return report


def _is_current(
    report: BuildReport, bitstream: Path, asked: ClockSearch, digest: Callable[[int], str]
) -> bool:
    """Whether a build need not be made again."""
    made = report.implementation
    return (
        report.search == asked
        and made.bitstream_sha256 == sha256_of(bitstream)
        and made.digest == digest(made.clock)
    )
