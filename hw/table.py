"""``python -m hw.table``: builds each board's default network and writes docs/boards.md."""

from collections.abc import Sequence
from pathlib import Path

from hw.boards import BOARDS
from hw.build import build
from sw.cli import atomic_path, parser, run, write_json
from sw.network import find

__all__ = ["page"]

_HEAD = """\
# Boards

Written by `python -m hw.table`, which builds each of them; nothing here was measured on a board.
Accuracy is strict, on all {images:,} test images, by the golden model; `sim.verify` finds the RTL
equal to it, image by image. Cycles are counted from the last pixel accepted to the answer, over
the same images, encoder and ordering included, UART not; time is cycles at the board's clock. fmax
is nextpnr's estimate for the slow corner. Cells include PLL, UART and link.

| board | network | accuracy | cells | block RAMs | clock (fmax), MHz | cycles (worst) | time |
|---|---|---|---|---|---|---|---|
"""


def page(reports: Sequence[dict[str, object]]) -> str:
    """The page for these reports."""
    rows = [
        f"| {r['board']} ({r['part']}) | {r['network']} | {r['accuracy']:.2%} "
        f"| {r['logic_cells']:,} of {r['available']['logic_cells']:,} "
        f"| {r['ebr']} of {r['available']['ebr']} "
        f"| {r['clock_mhz']:g} ({r['fmax_mhz']:.1f}) | {r['cycles_mean']:.1f} ({r['cycles_max']}) "
        f"| {r['microseconds_mean']:.2f} µs |"
        for r in reports
    ]
    tools = "\n".join(f"- {text}" for text in sorted({t for r in reports for t in _tools(r)}))
    head = _HEAD.format(images=reports[0]["images"])
    return head + "\n".join(rows) + f"\n\nMade with\n{tools}\n"


def _tools(report: dict[str, object]) -> list[str]:
    return [f"amaranth {v}" if k == "amaranth" else str(v) for k, v in report["tools"].items()]


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    options = parser("Build every board and write the table.", data=True, build=True, seed=True)
    options.add_argument("--out", type=Path, default=Path("docs/boards.md"), metavar="FILE")
    args = options.parse_args(arguments)
    reports = [
        build(
            find(board.network),
            board,
            build_dir=args.build_dir,
            data_dir=args.data_dir,
            seed=args.seed,
            say=(lambda text: None) if args.quiet else print,
        )
        for board in BOARDS.values()
    ]
    with atomic_path(args.out) as temporary:
        temporary.write_text(page(reports))
    if args.json:
        write_json(args.json, {"boards": reports})


if __name__ == "__main__":
    run(main)
