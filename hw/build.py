"""``python -m hw.build --board B [NETWORK]``: from a network to a bitstream and its report."""

import argparse
import shlex
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from hw.boards.clock import check_clock
from hw.boards.programmers import install_line
from hw.boards.table import Board, board_names, find_board
from hw.explore import search
from hw.flow.bitstream import BuildReport, bitstream_path, build
from hw.flow.errors import DesignError
from hw.flow.loading import weight_paths
from hw.flow.plan import commands, plan
from hw.flow.programming import find_programmer, program
from hw.rtl.config import Config, engine_names, find_config
from sw.cli import UserError, run, table, write_json
from sw.flags import megahertz, parser
from sw.network import Network, find
from sw.selection import Selection

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    options = parser(
        "Build a network's bitstream.",
        dataset="the one the network was trained on",
        build=True,
        seed="the board's",
    )
    options.add_argument("network", nargs="?", help="path or zoo name (default: the board's)")
    options.add_argument("--board", required=True, help=board_names())
    options.add_argument(
        "--clock",
        metavar="MHZ",
        type=megahertz,
        help="clock of the accelerator (default: the fastest that place and route reaches)",
    )
    options.add_argument(
        "--engine", default="event", help=f"auto (design-space exploration), or {engine_names()}"
    )
    search.add_flags(options)
    options.add_argument(
        "--program", action="store_true", help="then write it onto the board that is connected"
    )
    options.add_argument(
        "--dry-run", action="store_true", help="list what would be run and written"
    )
    args = options.parse_args(arguments)
    if args.dry_run and args.json:
        raise UserError("--json: a --dry-run gives no figures; leave one of them out")
    board = find_board(args.board)
    clock = None if args.clock is None else check_clock(board, args.clock)
    log = (lambda text: None) if args.quiet else (lambda text: print(text, flush=True))
    if search.asked(args):
        candidates = search.from_flags(args, board, log)
        designs = [(each.network, each.config) for each in candidates]
        log(f"{designs[0][0].title} with {designs[0][1].name}")
    else:
        designs = [(find(args.network or board.network), find_config(args.engine))]
    if args.program and not args.dry_run and find_programmer(board) is None:
        tool = board.programmers[0].program
        log(f"{tool} is not installed, and --program needs it: {install_line(tool)}")
    if args.dry_run:
        for line in _dry_run(*designs[0], board, clock, args):
            print(line)
        return
    report = _first_that_builds(designs, board, clock, args, log)
    if args.json:
        write_json(args.json, report)
    if not args.quiet:
        print(table(report.lines()), flush=True)
    if args.program:
        _program(report, board, args)


def _first_that_builds(
    designs: Sequence[tuple[Network, Config]],
    board: Board,
    clock: int | None,
    args: argparse.Namespace,
    log: Callable[[str], None],
) -> BuildReport:
    """Builds the first design that place and route completes. Raises :class:`UserError` for the
    last one if there is none.
    """
    for number, (network, config) in enumerate(designs, 1):
        name = f"{network.title} with {config.name}"
        if number > 1:
            log(f"next best: {name}")
        try:
            return build(
                network,
                board,
                build_dir=args.build_dir,
                config=config,
                data=Selection.of(args),
                clock=clock,
                seed=args.seed,
                log=log,
            )
        except DesignError as error:
            if number == len(designs):
                raise
            log(f"{name} cannot be built: {error}")
    raise AssertionError("there is no design")


def _program(report: BuildReport, board: Board, args: argparse.Namespace) -> None:
    """Writes the flash image, if weights are loaded from it, or the bitstream."""
    content = Path(report.loading.flash or report.bitstream)
    used = program(board, content, quiet=args.quiet)
    if not args.quiet:
        lost = "" if used.keeps else ", until power-off"
        print(f"{content} is in the board's {used.memory}{lost}")


def _dry_run(
    network: Network, config: Config, board: Board, clock: int | None, args: argparse.Namespace
) -> Iterator[str]:
    """What would be run and made, line by line."""
    bitstream = bitstream_path(network, board, config, args.build_dir)
    yield f"{network.title} ({network.structure}) on {board.title}, {board.part}:"
    for command in commands(plan(network, board, config=config, clock=clock, seed=args.seed)):
        yield f"  {shlex.join(command)}"
    paths = [bitstream, *weight_paths(network, board, config, bitstream).values()]
    for path in (*paths, bitstream.with_name("report.json")):
        yield f"  {path}"
    if args.program:
        image = weight_paths(network, board, config, bitstream).get("flash", bitstream)
        programmer = find_programmer(board) or board.programmers[0]
        yield f"  {shlex.join(programmer.command(image))}"


if __name__ == "__main__":
    run(main)
