"""What SOURCE of ``python -m sw.convert`` is, by its name, and the network that it becomes."""

from __future__ import annotations

import argparse
import runpy
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sw import cli
from sw.convert import nir_export, nir_import, onnx_graph, pytorch, qonnx
from sw.convert.errors import ConversionError
from sw.convert.layers import Converted, Target
from sw.convert.signs import Reading
from sw.data import registry
from sw.data.dataset import Dataset
from sw.data.events import EventDataset
from sw.encoder import EventsEncoder, LatencyEncoder
from sw.network import file_name, find
from sw.selection import Selection

if TYPE_CHECKING:
    from torch import nn

__all__ = ["convert", "load_module", "load_weights", "refuse"]


Data = Dataset | EventDataset | None
"""What a network is for; None where the source says it."""


def convert(args: argparse.Namespace) -> tuple[Converted, Data]:
    """The network that the flags of :mod:`sw.convert.command` ask for, beside its source; and the
    data that were read for it.

    Raises
    ------
    UserError
        The source cannot be read, a flag is missing or would do nothing, or no network does the
        same. One line.
    """
    path, _, attribute = args.source.rpartition(":")
    if path.endswith(".py"):
        return _from_torch(args, Path(path), attribute)
    if args.source.endswith(".py"):
        raise cli.UserError(f"{args.source}: name what in it is the module: {args.source}:NAME")
    refuse(args, "is for a module of PyTorch (FILE.py:NAME)", "weights")
    if args.source.endswith(".onnx"):
        return _from_qonnx(args)
    refuse(args, "is for PyTorch or QONNX", "bipolar", "input_range", "equal_scales")
    if args.source.endswith(".nir"):
        return _from_nir(args)
    return _from_network(args), None


def refuse(args: argparse.Namespace, reason: str, *names: str) -> None:
    """Refuses flags that would do nothing."""
    for name in names:
        if getattr(args, name) not in (None, False):
            raise cli.UserError(f"--{name.replace('_', '-')}: {reason}; leave it out")


def _from_torch(args: argparse.Namespace, path: Path, attribute: str) -> tuple[Converted, Data]:
    target, data = _target(args)
    module = load_module(path, attribute)
    if args.weights:
        load_weights(module, args.weights)
    converted = pytorch.convert_torch(module, target, _reading(args), latched=args.latched)
    return _checked(converted), data


def _from_qonnx(args: argparse.Namespace) -> tuple[Converted, Data]:
    refuse(args, "is for spiking neurons", "latched")
    model = onnx_graph.read(Path(args.source))
    target, data = _target(args)
    return _checked(qonnx.convert_qonnx(model, target, _reading(args))), data


def _from_nir(args: argparse.Namespace) -> tuple[Converted, Data]:
    graph = nir_import.read(Path(args.source))
    ours = nir_import.is_ours(graph)
    if ours and not args.dataset:
        refuse(args, "the graph says so itself without --dataset", "pool", "silent_below")
        target = nir_import.target_of(graph, steps=args.steps)
        return nir_import.convert_nir(graph, target, latched=args.latched), None
    data = _data(args) if args.dataset or args.check else None
    given = {} if data is None else _of_data(args, data)
    name = None if ours else file_name(args.out.stem)
    target = nir_import.target_of(graph, steps=args.steps, name=name, **given)
    return _checked(nir_import.convert_nir(graph, target, latched=args.latched)), data


def _from_network(args: argparse.Namespace) -> Converted:
    refuse(args, "a network says so itself", "dataset", "steps", "pool", "silent_below", "latched")
    network = find(args.source)
    if args.out.suffix != ".nir":
        raise cli.UserError(
            f"{args.source}: is a network, and so would be the result; name a source FILE.nir, "
            "FILE.onnx or FILE.py:NAME, or --out FILE.nir"
        )
    graph = nir_export.to_nir(network)
    exported = nir_import.convert_nir(graph, nir_import.target_of(graph))
    return Converted(network, exported.classify, exported.notes)


def _data(args: argparse.Namespace) -> Dataset | EventDataset:
    """The data of --dataset, or else of --check."""
    return registry.load_selected(replace(Selection.of(args), dataset=args.dataset or args.check))


def _target(args: argparse.Namespace) -> tuple[Target, Data]:
    """What a source without metadata does not say."""
    if not (args.dataset or args.check):
        raise cli.UserError(
            f"{args.source}: does not say what inputs and classes it has; give --dataset or --check"
        )
    if args.steps is None:
        raise cli.UserError(
            f"{args.source}: does not say how many steps a window has; give --steps, 1 for a "
            "source that is evaluated once"
        )
    data = _data(args)
    name = file_name(args.out.stem)
    return Target(steps=args.steps, name=name, **_of_data(args, data)), data


def _of_data(args: argparse.Namespace, data: Dataset | EventDataset) -> dict[str, Any]:
    """What data say of a :class:`Target`."""
    return {
        "encoder": _encoder(args, data),
        "labels": data.labels,
        "dataset": data.name,
        "data": data.reading,
    }


def _encoder(
    args: argparse.Namespace, data: Dataset | EventDataset
) -> LatencyEncoder | EventsEncoder:
    """The encoder of ``data`` that the flags ask for."""
    if isinstance(data, EventDataset):
        refuse(args, f"{data.name} has no pixels", "pool", "silent_below")
        return EventsEncoder(channels=data.channels)
    try:
        return LatencyEncoder(
            shape=data.shape, pool=args.pool or 1, silent_below=args.silent_below or 0
        )
    except ValueError as error:
        raise cli.UserError(f"{data.name}: {error}") from None


def _reading(args: argparse.Namespace) -> Reading:
    return Reading(
        bipolar=args.bipolar,
        input_range=tuple(args.input_range) if args.input_range else None,
        equal_scales=args.equal_scales,
    )


def _checked(converted: Converted) -> Converted:
    """Refuses a network that cannot tell one image from another."""
    encoder = converted.network.encoder
    if converted.network.steps == 1 and getattr(encoder, "silent_below", None) == 0:
        raise cli.UserError(
            "--steps 1: every pixel fires in the one step, whatever the image; say from which "
            "value on a pixel is high (--silent-below)"
        )
    return converted


def load_module(path: Path, attribute: str) -> nn.Module:
    """What ``attribute`` of a Python file is, or gives when it is called without arguments."""
    from torch import nn

    folder = str(path.resolve().parent)
    sys.path.insert(0, folder)  # as for a script, so that it finds what lies beside it
    try:
        values = runpy.run_path(str(path))
        found = values.get(attribute)
        if not isinstance(found, nn.Module) and callable(found):
            found = found()
    except (Exception, SystemExit) as error:  # whatever a stranger's code raises
        reason = str(error).splitlines()[0] if str(error) else "no reason"
        raise ConversionError(f"{path}: cannot be run ({type(error).__name__}: {reason})") from None
    finally:
        sys.path.remove(folder)
    if not isinstance(found, nn.Module):
        names = [name for name, value in values.items() if isinstance(value, nn.Module)]
        has = f"it has {', '.join(names)}" if names else "name a module or a function in it"
        raise ConversionError(f"{path}:{attribute}: gives no module of PyTorch; {has}")
    return found


def load_weights(module: nn.Module, path: Path) -> None:
    """Loads weights into ``module``. Only tensors are unpickled."""
    import torch

    try:
        module.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # of the unpickler, or names and shapes that do not fit
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ConversionError(
            f"{path}: is no state_dict of {type(module).__name__} ({reason})"
        ) from None
