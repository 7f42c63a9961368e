"""``python -m hw.build --board B [NETWORK]``: from a network to a bitstream and its report."""

import argparse
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from hw.boards.clock import check_clock
from hw.boards.programmers import install_line
from hw.boards.table import Board, board_names, find_board
from hw.explore import search
from hw.explore.choice import config_on
from hw.explore.measure import Observation
from hw.flow.bitstream import BuildReport, bitstream_path, build
from hw.flow.errors import DesignError
from hw.flow.loading import weight_paths
from hw.flow.plan import commands, plan
from hw.flow.programming import find_programmer, program
from hw.flow.result import results
from hw.rtl.config import Config, default_config, engine_names
from sw.cli import UserError, check_output, run, table, write_json
from sw.flags import megahertz, parser
from sw.network import CODINGS, Network, find
from sw.reports.page import PAGE, publish
from sw.reports.result import command_line, folder_of
from sw.selection import Selection

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    options = parser(
        "Build a network's bitstream.",
        dataset="the one the network was trained on",
        build=True,
        seed="the board's",
        report=True,
    )
    options.add_argument("network", nargs="?", help="path or zoo name (default: the board's)")
    options.add_argument("--board", required=True, help=board_names())
    options.add_argument(
        "--clock",
        metavar="MHZ",
        type=megahertz,
        help="clock of the accelerator (default: the fastest that place and route reaches)",
    )
    options.add_argument("--engine", help=f"auto (design-space exploration), or {engine_names()}")
    search.add_flags(options)
    options.add_argument(
        "--program", action="store_true", help="then write it onto the board that is connected"
    )
    options.add_argument(
        "--dry-run", action="store_true", help="list what would be run and written"
    )
    arguments = sys.argv[1:] if arguments is None else arguments
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
        network = find(args.network or board.network, codings=CODINGS)
        designs = [(network, config_on(network, board, args.engine))]
        if designs[0][1].whole and not args.engine:
            log(f"{network.title} with {designs[0][1].name}, since --engine names none")
    if args.program and not args.dry_run and find_programmer(board) is None:
        tool = board.programmers[0].program
        log(f"{tool} is not installed, and --program needs it: {install_line(tool)}")
    if args.dry_run:
        for line in _dry_run(*designs[0], board, clock, args):
            print(line)
        return
    if not args.no_report:
        for network, _ in designs:
            check_output(folder_of(network, args.build_dir), folder=True)
    report, observation = _first_that_builds(designs, board, clock, args, log)
    if args.json:
        write_json(args.json, report)
    if not args.quiet:
        print(table(report.lines()), flush=True)
        print(_verification(observation, args.network or board.network), flush=True)
    if not args.no_report:
        network, command = observation.network, command_line("hw.build", arguments)
        folder = folder_of(network, args.build_dir)
        found = list(results(board, report, observation, folder=folder, command=command))
        log(publish(network, args.network or network.name, folder, found))
    if args.program:
        _program(report, board, args)


def _first_that_builds(
    designs: Sequence[tuple[Network, Config]],
    board: Board,
    clock: int | None,
    args: argparse.Namespace,
    log: Callable[[str], None],
) -> tuple[BuildReport, Observation]:
    """Builds the first design that place and route completes; returns its report, and what the
    network does on its data. Raises :class:`UserError` for the last design if there is none.
    """
    for number, (network, config) in enumerate(designs, 1):
        name = f"{network.title} with {config.name}"
        observation = Observation(network, Selection.of(args), config)
        if number > 1:
            log(f"next best: {name}")
        try:
            report = build(
                network,
                board,
                build_dir=args.build_dir,
                config=config,
                observation=observation,
                clock=clock,
                seed=args.seed,
                log=log,
            )
            return report, observation
        except DesignError as error:
            if number == len(designs):
                raise
            log(f"{name} cannot be built: {error}")
    raise AssertionError("there is no design")


def _verification(observation: Observation, name: str) -> str:
    """The command that compares the RTL of what was built with the golden model."""
    config = observation.config
    engine = "" if config == default_config(observation.network) else f" --engine {config.name}"
    return f"verify its RTL:   python -m sim.verify {shlex.quote(name)}{engine}"


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
    page = [] if args.no_report else [folder_of(network, args.build_dir) / PAGE]
    for path in (*paths, bitstream.with_name("report.json"), *page):
        yield f"  {path}"
    if args.program:
        image = weight_paths(network, board, config, bitstream).get("flash", bitstream)
        programmer = find_programmer(board) or board.programmers[0]
        yield f"  {shlex.join(programmer.command(image))}"


if __name__ == "__main__":
    run(main)
