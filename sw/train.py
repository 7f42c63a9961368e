"""``python -m sw.train``: trains a network and writes its file.

Beside the network it leaves ``log.json`` (recipe, figures, one entry per epoch) and
``learning_curve.png`` in ``<build-dir>/train/<name>/``, where the checkpoint lies until the run is
done; and the network's report page in ``<build-dir>/report/<name>/``. A command that was killed is
resumed by giving it again.
"""

import platform
import shlex
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from sw import cli, fitting
from sw.answer import Answer, BistableAnswer
from sw.cli import UserError
from sw.data.dataset import Dataset
from sw.data.events import EventDataset
from sw.data.registry import load_selected
from sw.learn import devices, distributed
from sw.learn.answers import run_inputs
from sw.learn.flags import arguments, prepared
from sw.learn.history import Epoch, Log, RunFigures
from sw.learn.presets import PRESETS
from sw.learn.trainer import Trainer
from sw.network import Network, file_name, find
from sw.reports import pictures
from sw.reports.page import publish
from sw.reports.result import command_line, folder_of
from sw.reports.sections.answers import evaluation_of
from sw.reports.sections.training import Training
from sw.selection import Selection

__all__ = ["main", "train"]

_SMALL = 1 << 20  # spike flags of a batch, all steps


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
        start = find(args.start) if args.start else None
        trainer = Trainer(recipe, data, device, start)
        if recipe.batch * recipe.steps * max(trainer.rule.sizes) < _SMALL:
            torch.set_num_threads(1)  # several would wait for one another longer than they work
        structure = str(trainer.rule.structure)
        name = args.name or (
            file_name(args.out.stem)
            if args.out
            else f"{file_name(Path(args.dataset).stem)}-{structure}-"
            f"{'k' if recipe.coding == 'bistable' else 't'}{recipe.steps}"
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
    if network is not None and network.coding == "bistable":
        changed, count = (
            network.provenance[key] for key in ("values_changed_by_rounding", "of_values")
        )
        log(f"rounding to integers changes {changed:,} of {count:,} values of hidden units")
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
            evaluation_of(network, inputs, labels, answer, dataset=data.name, **about),
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
) -> tuple[Network | None, RunFigures, Answer | BistableAnswer]:
    """Trains to the end and measures once on the test part of ``data``.

    Returns
    -------
    (Network or None, RunFigures, Answer or BistableAnswer)
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
    if (rounded := trainer.rounded()) is not None:
        provenance["values_changed_by_rounding"], provenance["of_values"] = rounded
    network = None
    answer: Answer | BistableAnswer
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


if __name__ == "__main__":
    cli.run(main)
