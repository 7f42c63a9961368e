"""``python -m sw.convert SOURCE --out FILE``: from PyTorch, QONNX or NIR to a network, and to NIR.

The kind of source and result is known by its name: ``*.nir`` is NIR, ``*.onnx`` QONNX,
``*.py:NAME`` a module of PyTorch that the Python file makes, anything else a network.
"""

from __future__ import annotations

import argparse
import runpy
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sim import golden
from sw import cli
from sw.convert import nir_graph, onnx_graph, pytorch, qonnx
from sw.convert.layers import ConversionError, Converted, Target
from sw.convert.signs import Reading
from sw.data import registry
from sw.data.dataset import Dataset
from sw.data.events import EventDataset
from sw.encoder import EventsEncoder, LatencyEncoder
from sw.flags import input_file, natural, output_file, parser, positive_int
from sw.network import file_name, find

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Comparison", "compare", "main"]

_PART = 256  # examples at a time


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Source and result on the test part of a data set.

    Parameters
    ----------
    dataset : str
    examples : int
    different : int
        Examples to which source and result give different classes.
    source_accuracy, accuracy : float, 0 … 1
        Of the source, run in its own arithmetic, and of the result by the golden model.
    """

    dataset: str
    examples: int
    different: int
    source_accuracy: float
    accuracy: float


def compare(converted: Converted, data: Dataset | EventDataset) -> Comparison:
    """Runs source and result on each example of the test part of ``data``.

    Raises
    ------
    UserError
        The network does not take these inputs or does not name these classes.
    """
    network = converted.network
    registry.check(network, data)
    inputs = data.test_part(network.steps)
    source, result = [], []
    for start in range(0, len(inputs), _PART):
        part = inputs[start : start + _PART]
        source.append(converted.classify(part))
        result.append(golden.run_inputs(network, part).label)
    theirs, ours = np.concatenate(source), np.concatenate(result)
    return Comparison(
        dataset=data.name,
        examples=len(ours),
        different=int((theirs != ours).sum()),
        source_accuracy=float((theirs == data.test_labels).mean()),
        accuracy=float((ours == data.test_labels).mean()),
    )


def arguments() -> argparse.ArgumentParser:
    flags = parser(
        "Convert a network from PyTorch, QONNX or NIR, or to NIR, and compare the two.", data=True
    )
    flags.add_argument(
        "source",
        metavar="SOURCE",
        help="FILE.nir; FILE.onnx; FILE.py:NAME, a module of PyTorch or a function that gives one, "
        "in a Python file that is run; or a network to export, by its file or its name in the zoo",
    )
    flags.add_argument(
        "--out",
        metavar="FILE",
        type=output_file,
        required=True,
        help="FILE.safetensors, a network, or FILE.nir",
    )
    flags.add_argument(
        "--weights",
        metavar="FILE",
        type=input_file,
        help="a state_dict for the module of PyTorch (torch.save); only tensors are read",
    )
    flags.add_argument(
        "--dataset",
        choices=registry.DATASETS,
        help="data that the network is for: shape of its inputs, names of its classes "
        "(default: as the source says, or --check)",
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
        type=float,
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
        metavar="DATASET",
        choices=registry.DATASETS,
        help="compare source and result on each example of this data set's test part",
    )
    return flags


def main(argv: Sequence[str] | None = None) -> None:
    """The command."""
    args = arguments().parse_args(argv)
    if args.json and not args.check:
        raise cli.UserError("--json: there are figures with --check only; add it or leave out")
    if args.out.suffix not in (".nir", ".safetensors"):
        raise cli.UserError(f"--out {args.out}: must end in .safetensors or .nir")
    name = args.dataset or args.check
    data = registry.load(name, args.data_dir) if name else None
    converted = _convert(args, data)
    network = converted.network
    figures = None
    if args.check:
        if data is None or name != args.check:
            data = registry.load(args.check, args.data_dir)
        figures = compare(converted, data)
    if args.out.suffix == ".nir":
        nir_graph.write(args.out, network)
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
    print(f"  {figures.dataset}, test examples         {figures.examples:>8}")
    lines = (
        ("accuracy of the source", figures.source_accuracy),
        ("accuracy of the result", figures.accuracy),
    )
    for text, value in lines:
        print(f"  {text:<32}{value:>8.2%}")
    print(f"  {'examples with different classes':<32}{figures.different:>8}")


def _convert(args: argparse.Namespace, data: Dataset | EventDataset | None) -> Converted:
    """The network that the flags ask for, beside its source."""
    path, _, attribute = args.source.rpartition(":")
    if path.endswith(".py"):
        return _from_torch(args, Path(path), attribute, data)
    if args.source.endswith(".py"):
        raise cli.UserError(f"{args.source}: name what in it is the module: {args.source}:NAME")
    _refuse(args, "is for a module of PyTorch (FILE.py:NAME)", "weights")
    if args.source.endswith(".onnx"):
        _refuse(args, "is for spiking neurons", "latched")
        return qonnx.convert_qonnx(
            onnx_graph.read(Path(args.source)), _target(args, data), _reading(args)
        )
    _refuse(args, "is for PyTorch or QONNX", "bipolar", "input_range", "equal_scales")
    if args.source.endswith(".nir"):
        return _from_nir(args, data)
    _refuse(args, "a network says so itself", "dataset", "steps", "pool", "silent_below", "latched")
    network = find(args.source)
    if args.out.suffix != ".nir":
        raise cli.UserError(
            f"{args.source}: is a network, and so would be the result; name a source FILE.nir, "
            "FILE.onnx or FILE.py:NAME, or --out FILE.nir"
        )
    exported = nir_graph.convert_nir(nir_graph.to_nir(network))
    return Converted(network, exported.classify, exported.notes)


def _refuse(args: argparse.Namespace, reason: str, *names: str) -> None:
    """Refuses flags that would do nothing."""
    for name in names:
        if getattr(args, name) not in (None, False):
            raise cli.UserError(f"--{name.replace('_', '-')}: {reason}; leave it out")


def _from_nir(args: argparse.Namespace, data: Dataset | EventDataset | None) -> Converted:
    graph = nir_graph.read(Path(args.source))
    told = nir_graph.is_ours(graph) and not args.dataset  # the graph says what it is for
    if told:
        _refuse(args, "the graph says so itself without --dataset", "pool", "silent_below")
    return nir_graph.convert_nir(
        graph,
        encoder=None if told or data is None else _encoder(args, data),
        steps=args.steps,
        labels=None if told or data is None else data.labels,
        name=None if nir_graph.is_ours(graph) else file_name(args.out.stem),
        dataset=None if told or data is None else data.name,
        latched=args.latched,
    )


def _from_torch(
    args: argparse.Namespace, path: Path, attribute: str, data: Dataset | EventDataset | None
) -> Converted:
    target = _target(args, data)
    module = _module(path, attribute)
    if args.weights:
        _load(module, args.weights)
    return pytorch.convert_torch(module, target, _reading(args), latched=args.latched)


def _target(args: argparse.Namespace, data: Dataset | EventDataset | None) -> Target:
    """What the source does not say."""
    if data is None:
        raise cli.UserError(
            f"{args.source}: does not say what inputs and classes it has; give --dataset or --check"
        )
    if args.steps is None:
        raise cli.UserError(
            f"{args.source}: does not say how many steps a window has; give --steps, 1 for a "
            "source that is evaluated once"
        )
    return Target(
        encoder=_encoder(args, data),
        steps=args.steps,
        labels=data.labels,
        name=file_name(args.out.stem),
        dataset=data.name,
    )


def _reading(args: argparse.Namespace) -> Reading:
    return Reading(
        bipolar=args.bipolar,
        input_range=tuple(args.input_range) if args.input_range else None,
        equal_scales=args.equal_scales,
    )


def _encoder(
    args: argparse.Namespace, data: Dataset | EventDataset
) -> LatencyEncoder | EventsEncoder:
    """The encoder of ``data`` that the flags ask for."""
    if isinstance(data, EventDataset):
        _refuse(args, f"{data.name} has no pixels", "pool", "silent_below")
        return EventsEncoder(channels=data.channels)
    try:
        return LatencyEncoder(
            shape=data.shape, pool=args.pool or 1, silent_below=args.silent_below or 0
        )
    except ValueError as error:
        raise cli.UserError(f"{data.name}: {error}") from None


def _module(path: Path, attribute: str) -> nn.Module:
    """What ``attribute`` of a Python file is, or gives when it is called without arguments."""
    from torch import nn

    folder = str(path.resolve().parent)
    sys.path.insert(0, folder)  # as for a script, so that it finds what lies beside it
    try:
        values = runpy.run_path(str(path))
        found = values.get(attribute)
        if not isinstance(found, nn.Module) and callable(found):
            found = found()
    except Exception as error:  # whatever a stranger's code raises
        reason = str(error).splitlines()[0] if str(error) else "no reason"
        raise ConversionError(f"{path}: cannot be run ({type(error).__name__}: {reason})") from None
    finally:
        sys.path.remove(folder)
    if not isinstance(found, nn.Module):
        names = [name for name, value in values.items() if isinstance(value, nn.Module)]
        has = f"it has {', '.join(names)}" if names else "name a module or a function in it"
        raise ConversionError(f"{path}:{attribute}: gives no module of PyTorch; {has}")
    return found


def _load(module: nn.Module, path: Path) -> None:
    """Loads weights into ``module``. Only tensors are unpickled."""
    import torch

    try:
        module.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # of the unpickler, or names and shapes that do not fit
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ConversionError(
            f"{path}: is no state_dict of {type(module).__name__} ({reason})"
        ) from None
