"""``python -m hw.table``: builds the rows of the boards' table and writes them to docs/results.md.

The section is written after each row and names those still to come. What was built before is not
built again, so a run that was stopped goes on where it was.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from hw.boards.table import BOARDS
from hw.flow.bitstream import bitstream_path, build
from hw.rtl.config import Config, find_config
from sw.cli import UserError, atomic_path, exclusive, run, write_json
from sw.flags import output_file, parser
from sw.network import Network, find

__all__ = ["ROWS", "Row", "interval", "section"]


class Row(NamedTuple):
    """What is built: a network on a board, by the engines that ``--engine`` names so."""

    board: str
    network: str
    engine: str = "event"

    @property
    def title(self) -> str:
        """For people."""
        return f"{self.board} with {self.network}, {self.engine}"


ROWS = (
    *(Row(board.name, board.network) for board in BOARDS.values()),
    Row("icebreaker", "mnist-784-600-10-t8", "folded-32-spram,event"),
    Row("ulx3s", "fsdd-700-256-10-t16"),
)

_BEGIN = "<!-- boards: written by python -m hw.table -->"
_END = "<!-- end of boards -->"
_HEAD = """\
## Boards
Written by `python -m hw.table`, which builds each of them; nothing here was measured on a board.
Accuracy is strict, on all test images, by the golden model; `sim.verify` finds the RTL equal to
it, image by image. Cycles are counted from the last pixel accepted to the answer, over the same
images, encoder and ordering included, UART not; of fsdd, spoken digits that come as events, from
the first event on, sent without a pause. The clock is the fastest found that the PLL makes and the
design reaches; fmax is nextpnr's estimate for the slow corner. Cells include PLL, UART and link.
There is no Nexus board: prjoxide, which writes its bitstreams, is not on PyPI.

| board | network | engine | accuracy | cells | block RAMs | SPRAM | clock (fmax), MHz \
| cycles (worst) | time | at fmax |
|---|---|---|---|---|---|---|---|---|---|---|
"""
_STEADY = """

### One image after the other
The next image is loaded while this one is computed. Cycles from an image to the next by simulation
of the RTL, over the first {images} test images back to back. A UART of 1 Mbit/s carries far fewer.

| board | network | cycles an image | images/s at the board's clock |
|---|---|---|---|
"""
_LIMIT = """

### Of the memories' limit
The weight bits that an answer needs, over what all memories of weights could give in its cycles.
From the last pixel this may be above 1, since the spikes of step 0 are read before it; then that of
what is left to read after it. Image after image a pixel a cycle is the limit, not the memories. Of
events all cycles count, from the first one on, so there the figure is the engine's own.

| board | network | weight bits an image | bits a cycle | from the last pixel | of what is left \
| image after image |
|---|---|---|---|---|---|---|
"""
_STREAMED = 256  # images that are streamed to measure the interval


def section(reports: Sequence[dict[str, object]]) -> str:
    """The section for these reports, each with ``interval_cycles_mean`` beside what a build says.

    It says so of every row that has none.
    """
    rows = [
        f"| {r['board']} ({r['part']}) | {r['network']} | {r['engine']} | {r['accuracy']:.2%} "
        f"| {r['logic_cells']:,} of {r['available']['logic_cells']:,} "
        f"| {r['ebr']} of {r['available']['ebr']} "
        f"| {_of(r['spram'], r['available']['spram'])} "
        f"| {r['clock_mhz']:.7g} ({r['fmax_mhz']:.1f}) "
        f"| {r['cycles_mean']:.1f} ({r['cycles_max']}) "
        f"| {r['microseconds_mean']:.2f} µs | {r['microseconds_at_fmax_mean']:.2f} µs |"
        for r in reports
    ]
    steady = [
        f"| {r['board']} | {r['network']} | {r['interval_cycles_mean']:.1f} "
        f"| {round(1e6 * r['clock_mhz'] / r['interval_cycles_mean'], -2):,.0f} |"
        for r in reports
    ]
    limit = [
        f"| {r['board']} | {r['network']} | {r['weight_bits_needed_mean']:,.0f} "
        f"| {r['weight_bits_a_cycle']:,} | {r['limit_fraction']:.2f} "
        f"| {r['limit_fraction_left']:.2f} | {_streamed_fraction(r):.2f} |"
        for r in reports
    ]
    notes = {r["board"]: BOARDS[r["board"]].note for r in reports}
    notes = [f"- {board}: {note}." for board, note in notes.items() if note]
    tools = sorted({text for report in reports for text in _tools(report)})
    return (
        _HEAD
        + "\n".join(rows)
        + _missing(reports)
        + _STEADY.format(images=_STREAMED)
        + "\n".join(steady)
        + _LIMIT
        + "\n".join(limit)
        + "\n".join(["\n\n### What to do first", *notes] if notes else [])
        + "\n\n### Made with\n"
        + "\n".join(f"- {text}" for text in tools)
        + "\n"
    )


def _of(used: int, there: int) -> str:
    return f"{used} of {there}" if there else ""


def _streamed_fraction(report: dict[str, object]) -> float:
    offered = report["interval_cycles_mean"] * report["weight_bits_a_cycle"]
    return report["weight_bits_needed_mean"] / offered


def _missing(reports: Sequence[dict[str, object]]) -> str:
    built = {(report["board"], report["network"], report["engine"]) for report in reports}
    titles = [row.title for row in ROWS if row not in built]
    return f"\n\nNot built yet with this version: {'; '.join(titles)}." if titles else ""


def _tools(report: dict[str, object]) -> list[str]:
    return [f"amaranth {v}" if k == "amaranth" else str(v) for k, v in report["tools"].items()]


def interval(
    network: Network, config: Config, *, build_dir: Path, data_dir: Path | None = None
) -> float:
    """Cycles from an image to the next, mean, of the first test images offered back to back."""
    import numpy as np

    from sim.verilator.simulator import Simulator
    from sw.data.registry import load_for

    inputs, _ = load_for(network, None, data_dir, _STREAMED)
    records = Simulator.build(network, build_dir / "verify", config=config).run(inputs)
    # From last pixel to last pixel, or first event to first; the first find empty buffers.
    return float(np.diff(records["accepted"][2:].astype(np.int64)).mean())


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    options = parser("Build every board and write the table.", data=True, build=True, seed=True)
    options.add_argument("--out", type=output_file, default=Path("docs/results.md"), metavar="FILE")
    args = options.parse_args(arguments)
    say = (lambda text: None) if args.quiet else (lambda text: print(text, flush=True))
    _around(args.out)  # a page with no place for the table is refused before all else
    reports, intervals = [], {}
    for count, row in enumerate(ROWS, 1):
        board, network, config = BOARDS[row.board], find(row.network), find_config(row.engine)
        say(f"[{count}/{len(ROWS)}] {network.title} on {board.title}")
        places = {"build_dir": args.build_dir, "data_dir": args.data_dir}
        with exclusive(bitstream_path(network, board, config, args.build_dir).parent):
            report = build(network, board, config=config, seed=args.seed, say=say, **places)
        if row[1:] not in intervals:
            intervals[row[1:]] = interval(network, config, **places)
        reports.append(report | {"interval_cycles_mean": intervals[row[1:]]})
        before, after = _around(args.out)
        with atomic_path(args.out) as temporary:
            temporary.write_text(before + section(reports) + after, encoding="utf-8")
    if args.json:
        write_json(args.json, {"boards": reports})
    say(f"{args.out}: {len(reports)} rows")


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
