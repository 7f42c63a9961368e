"""``python -m hw.export NETWORK``: a network as Verilog, see hw/flow/verilog.py."""

from collections.abc import Sequence

from hw.flow.verilog import TOP, export, export_folder, manifest
from hw.rtl.config import config_for, engine_names
from sw.cli import exclusive, run, write_json
from sw.flags import parser
from sw.network import find


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    options = parser(
        "Export a network as Verilog, with a JSON manifest.",
        build=True,
        out="export/<name>, with another engine <name>-<engine>",
    )
    options.add_argument("network", help="path of a network file, or a name in the zoo")
    options.add_argument("--engine", help=engine_names())
    args = options.parse_args(arguments)
    network = find(args.network)
    config = config_for(network, args.engine)
    folder = args.out or export_folder(network, config, args.build_dir)
    with exclusive(folder):
        path = export(network, folder, config)
    if args.json:
        write_json(args.json, manifest(network, config))
    if not args.quiet:
        print(f"{path}  (top {TOP}, {network.structure}, {network.weight_bits} weight bits)")


if __name__ == "__main__":
    run(main)
