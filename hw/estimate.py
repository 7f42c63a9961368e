"""``python -m hw.estimate NETWORK --board B``: what a build would give, before any synthesis."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from hw.boards.table import Board, board_names, find_board
from hw.explore import search
from hw.explore.measure import measure, performance
from hw.explore.resources import remedies, resources_of, shortage
from hw.rtl.config import DEFAULT, Config, engine_names, find_config
from sw.cli import UserError, run, table, write_json
from sw.flags import parser, picture_file
from sw.network import Network, find

__all__ = ["estimate"]


def estimate(
    network: Network, board: Board, data_dir: Path | None = None, config: Config = DEFAULT
) -> dict[str, object]:
    """Size, fit and cycles of ``network`` on ``board``.

    Returns
    -------
    dict
        ``logic_cells`` is an estimate (hw/explore/resources.py), ``ebr`` and the cycles are exact.
        ``clock_mhz`` is a class, no more: what the board's own network reaches. ``shortage`` is
        what the board has too little of, ``remedies`` what would fit.
    """
    what = resources_of(network, config)
    short = shortage(what, board)
    figures = {
        "board": board.name,
        "network": network.name,
        "network_sha256": network.sha256,
        "engine": config.name,
        "logic_cells": what.logic_cells(board.family),
        "ebr": what.block_rams(board.family),
        "spram": what.spram(),
        "available": {
            "logic_cells": board.logic_cells,
            "ebr": board.memories,
            "spram": board.spram,
        },
        "fits": not short,
        "shortage": short,
        "remedies": remedies(network, what, board) if short else [],
        "clock_mhz": board.clock / 1e6,
    }
    return figures | measure(network, data_dir, config)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    options = parser("Estimate a network on a board, before any synthesis.", data=True)
    options.add_argument("network", nargs="?", help="path or zoo name (default: the board's)")
    options.add_argument("--board", help=f"{board_names()} (a search: default all)")
    options.add_argument("--engine", default="event", help=f"auto, or {engine_names()}")
    search.add_flags(options)
    options.add_argument(
        "--picture", metavar="FILE", type=picture_file, help="draw a search's result"
    )
    args = options.parse_args(arguments)
    board = find_board(args.board) if args.board else None
    if search.asked(args):
        _search(args, board)
        return
    if args.picture:
        raise UserError("--picture: draws the result of a search; add --engine auto or a limit")
    if board is None:
        raise UserError(f"--board is missing; name one of {board_names()}")
    network = find(args.network or board.network)
    figures = estimate(network, board, args.data_dir, find_config(args.engine))
    if args.json:
        write_json(args.json, figures)
    if args.quiet:
        return
    there = figures["available"]
    lines = [
        ("network", f"{network.title}, {network.structure}, {network.steps} steps"),
        ("board", f"{board.name} ({board.part})"),
        ("logic cells", f"about {figures['logic_cells']:,} of {there['logic_cells']:,}"),
        ("block RAMs", f"{figures['ebr']} of {there['ebr']}"),
        ("SPRAM", f"{figures['spram']} of {there['spram']}"),
        ("fmax class", f"{figures['clock_mhz']:g} MHz, as the board's own {board.network}"),
    ]
    lines += performance(figures)
    if figures["fits"]:
        lines.append(("fits", "yes"))
    else:
        lines.append(("fits", f"no: it needs {' and '.join(figures['shortage'])}"))
        lines += [("would fit", remedy) for remedy in figures["remedies"]]
    print(table(lines))


def _search(args: argparse.Namespace, board: Board | None) -> None:
    """Prints, writes and draws what is worth having."""
    say = (lambda text: None) if args.quiet else (lambda text: print(text, flush=True))
    there, chosen = search.from_flags(args, board, say)
    if args.json:
        write_json(args.json, search.figures(there, chosen))
    if args.picture:
        search.picture(args.picture, there, chosen)
    say(search.report(there, chosen))


if __name__ == "__main__":
    run(main)
