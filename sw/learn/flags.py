"""Flags of ``sw.train``, and the recipe that they ask for."""

import argparse
from typing import Any

from sw.data.dataset import Dataset
from sw.data.events import EventDataset
from sw.data.registry import DATASETS, load_selected
from sw.flags import natural, output_file, parser, positive_int, rate, setting, share
from sw.learn.batches import Augmentation, EventAugmentation
from sw.learn.own_recipes import recipe_for
from sw.learn.presets import preset
from sw.learn.recipes import Recipe, hidden_layers
from sw.learn.teacher import Distillation
from sw.network import file_name, find
from sw.rules import RULES
from sw.rules.settings import check, listing, settings_of
from sw.selection import Selection
from sw.structure import Dense, Kind

__all__ = ["arguments", "prepared"]


def arguments() -> argparse.ArgumentParser:
    """Flags of the command. Those not given come from the data set's preset."""
    flags = parser(
        "Train a single-spike 1-bit network.",
        dataset="digits",
        build=True,
        seed=True,
        report=True,
    )
    flags.set_defaults(dataset="digits")
    flags.formatter_class = argparse.RawDescriptionHelpFormatter
    augmentations = {"images": Augmentation, "events": EventAugmentation}
    flags.epilog = "\n\n".join(
        [
            "Settings have their defaults here; a preset may start from others.",
            "--set, by rule",
            listing({name: rule.settings() for name, rule in RULES.items()}),
            "--augment, by what the data set holds",
            listing({name: settings_of(kind) for name, kind in augmentations.items()}),
            "--distil",
            listing({"images": settings_of(Distillation)}),
        ]
    )
    add = flags.add_argument
    add("--rule", choices=tuple(RULES), help="learning rule")
    add(
        "--layers",
        "--hidden",
        dest="hidden",
        metavar="L[,L…]",
        type=_layers,
        action="extend",
        help="the hidden layers, first to last: units of a dense layer, a convolution such as "
        "16c3p1 or 8c5s2, or a pooling such as f2 (docs/spec.md); may be given once per layer",
    )
    add(
        "--steps",
        metavar="T",
        type=positive_int,
        help="steps of the window; a power of two for images",
    )
    add("--epochs", metavar="N", type=positive_int, help="passes over the training set")
    add(
        "--batch",
        metavar="N",
        type=positive_int,
        help="images or recordings per step of the optimizer",
    )
    add("--rate", metavar="R", type=rate, help="learning rate at the start")
    add(
        "--augment",
        metavar="NAME=VALUE",
        type=setting,
        nargs="*",
        help="augment the training data; settings (below) may be named, such as degrees=5 "
        "elastic=0.8 for images or stretch=0.1 for events",
    )
    add(
        "--distil",
        metavar="NAME=VALUE",
        type=setting,
        nargs="*",
        help="learn also from a full-precision network, the teacher, which is trained first; "
        "settings (below) may be named, such as share=0.7; images only",
    )
    add(
        "--teacher",
        metavar="FILE",
        type=output_file,
        help="with --distil: where the teacher is read from or, if it is not there, written to",
    )
    add(
        "--grow",
        metavar="T[,T…]",
        type=_windows,
        help="windows to learn with before T, each for an equal share of the epochs, such as 2,4",
    )
    add(
        "--warm-up",
        metavar="N",
        type=natural,
        help="epochs in which the learning rate rises, from a hundredth of it",
    )
    add("--pool", metavar="P", type=positive_int, help="mean-pool the image by 1, 2 or 4")
    add("--inputs", metavar="K", type=positive_int, help="keep the K most informative pixels")
    add(
        "--board",
        metavar="B",
        help="train a network that fits this board (hw.build --help lists them): hidden units, and "
        "pixels of images, as many as fit, but for what --hidden and --inputs name",
    )
    add("--silent-below", metavar="X", type=natural, help="pixels below X never fire")
    add("--validation", metavar="F", type=share, help="share of the training set held out")
    add(
        "--set",
        metavar="NAME=VALUE",
        type=setting,
        action="append",
        default=[],
        help="a setting of the rule (below), such as smoothing=0.02; may be given several times",
    )
    add(
        "--start",
        metavar="NETWORK",
        help="start from the weights and thresholds of this network, by its path or its name in "
        "the zoo, and with its layers; for another window or other data, or to learn on",
    )
    add("--device", default="auto", help="cpu, cuda or auto (default: %(default)s)")
    add("--restart", action="store_true", help="drop a checkpoint and start from the beginning")
    add(
        "--out", metavar="FILE", type=output_file, help="network file (default: <build-dir>/<name>)"
    )
    add(
        "--name",
        type=_name,
        help="the network's name (default: from its file's name, with invalid characters replaced)",
    )
    return flags


def prepared(args: argparse.Namespace) -> tuple[Recipe, Dataset | EventDataset | None]:
    """What the flags ask for; and the data, where the recipe follows from them, as from one's own.

    Raises
    ------
    UserError
        Flags contradict one another, or the data cannot be used.
    """
    if args.dataset in DATASETS:
        return _recipe(args, args.dataset), None
    data = load_selected(Selection.of(args))
    return _recipe(args, recipe_for(data)), data


def _recipe(args: argparse.Namespace, start: str | Recipe) -> Recipe:
    begun = find(args.start) if args.start else None
    if begun and not args.hidden:
        kinds = [layer.kind for layer in begun.layers[:-1]]
        args.hidden = [each.units if isinstance(each, Dense) else each for each in kinds]
    return preset(
        start,
        augment=False if args.augment is None else dict(args.augment),
        rule=args.rule,
        hidden=tuple(args.hidden) if args.hidden else None,
        steps=args.steps,
        epochs=args.epochs,
        batch=args.batch,
        rate=args.rate,
        pool=args.pool,
        inputs=args.inputs,
        silent_below=args.silent_below,
        validation=args.validation,
        growth=args.grow,
        warm_up=args.warm_up,
        distillation=None if args.distil is None else _distillation(dict(args.distil)),
        start_from=begun.sha256 if begun else None,
        seed=args.seed,
        settings=dict(args.set),
    )


def _distillation(settings: dict[str, Any]) -> Distillation:
    check("Distillation", settings_of(Distillation), settings)
    return Distillation(**settings)


def _layers(text: str) -> tuple[int | Kind, ...]:
    try:
        return hidden_layers(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _windows(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"must be windows such as 2 or 2,4, not {text!r}"
        ) from None


def _name(text: str) -> str:
    if file_name(text) != text:
        raise argparse.ArgumentTypeError(
            f"must be letters, digits and . _ + - only, such as {file_name(text)}, not {text!r}"
        )
    return text
