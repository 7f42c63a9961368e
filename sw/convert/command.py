"""``python -m sw.convert SOURCE --out FILE``: from PyTorch, QONNX or NIR to a network, and to NIR.
With ``--method`` an ANN becomes a spiking network with real weights, which is simulated
(:mod:`sw.convert.ann`).

The kind of source and result is known by its name: ``*.nir`` is NIR, ``*.onnx`` QONNX,
``*.py:NAME`` a module of PyTorch that the Python file makes, anything else a network.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace

from sw import cli
from sw.ann.names import METHOD_NAMES
from sw.convert import ann, nir_export
from sw.convert.comparison import Comparison, compare
from sw.convert.sources import convert, refuse
from sw.data import registry
from sw.flags import (
    finite,
    input_file,
    natural,
    output_file,
    parser,
    picture_file,
    positive_float,
    positive_int,
    setting,
)
from sw.selection import Selection

__all__ = ["main"]


def arguments() -> argparse.ArgumentParser:
    flags = parser(
        "Convert a network from PyTorch, QONNX or NIR, or to NIR; or an ANN to spikes.",
        dataset="as the source says, or --check",
    )
    flags.add_argument(
        "source",
        metavar="SOURCE",
        help="FILE.nir; FILE.onnx; FILE.py:NAME, a module of PyTorch or a function that gives one, "
        "in a Python file that is run; or a network to export, by its file or its name in the zoo; "
        "with --method FILE.py:NAME or an ANN of sw.train_ann",
    )
    flags.add_argument(
        "--out",
        metavar="FILE",
        type=output_file,
        help="FILE.safetensors, a network, or FILE.nir; is needed, but for --method",
    )
    flags.add_argument(
        "--weights",
        metavar="FILE",
        type=input_file,
        help="a state_dict for the module of PyTorch (torch.save); only tensors are read",
    )
    flags.add_argument("--steps", metavar="N", type=positive_int, help="T (default: the source's)")
    flags.add_argument(
        "--pool", type=positive_int, choices=(1, 2, 4), help="average squares of pixels (default 1)"
    )
    flags.add_argument(
        "--silent-below",
        metavar="N",
        type=natural,
        help="a pixel below this never fires (default: as a quantiser in the source says, else 0; "
        "with one step it binarises the image)",
    )
    flags.add_argument(
        "--bipolar",
        action="store_true",
        help="a source with sign-like activations is given −1 until an input fires and +1 from "
        "then on (default: 0 and 1)",
    )
    flags.add_argument(
        "--input-range",
        nargs=2,
        type=finite,
        metavar=("LOW", "HIGH"),
        help="what a source that quantises its inputs is given for pixels of 0 and 255 (default 0 "
        "1)",
    )
    flags.add_argument(
        "--equal-scales",
        action="store_true",
        help="take outputs of several scales for outputs of one, an approximation",
    )
    flags.add_argument(
        "--latched",
        action="store_true",
        help="only the first spike of a hidden neuron counts in the source",
    )
    flags.add_argument(
        "--check",
        metavar="NAME|PATH",
        help="compare source and result on each example of the test part of these data, named as "
        "for --dataset",
    )
    _add_ann(flags)
    return flags


def _add_ann(flags: argparse.ArgumentParser) -> None:
    """The flags of conversions to spikes."""
    add = flags.add_argument_group(
        "an ANN to spikes",
        "real weights, simulated: accuracy at each step, spikes (docs/bistable.md)",
    ).add_argument
    add("--method", choices=METHOD_NAMES, help="how values become spikes; --steps is 64 without it")
    add(
        "--set",
        metavar="NAME=VALUE",
        type=setting,
        action="append",
        help="a setting of the method, such as phases=3 (sw.bench_conversion --help lists them)",
    )
    add(
        "--mean",
        metavar="M",
        nargs="+",
        type=finite,
        help="a module of PyTorch takes pixels in 0 … 1 less this, of each channel (default 0)",
    )
    add("--std", metavar="D", nargs="+", type=positive_float, help="and over this (default 1)")
    add("--images", metavar="N", type=positive_int, help="only the first N (default: all)")
    add(
        "--held-out",
        action="store_true",
        help="images that training held out, to choose settings by, instead of test images",
    )
    add("--device", metavar="D", help="cpu, cuda or auto (default: auto)")
    add("--picture", metavar="FILE", type=picture_file, help="plot accuracy by step")


def main(argv: Sequence[str] | None = None) -> None:
    """The command."""
    args = arguments().parse_args(argv)
    if args.method:
        ann.convert_ann(args)
        return
    refuse(args, "is for an ANN that becomes spikes (--method)", *ann.FLAGS)
    if args.out is None:
        raise cli.UserError("--out: name the file to write, or give --method")
    if args.json and not args.check:
        raise cli.UserError("--json: there are figures with --check only; add it or leave out")
    if args.out.suffix not in (".nir", ".safetensors"):
        raise cli.UserError(f"--out {args.out}: must end in .safetensors or .nir")
    if not (args.dataset or args.check):
        for name in Selection.of(args).reading():
            raise cli.UserError(
                f"--{name.replace('_', '-')}: is for data of --dataset or --check; name them"
            )
    converted, data = convert(args)
    network = converted.network
    figures = None
    if args.check:
        if data is None or args.dataset not in (None, args.check):
            selection = replace(Selection.of(args), dataset=args.check)
            data = registry.load_dataset_for(network, selection)
        figures = compare(converted, data, progress=not args.quiet)
    if args.out.suffix == ".nir":
        nir_export.write(args.out, network)
    else:
        network.save(args.out)
    if args.json:
        cli.write_json(args.json, figures)
    if not args.quiet:
        print(f"{args.out}: {network.structure}, {network.steps} steps")
        for note in converted.notes:
            print(f"  {note}")
        if figures:
            _show(figures)


def _show(figures: Comparison) -> None:
    for text, value in (
        (f"{figures.dataset}, test examples", str(figures.examples)),
        ("accuracy of the source", f"{figures.source_accuracy:.2%}"),
        ("accuracy of the result", f"{figures.accuracy:.2%}"),
        ("examples with different classes", str(figures.different)),
    ):
        print(f"  {text:<32}{value:>8}")
