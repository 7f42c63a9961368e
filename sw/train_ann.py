"""``python -m sw.train_ann``: trains an ANN, a network of full precision, to convert it to spikes
with ``sw.convert --method``.

A command that was killed is resumed by giving it again.
"""

import argparse
import platform
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from tqdm import tqdm

from sw import cli
from sw.ann import files
from sw.ann.architectures import ARCHITECTURES
from sw.ann.files import Ann, Description
from sw.ann.trainer import AUGMENTATIONS, AnnTrainer, Plan, shape_of
from sw.cli import UserError
from sw.data.dataset import Dataset
from sw.data.registry import load_selected
from sw.flags import add_augment, natural, output_file, parser, positive_int, rate, share
from sw.learn import devices
from sw.learn.batches import Augmentation, augmentation_of
from sw.network import file_name
from sw.rules.settings import listing, settings_of
from sw.selection import Selection

__all__ = ["main"]


class _Start(NamedTuple):
    """What a run starts from, but for what flags say."""

    layers: str
    epochs: int
    rate: float


_USUAL = _Start(layers="16c3p1,m2,32c3p1,m2", epochs=20, rate=0.02)
_STARTS = dict.fromkeys(("cifar10", "cifar100"), _Start(layers="vgg16", epochs=200, rate=0.1))


def arguments() -> argparse.ArgumentParser:
    flags = parser(
        "Train an ANN of full precision, to convert it to spikes.",
        dataset="mnist",
        build=True,
        seed=True,
    )
    flags.set_defaults(dataset="mnist")
    flags.formatter_class = argparse.RawDescriptionHelpFormatter
    flags.epilog = f"--augment\n\n{listing({'images': settings_of(Augmentation)})}"
    add = flags.add_argument
    add(
        "--layers",
        metavar="L[,L…]",
        type=_layers,
        help="hidden layers, such as 16c3p1,m2,r32s2,g,128: convolutions, max and average pooling "
        "(m2, a2), residual blocks (r), the mean of each map (g), dense layers, dropout (d50); or "
        f"{', '.join(ARCHITECTURES)} (default: {_USUAL.layers}; for cifar10 and cifar100 vgg16)",
    )
    add(
        "--levels",
        metavar="L",
        type=natural,
        default=0,
        help="QCFS activations with so many levels, for --method qcfs (default: 0, ReLU)",
    )
    add(
        "--epochs",
        metavar="N",
        type=positive_int,
        help="(default: 20; for cifar10 and cifar100 200)",
    )
    add("--batch", metavar="N", type=positive_int, default=128, help="(default: %(default)s)")
    add(
        "--rate",
        metavar="R",
        type=rate,
        help="learning rate at the start (default: 0.02; for cifar10 and cifar100 0.1)",
    )
    add_augment(flags)
    add(
        "--validation",
        metavar="F",
        type=share,
        default=0.1,
        help="share of the training set held out (default: %(default)s)",
    )
    add("--mixed", action="store_true", help="products in bfloat16: faster on a GPU")
    add("--device", default="auto", help="cpu, cuda or auto (default: %(default)s)")
    add("--restart", action="store_true", help="drop a checkpoint and start from the beginning")
    add("--out", metavar="FILE", type=output_file, help="(default: <build-dir>/ann/<name>)")
    return flags


def main(argv: Sequence[str] | None = None) -> None:
    argv = sys.argv[1:] if argv is None else list(argv)
    args = arguments().parse_args(argv)
    layers = args.layers or _STARTS.get(args.dataset, _USUAL).layers
    activation = f"-l{args.levels}" if args.levels else ""
    name = file_name(
        f"{Path(args.dataset).stem}-{layers}{activation}-s{args.seed}".replace(",", "-")
    )
    out = args.out or args.build_dir / "ann" / f"{name}.safetensors"
    cli.check_output(out)
    augmentation = augmentation_of(args.augment, AUGMENTATIONS.get(args.dataset))
    device = devices.find(args.device)
    with cli.exclusive(args.build_dir / "train_ann" / name) as folder:
        data = load_selected(Selection.of(args))
        if not isinstance(data, Dataset):
            raise UserError(f"--dataset {args.dataset}: holds events; an ANN takes images")
        start = _STARTS.get(data.name, _USUAL)
        plan = Plan(
            epochs=args.epochs or start.epochs,
            batch=args.batch,
            rate=args.rate or start.rate,
            augmentation=augmentation,
            mixed=args.mixed,
        )
        description = Description(
            layers=layers,
            levels=args.levels,
            shape=shape_of(data),
            labels=data.labels,
            dataset=args.dataset,
            off_channel=data.off_channel,
            validation=args.validation,
            seed=args.seed,
            epochs=plan.epochs,
            command=shlex.join(["python", "-m", "sw.train_ann", *argv]),
            versions={
                "python": platform.python_version(),
                "torch": torch.__version__,
                "device": devices.name_of(device),
            },
        )
        trainer = AnnTrainer(plan, description, data, device)
        checkpoint = folder / "checkpoint.pt"
        if args.restart:
            checkpoint.unlink(missing_ok=True)
        _fit(trainer, checkpoint, quiet=args.quiet)
        measured = replace(
            description,
            validation_accuracy=trainer.validation_accuracy(),
            test_accuracy=trainer.test_accuracy(),
        )
        files.write(out, Ann(trainer.module, measured))
        checkpoint.unlink()
    if args.json:
        cli.write_json(args.json, measured)
    if not args.quiet:
        print(f"{out}: {layers}, {measured.test_accuracy:.2%}")


def _fit(trainer: AnnTrainer, checkpoint: Path, *, quiet: bool) -> None:
    """Trains with a progress bar."""
    with tqdm(
        total=trainer.plan.epochs * trainer.batches, unit="batch", disable=quiet, mininterval=0.5
    ) as bar:

        def watch(epoch: int, batch: int, validation: float | None) -> None:
            bar.update(epoch * trainer.batches + batch - bar.n)
            if validation is not None and not quiet:
                line = f"epoch {epoch}/{trainer.plan.epochs}  validation {validation:.2%}"
                bar.write(line, file=sys.stdout)

        trainer.fit(checkpoint, watch)


def _layers(text: str) -> str:
    layers = text.replace("-", ",")
    if not all(layers.split(",")):
        raise argparse.ArgumentTypeError(f"must be layers such as 16c3p1,m2,128, not {text!r}")
    return layers


if __name__ == "__main__":
    cli.run(main)
