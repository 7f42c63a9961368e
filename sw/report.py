"""``python -m sw.report``: plots of a network's behaviour on a data set's test images or
recordings.

Writes ``accuracy_by_step.png`` and ``confusion.png``; of images also ``inputs.png``, when each
input fires; and ``learning_curve.png`` if the log of the training run is named.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from sw import cli
from sw.data.dataset import Dataset
from sw.data.events import EventDataset
from sw.data.registry import load_dataset_for
from sw.encoder import LatencyEncoder
from sw.flags import input_file, parser
from sw.learn.batches import EventInputs
from sw.learn.history import read_epochs
from sw.learn.inference import run_inputs, run_layers, tensors
from sw.network import Network, find
from sw.reports import pictures
from sw.selection import Selection

__all__ = ["Report", "confusion", "examples", "main", "stopped"]


@dataclass(frozen=True, kw_only=True)
class Report:
    """What the pictures show, as numbers.

    Parameters
    ----------
    accuracy_at_step : list of T float, 0 … 1
        Strict, when stopped at the end of each step.
    decided_by_step : list of T float, 0 … 1
        Share of images decided by the end of each step.
    confusion : list of C lists of C int
        How often each class (outer) got each answer (inner).
    """

    accuracy_at_step: list[float]
    decided_by_step: list[float]
    confusion: list[list[int]]


def stopped(network: Network, data: Dataset | EventDataset) -> list[float]:
    """Strict accuracy on the test part of ``data``, of the answer when the network is stopped at
    the end of each step: [T].

    Stopped at step s it answers by rule 5 of docs/spec.md with a window of s + 1 steps.
    """
    layers, labels = tensors(network, "cpu"), data.test_labels
    if isinstance(data, EventDataset):
        everything = torch.arange(len(labels))
        counts = EventInputs(data.test_events, network.steps, torch.device("cpu")).take(everything)
        seen = (counts[:, :steps] for steps in range(1, network.steps + 1))
    else:
        times = torch.from_numpy(_latency(network).times(data.test_images, network.steps)).long()
        seen = (times.clamp(max=steps) for steps in range(1, network.steps + 1))
    return [
        run_layers(layers, inputs, steps).figures(labels).accuracy
        for steps, inputs in enumerate(seen, start=1)
    ]


def confusion(answers: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """How often each class (row) got each answer (column): int [C, C]."""
    return np.bincount(labels * classes + answers, minlength=classes**2).reshape(classes, -1)


def examples(network: Network, data: Dataset) -> np.ndarray:
    """Firing steps of the first test image of each class, where its inputs lie in the image: int
    [C, maps, height, width] after pooling, T for never and for pixels that are no inputs.
    """
    encoder, (height, width) = _latency(network), data.shape
    first = [int((data.test_labels == label).argmax()) for label in range(len(data.labels))]
    times = np.full((len(first), encoder.pooled), network.steps)
    chosen = slice(None) if encoder.select is None else list(encoder.select)
    times[:, chosen] = encoder.times(data.test_images[first], network.steps)
    rows, columns = height // encoder.pool, width // encoder.pool
    return times.reshape(len(first), data.maps, rows // data.maps, columns)


def _latency(network: Network) -> LatencyEncoder:
    """The encoder of a network that takes images."""
    if not isinstance(network.encoder, LatencyEncoder):
        raise ValueError(f"Network must take images, not {network.encoder!r}")
    return network.encoder


def arguments() -> argparse.ArgumentParser:
    flags = parser(
        "Plot a network's accuracy by step, confusion matrix and input spikes.",
        dataset="the one the network was trained on",
        build=True,
        out="report/<name>",
    )
    flags.add_argument("network", help="a .safetensors file, or a name in the zoo")
    flags.add_argument(
        "--log", metavar="FILE", type=input_file, help="log.json of the training run, for its curve"
    )
    return flags


def main(argv: Sequence[str] | None = None) -> None:
    args = arguments().parse_args(argv)
    network = find(args.network)
    data = load_dataset_for(network, Selection.of(args))
    history = None if args.log is None else read_epochs(args.log)
    folder = args.out or args.build_dir / "report" / network.file_name
    cli.check_output(folder, folder=True)
    given = run_inputs(network, data.test_part(network.steps))
    matrix = confusion(given.label, data.test_labels, len(network.labels))
    accuracy = stopped(network, data)
    decided = [float((given.step <= step).mean()) for step in range(network.steps)]
    pictures.accuracy_by_step(folder / "accuracy_by_step.png", accuracy, decided, network.title)
    pictures.confusion(folder / "confusion.png", matrix, network.labels, network.title)
    if isinstance(data, Dataset):
        pictures.inputs(
            folder / "inputs.png",
            examples(network, data),
            network.steps,
            data.labels,
            network.title,
        )
    if history is not None:
        pictures.learning_curve(folder / "learning_curve.png", history, network.title)
    if args.json:
        figures = Report(
            accuracy_at_step=accuracy, decided_by_step=decided, confusion=matrix.tolist()
        )
        cli.write_json(args.json, figures)
    if not args.quiet:
        print(f"{network.title}: pictures in {folder}")
        print("step      " + "".join(f"{step + 1:>8}" for step in range(network.steps)))
        print("right [%] " + "".join(f"{100 * share:8.2f}" for share in accuracy))
        print("decided   " + "".join(f"{100 * share:8.2f}" for share in decided))


if __name__ == "__main__":
    cli.run(main)
