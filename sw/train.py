"""``python -m sw.train``: trains a network and writes its file.

Beside the network it leaves ``log.json`` (recipe, figures, one entry per epoch) and
``learning_curve.png`` in ``<build-dir>/train/<name>/``, where the checkpoint lies until the run is
done; and the network's report page in ``<build-dir>/report/<name>/``. A command that was killed is
resumed by giving it again.
"""

import argparse
import platform
import shlex
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from sw import cli, fitting
from sw.answer import Answer
from sw.cli import UserError
from sw.data.dataset import Dataset
from sw.data.events import EventDataset
from sw.data.registry import DATASETS, load_selected
from sw.flags import natural, output_file, parser, positive_float, positive_int, share
from sw.learn import devices, distributed
from sw.learn.batches import Augmentation, EventAugmentation
from sw.learn.history import Epoch, Log, RunFigures
from sw.learn.inference import run_inputs
from sw.learn.own_recipes import recipe_for
from sw.learn.recipes import PRESETS, Recipe, hidden_layers, preset
from sw.learn.teacher import Distillation
from sw.learn.trainer import Trainer
from sw.network import Network, file_name
from sw.reports import pictures
from sw.reports.page import publish
from sw.reports.result import command_line, folder_of
from sw.reports.sections.evaluation import Evaluation
from sw.reports.sections.training import Training
from sw.rules import RULES
from sw.rules.settings import check, listing, settings_of
from sw.selection import Selection
from sw.structure import Conv, First

__all__ = ["arguments", "main", "prepared", "train"]

_SMALL = 1 << 20  # spike flags of a batch, all steps


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
    add("--rate", metavar="R", type=positive_float, help="learning rate at the start")
    add(
        "--augment",
        metavar="NAME=VALUE",
        type=_setting,
        nargs="*",
        help="augment the training data; settings (below) may be named, such as degrees=5 "
        "elastic=0.8 for images or stretch=0.1 for events",
    )
    add(
        "--distil",
        metavar="NAME=VALUE",
        type=_setting,
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
        type=_setting,
        action="append",
        default=[],
        help="a setting of the rule (below), such as smoothing=0.02; may be given several times",
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
        seed=args.seed,
        settings=dict(args.set),
    )


def _distillation(settings: dict[str, Any]) -> Distillation:
    check("Distillation", settings_of(Distillation), settings)
    return Distillation(**settings)


def main(argv: Sequence[str] | None = None) -> None:
    argv = sys.argv[1:] if argv is None else list(argv)
    args = arguments().parse_args(argv)
    if args.teacher and args.distil is None:
        raise UserError("--teacher: needs --distil, which learns from it")
    recipe, data = prepared(args)
    data = recipe.arranged(data or load_selected(Selection.of(args)))
    command = shlex.join(["python", "-m", "sw.train", *argv])
    log = _logger(args.quiet)
    with ExitStack() as held:
        device = held.enter_context(distributed.joined(devices.find(args.device)))
        if args.board:
            recipe, line = fitting.fitted(
                recipe,
                data,
                args.board,
                fewer_inputs=args.inputs is None,
                fewer_units=args.hidden is None,
            )
            log(line)
        trainer = Trainer(recipe, data, device)
        if recipe.batch * recipe.steps * max(trainer.rule.sizes) < _SMALL:
            torch.set_num_threads(1)  # several would wait for one another longer than they work
        structure = str(trainer.rule.structure)
        name = args.name or (
            file_name(args.out.stem)
            if args.out
            else f"{file_name(Path(args.dataset).stem)}-{structure}-t{recipe.steps}"
        )
        folder = args.build_dir / "train" / name
        out = args.out or args.build_dir / f"{name}.safetensors"
        cli.check_output(out)
        if not args.no_report:
            cli.check_output(args.build_dir / "report" / name, folder=True)
        if distributed.first():
            held.enter_context(cli.exclusive(folder))
        own_teacher = folder / "teacher.pt"
        if args.restart:
            for left in (folder / "checkpoint.pt", own_teacher):
                left.unlink(missing_ok=True)
        quiet = args.quiet or not distributed.first()
        log(_plan(trainer))
        if recipe.distillation:
            log(_taught(trainer, args.teacher or own_teacher, quiet=quiet))
        network, figures, answer = train(trainer, data, name, folder, command=command, quiet=quiet)
        if not distributed.first():
            return
        if network is not None:
            network.save(out)
        if args.json:
            cli.write_json(args.json, figures)
        (folder / "checkpoint.pt").unlink()
        own_teacher.unlink(missing_ok=True)
    made = out if network else f"{name} (no file: {recipe.rule} has real weights)"
    log(f"{made}: {structure}, {recipe.steps} steps, {figures.accuracy:.2%} strict")
    if args.board and network is not None:
        log(fitting.outcome(network, args.board, out))
    if network is not None and not args.no_report:
        about = {
            "command": command_line("sw.train", argv),
            "versions": network.provenance["versions"],
        }
        inputs, labels = data.test_part(network.steps), data.test_labels
        results = [
            Training.of(network, recipe.to_dict(), trainer.history, **about),
            Evaluation.of(network, inputs, labels, answer, dataset=data.name, **about),
        ]
        log(publish(network, str(out), folder_of(network, args.build_dir), results))


def train(
    trainer: Trainer,
    data: Dataset | EventDataset,
    name: str,
    folder: Path,
    *,
    command: str,
    quiet: bool = False,
) -> tuple[Network | None, RunFigures, Answer]:
    """Trains to the end and measures once on the test part of ``data``.

    Returns
    -------
    (Network or None, RunFigures, Answer)
        The network with its provenance, None if the rule has real weights; its figures, and its
        answer to the test part.
    """
    recipe = trainer.recipe
    with tqdm(
        total=recipe.epochs * trainer.batches, unit="batch", disable=quiet, mininterval=0.5
    ) as bar:

        def watch(epoch: int, batch: int) -> None:
            bar.update(epoch * trainer.batches + batch - bar.n)
            if not batch and not quiet:
                bar.write(_line(trainer.history[-1], recipe.epochs), file=sys.stdout)

        trainer.fit(folder / "checkpoint.pt", watch)
    validation = trainer.history[-1].validation_accuracy
    provenance = {
        "dataset": recipe.dataset,
        "rule": recipe.rule,
        "seed": recipe.seed,
        "epochs": recipe.epochs,
        "versions": _versions(trainer.device),
        "validation_accuracy": validation,
        "test_accuracy": None,
        "command": command,
    }
    if data.reading:
        provenance["data"] = data.reading
    network = None
    if trainer.rule.binary:
        trained = trainer.network(name, provenance)
        inputs = data.test_part(trained.steps)
        answer = run_inputs(trained, inputs, trainer.device)
        measured = answer.figures(data.test_labels)
        network = trainer.network(name, {**provenance, "test_accuracy": measured.accuracy})
    else:
        answer = trainer.answer(data)
        measured = answer.figures(data.test_labels)
    figures = RunFigures(**asdict(measured), validation_accuracy=validation)
    if distributed.first():
        log = Log(command=command, recipe=recipe.to_dict(), figures=figures, epochs=trainer.history)
        cli.write_json(folder / "log.json", log)
        pictures.learning_curve(folder / "learning_curve.png", trainer.history, name)
    return network, figures, answer


def _taught(trainer: Trainer, path: Path, *, quiet: bool) -> str:
    """Has the teacher learn; a line about it."""
    with tqdm(unit="epoch", desc="teacher", disable=quiet, leave=False) as bar:

        def watch(epoch: int, epochs: int) -> None:
            bar.total = epochs
            bar.update(epoch - bar.n)

        accuracy = trainer.teach(path, watch)
    return f"teacher: {accuracy:.2%} of the images that validation takes"


def _plan(trainer: Trainer) -> str:
    """What will be done, and how to have it otherwise."""
    recipe = trainer.recipe
    device = devices.name_of(trainer.device)
    line = (
        f"{recipe.dataset}: {trainer.rule.structure}, {recipe.steps} steps, rule {recipe.rule}; "
        f"{recipe.epochs} epochs of {trainer.batches} batches of {recipe.batch} on {device}"
    )
    longer = PRESETS.get(f"{recipe.dataset}-augmented")
    if longer is None or recipe.augmentation is not None:
        return line
    return f"{line}; --augment learns more in {longer.epochs} epochs"


def _line(entry: Epoch, epochs: int) -> str:
    accuracy = entry.validation_accuracy
    strict = "none held out" if accuracy is None else f"{accuracy:.2%} strict"
    spikes = " ".join(f"{count:.1f}" for count in entry.spikes_mean)
    return (
        f"epoch {entry.epoch:>{len(str(epochs))}}/{epochs}  validation {strict}  "
        f"decision step {entry.decision_step_mean:.2f}  spikes per layer {spikes}"
    )


def _versions(device: torch.device) -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": torch.__version__,
        "device": devices.name_of(device),
    }


def _logger(quiet: bool) -> Callable[[str], None]:
    """What prints the first process's lines, unless it is to be ``quiet``."""

    def log(line: str) -> None:
        if not quiet and distributed.first():
            print(line, flush=True)

    return log


def _layers(text: str) -> tuple[int | Conv | First, ...]:
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


def _setting(text: str) -> tuple[str, Any]:
    """A name, and a value as JSON has it; the rule or the augmentation checks both."""
    name, _, value = text.partition("=")
    try:
        return name, cli.from_json(value)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be NAME=VALUE, not {text!r}") from None


if __name__ == "__main__":
    cli.run(main)
