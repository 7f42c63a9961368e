"""``python -m sw.report``: pictures of what a network does on a data set's test images.

Writes ``accuracy_by_step.png`` and ``confusion.png``, and ``learning_curve.png`` if the log of the
training run is named.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from sw import cli, pictures
from sw.cli import UserError
from sw.data import DATASETS, load
from sw.evaluate import check
from sw.inference import run_images, run_layers, tensors
from sw.network import Network, find

__all__ = ["confusion", "main", "stopped"]


def stopped(network: Network, images: np.ndarray, labels: np.ndarray) -> list[float]:
    """Strict accuracy of the answer when the network is stopped at the end of each step: [T].

    Stopped at step s it answers by rule 5 of docs/spec.md with a window of s + 1 steps.

    Parameters
    ----------
    network : Network
        For images.
    images : uint8 [B, height, width]
    labels : int [B]
    """
    times = torch.from_numpy(network.encoder.times(images, network.steps)).long()
    layers = tensors(network, "cpu")
    return [
        run_layers(layers, times.clamp(max=steps), steps).figures(labels).accuracy
        for steps in range(1, network.steps + 1)
    ]


def confusion(answers: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """How often each class (row) got each answer (column): int [C, C]."""
    return np.bincount(labels * classes + answers, minlength=classes**2).reshape(classes, -1)


def arguments() -> argparse.ArgumentParser:
    parser = cli.parser(
        "Draw what a network does on a data set's test images.", data=True, build=True
    )
    parser.add_argument("network", help="a .safetensors file, or a name in the zoo")
    parser.add_argument(
        "--dataset", choices=DATASETS, help="(default: the one the network was trained on)"
    )
    parser.add_argument(
        "--log", metavar="FILE", type=Path, help="log.json of the training run, for its curve"
    )
    parser.add_argument(
        "--out", metavar="DIR", type=Path, help="(default: <build-dir>/report/<name>)"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    args = arguments().parse_args(argv)
    network = find(args.network)
    data = load(args.dataset or network.provenance["dataset"], args.data_dir)
    check(network, data)
    history = None if args.log is None else _history(args.log)
    answer = run_images(network, data.test_images)
    matrix = confusion(answer.label, data.test_labels, len(network.labels))
    accuracy = stopped(network, data.test_images, data.test_labels)
    decided = [float((answer.step <= step).mean()) for step in range(network.steps)]
    folder = args.out or args.build_dir / "report" / network.name
    pictures.accuracy_by_step(folder / "accuracy_by_step.png", accuracy, decided, network.name)
    pictures.confusion(folder / "confusion.png", matrix, network.labels, network.name)
    if history is not None:
        pictures.learning_curve(folder / "learning_curve.png", history, network.name)
    if args.json:
        figures = {"accuracy_at_step": accuracy, "decided_by_step": decided}
        cli.write_json(args.json, {**figures, "confusion": matrix.tolist()})
    if not args.quiet:
        print(f"{network.name}: pictures in {folder}")
        print("step      " + "".join(f"{step + 1:>8}" for step in range(network.steps)))
        print("right [%] " + "".join(f"{100 * share:8.2f}" for share in accuracy))
        print("decided   " + "".join(f"{100 * share:8.2f}" for share in decided))


def _history(path: Path) -> list[dict[str, object]]:
    try:
        return json.loads(path.read_text())["epochs"]
    except (OSError, ValueError, KeyError) as error:
        raise UserError(
            f"{path}: is not the log of a training run ({error!r}); name its log.json"
        ) from None


if __name__ == "__main__":
    cli.run(main)
