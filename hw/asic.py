"""``python -m hw.asic NETWORK --pdk osu018``: a network through an ASIC flow on this machine."""

from collections.abc import Sequence

from hw.flow.asic.flow import STEPS, run_flow
from hw.flow.asic.pdk import find_pdk, pdk_names
from hw.rtl.config import config_for, engine_names
from sw.cli import run, table, write_json
from sw.flags import megahertz, parser
from sw.network import find


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    options = parser("Take a network through an ASIC flow with an open library.", build=True)
    options.add_argument("network", help="path of a network file, or a name in the zoo")
    options.add_argument(
        "--pdk", default="osu018", help=f"cell library: {pdk_names()} (default: %(default)s)"
    )
    options.add_argument("--engine", help=engine_names())
    options.add_argument(
        "--clock", metavar="MHZ", type=megahertz, help="clock (default: the library's)"
    )
    options.add_argument(
        "--until", choices=STEPS, default=STEPS[-1], help="the last step (default: %(default)s)"
    )
    args = options.parse_args(arguments)
    pdk = find_pdk(args.pdk)
    network = find(args.network)
    report = run_flow(
        network,
        config_for(network, args.engine),
        pdk,
        clock=args.clock or pdk.clock,
        until=args.until,
        build_dir=args.build_dir,
        log=(lambda text: None) if args.quiet else (lambda text: print(text, flush=True)),
    )
    if args.json:
        write_json(args.json, report)
    if not args.quiet:
        print(table(report.lines()))


if __name__ == "__main__":
    run(main)
