"""``python -m sw.bench_conversion ANN …``: the methods that convert an ANN to spikes, compared.

Several ANNs of one structure, such as of several seeds, are one experiment; quantised ones
(``sw.train_ann --levels``) are converted by qcfs, too. In ``<build-dir>/bench_conversion/<name>/``
it leaves ``results.json``, ``table.md``, and pictures: ``accuracy.png`` (accuracy against step),
``sin.png`` (spikes of inactivated neurons by layer) and ``neuron.png`` (one such neuron, by phase
and bistable).
A command that was killed goes on with the conversion that it was at.
"""

import argparse
import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from tqdm import tqdm

from sw import cli
from sw.ann.comparison import Variant, markdown, variants
from sw.ann.figures import Conversion
from sw.ann.methods import METHODS
from sw.ann.pictures import accuracy_by_step, sin_by_layer, traces
from sw.ann.subject import Subject
from sw.ann.trace import follow, misled
from sw.cli import UserError
from sw.flags import parser, positive_int, setting
from sw.learn import devices
from sw.network import file_name
from sw.rules.settings import listing, settings_of
from sw.selection import Selection

__all__ = ["main"]


def arguments() -> argparse.ArgumentParser:
    flags = parser(
        "Compare the methods that convert an ANN to spikes.",
        dataset="the one that the ANN was trained on",
        build=True,
        out="bench_conversion/<name>",
    )
    flags.formatter_class = argparse.RawDescriptionHelpFormatter
    settings = {name: settings_of(kind) for name, kind in METHODS.items()}
    flags.epilog = f"--set, by method\n\n{listing(settings)}"
    add = flags.add_argument
    add("anns", metavar="ANN", nargs="+", help="files of sw.train_ann")
    add(
        "--methods",
        nargs="+",
        choices=tuple(METHODS),
        default=list(METHODS),
        help="only these (default: all)",
    )
    add("--steps", metavar="T", type=positive_int, default=64, help="(default: %(default)s)")
    add(
        "--set",
        metavar="METHOD.NAME=VALUE",
        type=setting,
        action="append",
        default=[],
        help="a setting of a method (below), such as bistable.phases=3",
    )
    add("--images", metavar="N", type=positive_int, help="only the first N (default: all)")
    add(
        "--held-out",
        action="store_true",
        help="images that training held out, to choose settings by, instead of test images",
    )
    add("--device", default="auto", help="cpu, cuda or auto (default: %(default)s)")
    add("--restart", action="store_true", help="do again what an earlier run has done")
    return flags


def main(argv: Sequence[str] | None = None) -> None:
    args = arguments().parse_args(argv)
    device = devices.find(args.device)
    settings = _settings(args.set, args.methods)
    for name in args.anns:
        if ".py:" in name:
            raise UserError(
                f"{name}: a module of PyTorch; the comparison takes files of sw.train_ann only, "
                f"python -m sw.convert {name} --method … takes this"
            )
    paths = [Path(name) for name in args.anns]
    folder = args.out or args.build_dir / "bench_conversion" / file_name(paths[0].stem)
    cli.check_output(folder, folder=True)
    subjects = [
        Subject.of_file(
            path, Selection.of(args), device, validation=args.held_out, count=args.images
        )
        for path in paths
    ]
    planned = [list(variants(subject, args.methods, settings)) for subject in subjects]
    if not any(planned):
        raise UserError(f"--methods {' '.join(args.methods)}: none of them is for these ANNs")
    with (
        cli.exclusive(folder),
        tqdm(
            total=sum(len(each) * len(s.images) for each, s in zip(planned, subjects, strict=True)),
            unit="image",
            disable=args.quiet,
            mininterval=0.5,
        ) as bar,
    ):
        runs: dict[str, list[Conversion]] = defaultdict(list)
        for path, subject, chosen in zip(paths, subjects, planned, strict=True):
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            for variant in chosen:
                bar.set_description(f"{path.stem}: {variant.name}")
                runs[variant.name].append(_run(args, subject, variant, digest, folder, bar))
        _write(folder, runs, subjects[0], args.steps)
        _write_neuron(folder / "neuron.png", subjects[0], planned[0])
    if args.json:
        cli.write_json(args.json, dict(runs))
    if not args.quiet:
        print(markdown(runs), end="")
        print(f"{folder}: results.json, table.md, pictures")


def _settings(
    given: Sequence[tuple[str, object]], methods: Sequence[str]
) -> dict[str, dict[str, object]]:
    """By method, of these ``methods``."""
    result: dict[str, dict[str, object]] = defaultdict(dict)
    for name, value in given:
        method, dot, setting_ = name.partition(".")
        if not dot:
            raise UserError(f"--set {name}: must be METHOD.NAME=VALUE, such as bistable.phases=3")
        if method in METHODS and method not in methods:
            raise UserError(f"--set {name}: --methods leaves {method} out; leave out one of them")
        result[method][setting_] = value
    return dict(result)


def _run(
    args: argparse.Namespace,
    subject: Subject,
    variant: Variant,
    digest: str,
    folder: Path,
    bar: tqdm,
) -> Conversion:
    """A conversion, or what an earlier run of the same command has kept of it."""
    data = (subject.dataset, subject.part, len(subject.images))
    key = (digest, variant, *data, args.steps, *filter(None, [subject.digest]))
    path = folder / "runs" / f"{hashlib.sha256(repr(key).encode()).hexdigest()[:16]}.json"
    if path.exists() and not args.restart:
        try:
            result = Conversion.from_dict(cli.read_json(path))
        except ValueError as error:
            raise UserError(f"{path}: damaged ({error}); delete it, or add --restart") from None
        bar.update(len(subject.images))
        return result

    def watch(images: float) -> None:
        bar.update(images)

    result = subject.convert(variant.method, variant.made, args.steps, watch)
    cli.write_json(path, result)
    return result


def _write(
    folder: Path, runs: Mapping[str, Sequence[Conversion]], subject: Subject, steps: int
) -> None:
    cli.write_json(folder / "results.json", dict(runs))
    cli.write_files(folder, {"table.md": markdown(runs)})
    title = f"{subject.dataset}, {len(subject.images):,} {subject.part} images"
    accuracy_by_step(folder / "accuracy.png", runs, title)
    sin_by_layer(folder / "sin.png", runs, title)


@torch.no_grad()
def _write_neuron(path: Path, subject: Subject, chosen: Sequence[Variant]) -> None:
    """The neuron that is misled most by phase, of the first image, until bistable has answered."""
    made = {each.name: each.made for each in chosen if each.name in ("phase", "bistable")}
    if len(made) < 2:
        return
    both = {name: (method, subject.thresholds(method)) for name, method in made.items()}
    values = subject.given(subject.images[:1])
    steps = 2 * made["bistable"].period * len(subject.graph.neurons)
    node, unit = misled(subject.graph, *both["phase"], values, steps)
    shown = follow(subject.graph, both, values, node, unit, steps)
    traces(path, shown, f"{subject.dataset}, test image 0: unit {unit} of {node.name}")


if __name__ == "__main__":
    cli.run(main)
