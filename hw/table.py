"""``python -m hw.table``: builds the rows of the boards' table, and writes them to docs/results.md
and to hw/explore/routed.json, the designs that are known to route.

Both are written after each row; a row that is not built again stays as it was. What was built
before is not built again, so a stopped run resumes.
"""

import argparse
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from hw.boards.table import BOARDS, board_names, find_board
from hw.explore import search
from hw.explore.measure import Observation
from hw.explore.routed import PATH, Routed, read_routed, write_routed
from hw.flow.bitstream import BuildReport, build
from hw.flow.errors import DesignError
from hw.rtl.config import Config, find_config
from sw.cli import UserError, atomic_path, run, write_json
from sw.flags import megahertz, output_file, parser
from sw.network import CODINGS, Network, find
from sw.selection import TRAINED_ON, Selection

__all__ = ["ROWS", "Row", "initiation_interval", "section"]


class Row(NamedTuple):
    """What is built: a network on a board, by the engines that ``--engine`` names so."""

    board: str
    network: str
    engine: str = "event"

    @property
    def title(self) -> str:
        """As human-readable text."""
        return f"{self.board} with {self.network}, {self.engine}"


ROWS = (
    *(Row(board.name, board.network) for board in BOARDS.values()),
    Row("icebreaker", "mnist-784-600-10-t8", "folded-32-spram,event"),
    Row("ulx3s", "fsdd-700-256-10-t16"),
    Row("icestick", "mnist-1x28x28-16c3p1-f2-24c3p1-f2-20c3p1-f2-10-t4", "gather-16"),
    Row(
        "icebreaker",
        "mnist-1x28x28-16c3p1-f2-40c3p1-f2-32c3p1-f2-10-t4",
        "tiles-5-table-spram",
    ),
    Row("icebreaker", "mnist-1x28x28-32c3p1-f2-64c3p1-f2-128-10-t4", "tiles-4-spram"),
    Row("icebreaker", "mnist-1x28x28-16c5s2-32c3s2-10-k3", "bistable-32x4"),
    Row(
        "icebreaker",
        "mnist-1x28x28-32c3p1-m2-64c3p1-m2-128-10-k3",
        "bistable-64x1-spram",
    ),
    Row(
        "orangecrab",
        "mnist-1x28x28-32c3p1-f2-64c3p1-f2-128-10-t4",
        "tiles-8-table-distributed",
    ),
    Row(
        "ulx3s",
        "cifar10-3x32x32-72c3p1-72c3p1+1x8-m2-136c3p1-136c3p1+1x8-m2-208c3p1-208c3p1+1x8-m2-10-k4",
        "bistable-80x16",
    ),
    Row(
        "ulx3s",
        "cifar10-3x32x32-64c3p1-64c3p1+1x8-m2-128c3p1-128c3p1+1x8-m2-192c3p1-192c3p1+1x8-m2-10-k3",
        "bistable-128x16",
    ),
)

_BEGIN = "<!-- boards: written by python -m hw.table -->"
_END = "<!-- end of boards -->"
_HEAD = """\
## Boards
Written by `python -m hw.table`, which builds each of them; nothing here was measured on a board.
Accuracy is strict, on all test images, by the golden model; `sim.verify` finds the RTL equal to
it, image by image. Cycles are counted from the last pixel accepted to the result, over the same
images, encoder and ordering included, UART excluded; for fsdd, spoken digits as sensor events, from
the first event on, sent without a pause. The clock is the fastest found that the PLL makes and the
design reaches, of cifar10 one that was named; fmax is nextpnr's estimate for the slow corner. Cells
include PLL, UART and link.
There is no Nexus board: prjoxide, which writes its bitstreams, is not on PyPI.

| board | network | engine | accuracy | cells | block RAMs | SPRAM | clock (fmax), MHz \
| cycles (worst) | latency | at fmax |
|---|---|---|---|---|---|---|---|---|---|---|
"""
_THROUGHPUT = """

### Throughput
The next image streams in while this one is computed. The initiation interval is the cycles from an
image to the next by simulation of the RTL, over the first {images} test images back to back. A UART
of 1 Mbit/s carries far fewer.

| board | network | initiation interval, cycles | images/s at the board's clock |
|---|---|---|---|
"""
_BANDWIDTH = """

### Weight-memory bandwidth utilisation
The weight bits needed per image, over those that all weight memories can deliver in its cycles.
In the cycles from the last pixel on this may be above 1, since the spikes of step 0 are read before
it; the next column counts only the bits read after it. With images streamed, the input of one pixel
per cycle is the bottleneck, not the memories. With sensor events all cycles count, from the first
event on, so there the figure is the engine's own.

| board | network | weight bits per image | bits per cycle | from the last pixel on \
| bits after it only | streamed |
|---|---|---|---|---|---|---|
"""
_STREAMED = 256  # images that are streamed to measure the initiation interval


def section(designs: Iterable[Routed]) -> str:
    """The section of the page: of these designs those that are in :data:`ROWS`. It names the rows
    that are missing.
    """
    known = {design.key: design for design in designs}
    rows = [known[row] for row in ROWS if row in known]
    missing = [row.title for row in ROWS if row not in known]
    remarks = {design.board: BOARDS[design.board].note for design in rows}
    notes = [f"- {board}: {note}." for board, note in remarks.items() if note]
    tools = sorted({text for design in rows for text in _tools(design)})
    return (
        _HEAD
        + "\n".join(map(_size_row, rows))
        + (f"\n\nNot built yet with this version: {'; '.join(missing)}." if missing else "")
        + _THROUGHPUT.format(images=_STREAMED)
        + "\n".join(_throughput_row(design) for design in rows if design.interval_cycles_mean)
        + _BANDWIDTH
        + "\n".join(_bandwidth_row(design) for design in rows if design.interval_cycles_mean)
        + "\n".join(["\n\n### Before first use", *notes] if notes else [])
        + "\n\n### Tools\n"
        + "\n".join(f"- {text}" for text in tools)
        + "\n"
    )


def _size_row(design: Routed) -> str:
    used, measured = design.utilisation, design.measurement
    available = used.available
    assert measured.cycles_mean is not None
    spram = f"{used.spram} of {available.spram}" if available.spram else ""
    return (
        f"| {design.board} ({BOARDS[design.board].part}) | {design.network} | {design.engine} "
        f"| {measured.accuracy:.2%} "
        f"| {used.logic_cells:,} of {available.logic_cells:,} "
        f"| {used.ebr} of {available.ebr} | {spram} "
        f"| {design.clock_mhz:.7g} ({design.fmax_mhz:.1f}) "
        f"| {measured.cycles_mean:.1f} ({measured.cycles_max}) "
        f"| {measured.cycles_mean / design.clock_mhz:.2f} µs "
        f"| {measured.cycles_mean / design.fmax_mhz:.2f} µs |"
    )


def _throughput_row(design: Routed) -> str:
    interval = design.interval_cycles_mean
    assert interval is not None
    return (
        f"| {design.board} | {design.network} | {interval:.1f} "
        f"| {round(1e6 * design.clock_mhz / interval, -2):,.0f} |"
    )


def _bandwidth_row(design: Routed) -> str:
    measured = design.measurement
    assert design.interval_cycles_mean is not None
    assert measured.weight_bits_a_cycle is not None
    assert measured.weight_bits_needed_mean is not None
    offered = design.interval_cycles_mean * measured.weight_bits_a_cycle
    return (
        f"| {design.board} | {design.network} | {measured.weight_bits_needed_mean:,.0f} "
        f"| {measured.weight_bits_a_cycle:,} | {measured.limit_fraction:.2f} "
        f"| {measured.limit_fraction_left:.2f} "
        f"| {measured.weight_bits_needed_mean / offered:.2f} |"
    )


def _tools(design: Routed) -> list[str]:
    return [f"amaranth {v}" if k == "amaranth" else v for k, v in design.tools.items()]


def initiation_interval(
    network: Network, config: Config, *, build_dir: Path, data: Selection = TRAINED_ON
) -> float:
    """Cycles from an image to the next, mean, of the first test images offered back to back."""
    import numpy as np

    from sim.verilator.simulator import Simulator
    from sw.data.registry import load_for

    inputs, _ = load_for(network, data, _STREAMED)
    records = Simulator.build(network, build_dir / "verify", config=config).run(inputs)
    # From last pixel to last pixel, or first event to first; at the first ones buffers are empty.
    return float(np.diff(records["accepted"][2:].astype(np.int64)).mean())


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    options = parser(
        "Build every board and write the table.", data=True, build=True, seed="the boards'"
    )
    options.add_argument("--out", type=output_file, default=Path("docs/results.md"), metavar="FILE")
    options.add_argument(
        "--designs",
        type=output_file,
        default=PATH,
        metavar="FILE",
        help="the designs known to route (default: those of hw.estimate)",
    )
    what = options.add_mutually_exclusive_group()
    what.add_argument(
        "--add",
        nargs=3,
        metavar=("BOARD", "NETWORK", "ENGINE"),
        help=f"build this design only, and add it; BOARD is {board_names()}",
    )
    what.add_argument(
        "--searched",
        action="store_true",
        help="build what the design-space exploration chooses for each board and goal, and add it",
    )
    what.add_argument(
        "--page",
        action="store_true",
        help="write the page from the known designs, and build nothing",
    )
    options.add_argument(
        "--clock",
        metavar="MHZ",
        type=megahertz,
        help="with --add: clock of the accelerator (default: the fastest that place and route "
        "reaches)",
    )
    args = options.parse_args(arguments)
    if args.clock is not None and not args.add:
        raise UserError("--clock: is of one design; name it with --add")
    log = (lambda text: None) if args.quiet else (lambda text: print(text, flush=True))
    _around(args.out)  # a page with no place for the table is refused before all else
    designs = {design.key: design for design in read_routed(args.designs)}
    rows = [] if args.page else _wanted(args, log)
    intervals: dict[tuple[str, ...], float] = {}
    for count, row in enumerate(rows, 1):
        board, network = find_board(row.board), find(row.network, codings=CODINGS)
        config = find_config(row.engine)
        log(f"[{count}/{len(rows)}] {network.title} on {board.title}")
        data = Selection(data_dir=args.data_dir)
        try:
            report = build(
                network,
                board,
                build_dir=args.build_dir,
                config=config,
                observation=Observation(network, data, config),
                clock=args.clock,
                seed=args.seed,
                log=log,
            )
        except DesignError as error:
            if row in ROWS:
                raise
            log(f"{row.title}: {error}")
            continue
        if row in ROWS and row[1:] not in intervals:
            intervals[row[1:]] = initiation_interval(
                network, config, build_dir=args.build_dir, data=data
            )
        design = _routed(report, intervals.get(row[1:]))
        designs[design.key] = design
        _write(args.out, args.designs, designs)
    _write(args.out, args.designs, designs)
    if args.json:
        write_json(args.json, {"boards": [design.to_dict() for design in designs.values()]})
    log(f"{args.out}: {sum(row in designs for row in ROWS)} rows; {len(designs)} designs")


def _wanted(args: argparse.Namespace, log: Callable[[str], None]) -> list[Row]:
    """The designs that the flags name, each once."""
    if args.add:
        board, network, engine = args.add
        named = find(network, codings=CODINGS).name
        return [Row(find_board(board).name, named, find_config(engine).name)]
    if not args.searched:
        return list(ROWS)
    rows = [
        Row(chosen.board.name, chosen.network.name, chosen.config.name)
        for board in BOARDS.values()
        for chosen in search.chosen_by_goal(board, args.data_dir, log)
    ]
    return list(dict.fromkeys(rows))


def _routed(report: BuildReport, interval: float | None) -> Routed:
    """What is kept of a build."""
    made = report.implementation
    return Routed(
        board=report.board,
        network=report.network,
        network_sha256=report.network_sha256,
        engine=report.engine,
        utilisation=made.utilisation,
        fmax_mhz=made.fmax_mhz,
        clock_mhz=made.clock_mhz,
        placement_seed=made.placement_seed,
        router=made.router,
        digest=made.digest,
        measurement=report.measurement,
        interval_cycles_mean=interval,
        tools=report.tools,
    )


def _write(page: Path, path: Path, designs: dict[tuple[str, str, str], Routed]) -> None:
    """Table and page, the designs in the order of the page, then by name."""
    order: dict[tuple[str, str, str], int] = {row: place for place, row in enumerate(ROWS)}
    inside = sorted(designs.values(), key=lambda each: (order.get(each.key, len(order)), each.key))
    write_routed(inside, path)
    before, after = _around(page)
    with atomic_path(page) as temporary:
        temporary.write_text(before + section(inside) + after, encoding="utf-8")


def _around(path: Path) -> tuple[str, str]:
    """What a page has before and after the section."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; name another --out") from None
    before, begin, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not end:
        raise UserError(f"{path}: put the lines {_BEGIN} and {_END} where the table belongs")
    return f"{before}{begin}\n", f"{end}{after}"


if __name__ == "__main__":
    run(main)
