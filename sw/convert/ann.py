"""``python -m sw.convert ANN --method M``: an ANN as a spiking network, simulated."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from sw import cli
from sw.convert.sources import load_module, load_weights, refuse
from sw.data import registry
from sw.selection import Selection

if TYPE_CHECKING:
    import torch

    from sw.ann.figures import Conversion
    from sw.ann.subject import Subject

__all__ = ["FLAGS", "convert_ann"]

FLAGS = ("set", "mean", "std", "images", "held_out", "device", "picture")
"""Those that are for nothing else."""

_OTHERS = ("out", "pool", "silent_below", "bipolar", "input_range", "equal_scales", "latched")
_STEPS = 64


def convert_ann(args: argparse.Namespace) -> None:
    """Does what the flags of :mod:`sw.convert.command` ask for, and reports it.

    Raises
    ------
    UserError
        The ANN cannot be converted, or the data are not such as it was made for. One line.
    """
    from tqdm import tqdm

    from sw.ann.methods import METHODS
    from sw.ann.pictures import accuracy_by_step
    from sw.learn import devices
    from sw.rules.settings import check, settings_of

    refuse(args, "is not for an ANN that becomes spikes (--method)", *_OTHERS, "check")
    kind, settings = METHODS[args.method], dict(args.set or ())
    check(f"--method {args.method}", settings_of(kind), settings)
    subject = _subject(args, devices.find(args.device or "auto"))
    steps = args.steps or _STEPS
    with tqdm(
        total=len(subject.images), unit="image", leave=False, disable=args.quiet, mininterval=0.5
    ) as bar:

        def watch(images: float) -> None:
            bar.update(images)

        result = subject.convert(args.method, kind(**settings), steps, watch)
    if args.json:
        cli.write_json(args.json, result)
    if args.picture:
        title = f"{subject.name}, {subject.dataset}"
        accuracy_by_step(args.picture, {args.method: [result]}, title)
    if not args.quiet:
        _show(result, subject.name)


def _subject(args: argparse.Namespace, device: torch.device) -> Subject:
    """The ANN, and its data."""
    from sw.ann.subject import Subject

    path, _, attribute = args.source.rpartition(":")
    if not path.endswith(".py"):
        refuse(args, "is for a module of PyTorch (FILE.py:NAME)", "weights", "mean", "std")
        return Subject.of_file(
            Path(args.source),
            Selection.of(args),
            device,
            validation=args.held_out,
            count=args.images,
        )
    refuse(args, "is for an ANN of sw.train_ann, which says what was held out", "held_out")
    if not args.dataset:
        raise cli.UserError(f"{args.source}: does not say what images it is for; give --dataset")
    module = load_module(Path(path), attribute)
    if args.weights:
        load_weights(module, args.weights)
    data = registry.load_selected(Selection.of(args))
    return Subject.of_module(
        module,
        data,
        device,
        mean=args.mean or (),
        deviation=args.std or (),
        count=args.images,
    )


def _show(result: Conversion, name: str) -> None:
    settings = ", ".join(f"{key} {value:g}" for key, value in result.settings.items())
    print(f"{name}: {result.method} ({settings})")
    print(f"  {f'{result.dataset}, {result.part} images':<42}{result.images:>10,}")
    rows = [("accuracy of the ANN", f"{result.ann_accuracy:.2%}")]
    shown = sorted({2**n for n in range(12)} | {result.answer_step, result.steps})
    rows += [
        (f"accuracy after step {step}", f"{result.accuracy[step - 1]:.2%}")
        for step in shown
        if step <= result.steps
    ]
    for points, kept in ((5, result.half_point_step), (1, result.tenth_point_step)):
        text = f"within 0.{points} points of the ANN"
        rows.append((f"{text}, reached in step", str(result.reached(points) or "none")))
        rows.append((f"{text}, kept from step", str(kept or "none")))
    rows.append(("spikes per image", f"{result.spikes_mean[-1]:,.0f}"))
    for text, value in rows:
        print(f"  {text:<42}{value:>10}")
    print(f"  {'layer':<34}{'units':>8}{'spikes':>10}{'SIN':>9}{'error':>9}")
    for layer in result.layers:
        sin, error = (
            "–" if value is None else f"{value:.2%}" for value in (layer.sin_share, layer.error)
        )
        print(f"  {layer.name:<34}{layer.units:>8}{layer.spikes_mean:>10,.0f}{sin:>9}{error:>9}")
