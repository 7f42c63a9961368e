"""``python -m hw.table``: builds each board's default network and writes docs/boards.md.

The page is written after each board and names those still to come. What was built before is not
built again, so a run that was stopped goes on where it was.
"""

from collections.abc import Sequence
from pathlib import Path

from hw.boards import BOARDS
from hw.build import build
from sw.cli import atomic_path, parser, run, write_json
from sw.network import Network, find

__all__ = ["interval", "page"]

_HEAD = """\
# Boards

Written by `python -m hw.table`, which builds each of them; nothing here was measured on a board.
Accuracy is strict, on all test images, by the golden model; `sim.verify` finds the RTL equal to
it, image by image. Cycles are counted from the last pixel accepted to the answer, over the same
images, encoder and ordering included, UART not. The clock is the fastest found that the PLL makes
and the design reaches; fmax is nextpnr's estimate for the slow corner. Cells include PLL, UART and
link.

| board | network | accuracy | cells | block RAMs | clock (fmax), MHz | cycles (worst) \
| time | at fmax |
|---|---|---|---|---|---|---|---|---|
"""
_STEADY = """

## One image after the other
The next image is loaded while this one is computed. Cycles from an image to the next by simulation
of the RTL, over the first {images} test images back to back. A UART of 1 Mbit/s carries far fewer.

| board | cycles an image | images/s at the board's clock |
|---|---|---|
"""
_STREAMED = 256  # images that are streamed to measure the interval


def page(reports: Sequence[dict[str, object]]) -> str:
    """The page for these reports, each with ``interval_cycles_mean`` beside what a build says.

    It says so of every board that has none.
    """
    rows = [
        f"| {r['board']} ({r['part']}) | {r['network']} | {r['accuracy']:.2%} "
        f"| {r['logic_cells']:,} of {r['available']['logic_cells']:,} "
        f"| {r['ebr']} of {r['available']['ebr']} "
        f"| {r['clock_mhz']:.7g} ({r['fmax_mhz']:.1f}) "
        f"| {r['cycles_mean']:.1f} ({r['cycles_max']}) "
        f"| {r['microseconds_mean']:.2f} µs | {r['microseconds_at_fmax_mean']:.2f} µs |"
        for r in reports
    ]
    steady = [
        f"| {r['board']} | {r['interval_cycles_mean']:.1f} "
        f"| {round(1e6 * r['clock_mhz'] / r['interval_cycles_mean'], -2):,.0f} |"
        for r in reports
    ]
    notes = [(r["board"], BOARDS[r["board"]].note) for r in reports if BOARDS[r["board"]].note]
    notes = [f"- {board}: {note}." for board, note in notes]
    tools = sorted({text for report in reports for text in _tools(report)})
    return (
        _HEAD
        + "\n".join(rows)
        + _missing(reports)
        + _STEADY.format(images=_STREAMED)
        + "\n".join(steady)
        + "\n".join(["\n\n## What to do first", *notes] if notes else [])
        + "\n\n## Made with\n"
        + "\n".join(f"- {text}" for text in tools)
        + "\n"
    )


def _missing(reports: Sequence[dict[str, object]]) -> str:
    names = [name for name in BOARDS if name not in {report["board"] for report in reports}]
    return f"\n\nNot built yet with this version: {', '.join(names)}." if names else ""


def _tools(report: dict[str, object]) -> list[str]:
    return [f"amaranth {v}" if k == "amaranth" else str(v) for k, v in report["tools"].items()]


def interval(network: Network, *, build_dir: Path, data_dir: Path | None = None) -> float:
    """Cycles from an image to the next, mean, of the first test images offered back to back."""
    import numpy as np

    from sim.simulator import Simulator
    from sw.data import load

    images = load(str(network.provenance["dataset"]), data_dir).test_images[:_STREAMED]
    records = Simulator.build(network, build_dir / "verify").run(images)
    # From last pixel to last pixel; the first images find empty buffers.
    return float(np.diff(records["accepted"][2:].astype(np.int64)).mean())


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    options = parser("Build every board and write the table.", data=True, build=True, seed=True)
    options.add_argument("--out", type=Path, default=Path("docs/boards.md"), metavar="FILE")
    args = options.parse_args(arguments)
    say = (lambda text: None) if args.quiet else (lambda text: print(text, flush=True))
    reports, intervals = [], {}
    for count, board in enumerate(BOARDS.values(), 1):
        network = find(board.network)
        say(f"[{count}/{len(BOARDS)}] {network.name} on {board.title}")
        places = {"build_dir": args.build_dir, "data_dir": args.data_dir}
        report = build(network, board, seed=args.seed, say=say, **places)
        if network.name not in intervals:
            intervals[network.name] = interval(network, **places)
        reports.append(report | {"interval_cycles_mean": intervals[network.name]})
        with atomic_path(args.out) as temporary:
            temporary.write_text(page(reports))
    if args.json:
        write_json(args.json, {"boards": reports})
    say(f"{args.out}: {len(reports)} boards")


if __name__ == "__main__":
    run(main)
