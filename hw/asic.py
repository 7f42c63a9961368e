"""``python -m hw.asic NETWORK --pdk osu018``: a network through an ASIC flow on this machine."""

import sys
from collections.abc import Sequence

from hw.explore.measure import Observation
from hw.flow.asic.flow import IMAGES, STEPS, asic_folder, run_flow
from hw.flow.asic.pdk import find_pdk, pdk_names
from hw.flow.asic.result import result
from hw.rtl.config import silicon_config_for, silicon_engine_names
from sw.cli import check_output, run, table, write_json
from sw.flags import megahertz, parser, positive_int
from sw.network import find
from sw.reports.page import publish
from sw.reports.result import command_line, folder_of
from sw.selection import Selection


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    options = parser(
        "Take a network through an ASIC flow with an open library.",
        dataset="the one the network was trained on",
        build=True,
        report=True,
    )
    options.add_argument("network", help="path of a network file, or a name in the zoo")
    options.add_argument(
        "--pdk", default="osu018", help=f"cell library: {pdk_names()} (default: %(default)s)"
    )
    options.add_argument("--engine", help=silicon_engine_names())
    options.add_argument(
        "--clock", metavar="MHZ", type=megahertz, help="clock (default: the library's)"
    )
    options.add_argument(
        "--images",
        metavar="N",
        type=positive_int,
        help=f"test images that the gates are simulated on (default: {IMAGES}, or all if there are "
        "fewer)",
    )
    options.add_argument(
        "--active",
        metavar="N",
        type=positive_int,
        default=20,
        help="of these, how many power is estimated from (default: %(default)s)",
    )
    options.add_argument(
        "--until",
        choices=list(STEPS),
        help="the last step (default: the last that the library has cells for)",
    )
    arguments = sys.argv[1:] if arguments is None else arguments
    args = options.parse_args(arguments)
    pdk = find_pdk(args.pdk)
    network = find(args.network)
    observation = Observation(network, Selection.of(args), silicon_config_for(network, args.engine))
    if not args.no_report:
        check_output(folder_of(network, args.build_dir), folder=True)
    report = run_flow(
        observation,
        pdk,
        clock=args.clock or pdk.clock,
        until=args.until or pdk.last_step,
        images=args.images,
        active=args.active,
        build_dir=args.build_dir,
        quiet=args.quiet,
    )
    if args.json:
        write_json(args.json, report)
    if not args.quiet:
        print(table(report.lines()))
    if not args.no_report:
        made = asic_folder(network, observation.config, pdk, args.build_dir)
        found = result(report, pdk, made, command_line("hw.asic", arguments))
        line = publish(network, args.network, folder_of(network, args.build_dir), [found])
        if not args.quiet:
            print(line)


if __name__ == "__main__":
    run(main)
