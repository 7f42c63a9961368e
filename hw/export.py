"""``python -m hw.export NETWORK``: a folder that an ASIC flow takes as it is, docs/silicon.md."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hw.flow.asic.memories import KINDS, MACRO_BITS
from hw.flow.asic.rtl import PREFIX, check_prefix, silicon_verilog
from hw.flow.bundle.bundle import bundle, check_folder, default_folder, write_bundle
from hw.flow.bundle.design import Design
from hw.flow.bundle.flows.registry import FLOWS, find_flow
from hw.flow.vectors import Vectors
from hw.rtl.config import silicon_config_for, silicon_engine_names
from hw.rtl.pixel_port import PORTS, find_port
from sim import answers
from sw.cli import UserError, exclusive, printable, run, write_json
from sw.data.registry import load_for
from sw.encoder import Inputs, Spikes
from sw.flags import megahertz, parser, positive_int
from sw.network import CODINGS, Network, find
from sw.reports.result import portable_path
from sw.selection import Selection

__all__ = ["make_design"]


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    options = parser(
        "Export a network as Verilog that an ASIC flow takes as it is.",
        data=True,
        build=True,
        out="export/<name>, with the engine and the flow if they are not the default",
    )
    options.add_argument("network", help="path of a network file, or a name in the zoo")
    options.add_argument("--engine", help=silicon_engine_names())
    options.add_argument(
        "--flow",
        default="generic",
        metavar="FLOW",
        help=_choices({k: v.text for k, v in FLOWS.items()}),
    )
    options.add_argument(
        "--port", default="byte", help=_choices({k: v.text for k, v in PORTS.items()})
    )
    options.add_argument(
        "--prefix",
        default=PREFIX,
        help="top module, and what names begin with (default: %(default)s)",
    )
    options.add_argument(
        "--macros",
        choices=KINDS,
        help=f"memories of at least {MACRO_BITS:,} bits that are macros (default: none, all are "
        "logic and flip-flops)",
    )
    options.add_argument(
        "--loader",
        action="store_true",
        help="weights that are loaded come byte by byte, with a header and a checksum (default: "
        "words with their addresses)",
    )
    options.add_argument(
        "--clock",
        metavar="MHZ",
        type=megahertz,
        default=50_000_000,
        help="clock that the constraints ask for (default: 50)",
    )
    options.add_argument(
        "--vectors", type=positive_int, default=16, help="golden vectors (default: 16)"
    )
    options.add_argument("--author", default="firstspike", help="for flows that ask for one")
    for flow in FLOWS.values():
        for name, values in flow.options.items():
            options.add_argument(
                f"--{name}",
                help=f"of --flow {flow.name}: {', '.join(values)} (default: {values[0]})",
            )
    args = options.parse_args(arguments)
    flow, network = find_flow(args.flow), find(args.network, codings=CODINGS)
    config = silicon_config_for(network, args.engine)
    folder = args.out or default_folder(network, config, flow.name, args.build_dir)
    with exclusive(folder):
        check_folder(folder)
        design = make_design(network, args)
        files = bundle(design, flow)
        write_bundle(folder, files)
    if args.json:
        write_json(args.json, design.manifest)
    if not args.quiet:
        print(
            f"{folder / flow.sources / design.top}.v  (top {design.top}, {network.structure}, "
            f"{network.weight_bits} weight bits, {flow.name}; see {folder / 'datasheet.md'})"
        )


def make_design(network: Network, args: argparse.Namespace) -> Design:
    """The design that the command's flags ask for.

    Raises
    ------
    UserError
        A flag contradicts the network or the flow.
    """
    flow = find_flow(args.flow)
    given = {
        name: getattr(args, name)
        for each in FLOWS.values()
        for name in each.options
        if getattr(args, name) is not None
    }
    foreign = sorted(set(given) - set(flow.options))
    if foreign:
        owner = next(each.name for each in FLOWS.values() if foreign[0] in each.options)
        raise UserError(f"--{foreign[0]} is a flag of --flow {owner}, not of {flow.name}")
    chosen = flow.choose(given)
    if not args.author.strip():
        raise UserError(f"--author must be a name, not {args.author!r}")
    config = silicon_config_for(network, args.engine)
    flow.check_network(network, config)
    port = find_port(args.port)
    port.check(network, config.input(network))
    if args.loader and not config.loads(network):
        raise UserError(
            f"network {network.name!r}: {config.name} has no weights to load; leave out --loader"
        )
    verilog = silicon_verilog(
        network,
        config,
        prefix=check_prefix(args.prefix),
        port=port,
        loader=args.loader,
        macros=args.macros,
    )
    return Design(
        network=network,
        config=config,
        pixel_port=port,
        verilog=verilog,
        vectors=_vectors(network, args.vectors, args.data_dir),
        clock=args.clock,
        loader=args.loader,
        author=args.author,
        options=chosen,
    )


def _vectors(network: Network, count: int, data_dir: Path | None) -> Vectors:
    """The first test images of the network's own data if they are here, else images at random."""
    dataset = printable(portable_path(str(network.provenance["dataset"])))
    inputs: Inputs
    try:
        inputs, _ = load_for(network, Selection(data_dir=data_dir), count)
        source = f"first test examples of {dataset}"
    except UserError:
        inputs, source = _random(network, count), "inputs at random, seed 0"
    return Vectors(source=source, inputs=inputs, answer=answers.run_inputs(network, inputs))


def _random(network: Network, count: int) -> Inputs:
    rng = np.random.default_rng(0)
    shape = getattr(network.encoder, "image_shape", None)
    if shape is not None:
        return rng.integers(0, 256, (count, *shape)).astype(np.uint8)
    times = rng.integers(0, 2 * network.steps, (count, network.sizes[0]))
    return Spikes.from_times(np.minimum(times, network.steps).astype(np.int16), network.steps)


def _choices(texts: dict[str, str]) -> str:
    return "; ".join(f"{name}: {text}" for name, text in texts.items())


if __name__ == "__main__":
    run(main)
