"""``python -m hw.build --board B [NETWORK]``: from a network to a bitstream and its report."""

from collections.abc import Sequence

from hw.boards.clock import check_clock
from hw.boards.table import board_names, find_board
from hw.explore import search
from hw.explore.measure import performance
from hw.flow.bitstream import bitstream_path, build, commands, plan, weight_paths
from hw.rtl.config import engine_names, find_config
from sw.cli import UserError, exclusive, run, table, write_json
from sw.flags import megahertz, parser
from sw.network import find

__all__ = ["summary"]


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    options = parser("Build a network's bitstream.", data=True, build=True, seed=True)
    options.add_argument("network", nargs="?", help="path or zoo name (default: the board's)")
    options.add_argument("--board", required=True, help=board_names())
    options.add_argument(
        "--clock",
        metavar="MHZ",
        type=megahertz,
        help="clock of the accelerator (default: the fastest that place and route reaches)",
    )
    options.add_argument("--engine", default="event", help=f"auto, or {engine_names()}")
    search.add_flags(options)
    options.add_argument("--dry-run", action="store_true", help="list what would be made")
    args = options.parse_args(arguments)
    if args.dry_run and args.json:
        raise UserError("--json: a --dry-run gives no figures; leave one of them out")
    board = find_board(args.board)
    clock = None if args.clock is None else check_clock(board, args.clock)
    say = (lambda text: None) if args.quiet else (lambda text: print(text, flush=True))
    if search.asked(args):
        _, chosen = search.from_flags(args, board, say)
        network, config = chosen.network, chosen.config
        say(f"{network.title} with {config.name}")
    else:
        network, config = find(args.network or board.network), find_config(args.engine)
    bitstream = bitstream_path(network, board, config, args.build_dir)
    if args.dry_run:
        print(f"{network.title} ({network.structure}) on {board.title}, {board.part}:")
        for command in commands(plan(network, board, config=config, clock=clock, seed=args.seed)):
            print("  " + " ".join(command))
        paths = [bitstream, *weight_paths(network, board, config, bitstream).values()]
        for path in (*paths, bitstream.with_name("report.json")):
            print(f"  {path}")
        return
    with exclusive(bitstream.parent):
        report = build(
            network,
            board,
            build_dir=args.build_dir,
            config=config,
            data_dir=args.data_dir,
            clock=clock,
            seed=args.seed,
            say=say,
        )
    if args.json:
        write_json(args.json, report)
    if not args.quiet:
        print(summary(report))


def summary(report: dict[str, object]) -> str:
    """The report for people."""
    there = report["available"]
    lines = [
        ("board", f"{report['board']} ({report['part']})"),
        ("network", f"{report['network']}, {report['layers']}, {report['steps']} steps"),
        ("network sha256", report["network_sha256"]),
        ("bits of weights", f"{report['weight_bits']:,}"),
        ("logic cells", f"{report['logic_cells']:,} of {there['logic_cells']:,}"),
        ("block RAMs", f"{report['ebr']} of {there['ebr']}"),
        ("SPRAM", f"{report['spram']} of {there['spram']}"),
        ("clock", f"{report['clock_mhz']:g} MHz (reaches {report['fmax_mhz']:g} MHz)"),
    ]
    lines += performance(report)
    lines += [("tool", f"{name}: {text}") for name, text in report["tools"].items()]
    lines.append(("bitstream", report["bitstream"]))
    meaning = {
        "host": "weights by link",
        "flash": "all to flash",
        "weights": "weights to flash",
    }
    lines += [(meaning[name], text) for name, text in report.get("commands", {}).items()]
    return table(lines)


if __name__ == "__main__":
    run(main)
