"""``python -m hw.estimate NETWORK --board B``: what a build would give, before any synthesis."""

from collections.abc import Sequence
from pathlib import Path

from hw.boards import Board, board_names, find_board
from hw.build import measure, performance
from hw.config import DEFAULT, Config, engine_names, find_config
from hw.fit import need, remedies, shortage
from sw.cli import parser, run, table, write_json
from sw.network import Network, find

__all__ = ["estimate"]


def estimate(
    network: Network, board: Board, data_dir: Path | None = None, config: Config = DEFAULT
) -> dict[str, object]:
    """Size, fit and cycles of ``network`` on ``board``.

    Returns
    -------
    dict
        ``logic_cells`` is an estimate (hw/fit.py), ``ebr`` and the cycles are exact.
        ``shortage`` is what the board has too little of, ``remedies`` what would fit.
    """
    what = need(network, config)
    short = shortage(what, board)
    figures = {
        "board": board.name,
        "network": network.name,
        "network_sha256": network.sha256,
        "engine": config.name,
        "logic_cells": what.logic_cells(board.family),
        "ebr": what.block_rams(board.family),
        "spram": 0,
        "available": {
            "logic_cells": board.logic_cells,
            "ebr": board.memories,
            "spram": board.spram,
        },
        "fits": not short,
        "shortage": short,
        "remedies": remedies(what, board) if short else [],
        "clock_mhz": board.clock / 1e6,
    }
    return figures | measure(network, data_dir, config)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    options = parser("Estimate a network on a board, before any synthesis.", data=True)
    options.add_argument("network", nargs="?", help="path or zoo name (default: the board's)")
    options.add_argument("--board", required=True, help=board_names())
    options.add_argument("--engine", default="event", help=engine_names())
    args = options.parse_args(arguments)
    board = find_board(args.board)
    network = find(args.network or board.network)
    figures = estimate(network, board, args.data_dir, find_config(args.engine))
    if args.json:
        write_json(args.json, figures)
    if args.quiet:
        return
    there = figures["available"]
    lines = [
        ("network", f"{network.name}, {network.structure}, {network.steps} steps"),
        ("board", f"{board.name} ({board.part})"),
        ("logic cells", f"about {figures['logic_cells']:,} of {there['logic_cells']:,}"),
        ("block RAMs", f"{figures['ebr']} of {there['ebr']}"),
    ]
    lines += performance(figures)
    if figures["fits"]:
        lines.append(("fits", "yes"))
    else:
        lines.append(("fits", f"no: it needs {' and '.join(figures['shortage'])}"))
        lines += [("would fit", remedy) for remedy in figures["remedies"]]
    print(table(lines))


if __name__ == "__main__":
    run(main)
