"""``python -m sw.report``: plots of a network's behaviour on a data set's test images or
recordings, and its report page.

Writes ``accuracy_by_step.png`` and ``confusion.png``; of images also ``inputs.png``, when each
input fires; and ``learning_curve.png`` if the log of the training run is named. ``report.html``
holds all that commands have found about the network.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sw import cli
from sw.data.dataset import Dataset
from sw.data.registry import load_dataset_for
from sw.encoder import LatencyEncoder
from sw.flags import input_file, parser
from sw.learn.answers import run_inputs
from sw.learn.history import read_epochs
from sw.network import CODINGS, Network, find
from sw.reports import pictures
from sw.reports.page import publish
from sw.reports.result import command_line, folder_of, versions_of
from sw.reports.sections.answers import evaluation_of
from sw.reports.sections.values import Values
from sw.selection import Selection

__all__ = ["Report", "examples", "main"]


@dataclass(frozen=True, kw_only=True)
class Report:
    """What the pictures show, as numbers.

    Parameters
    ----------
    accuracy_at_step : list of T float, 0 … 1
        Strict, when stopped at the end of each step; of a bistable network each step of the output
        layer's period.
    decided_by_step : list of T float, 0 … 1
        Share of images decided by the end of each step.
    confusion : list of C lists of C int
        How often each class (outer) got each answer (inner).
    """

    accuracy_at_step: list[float]
    decided_by_step: list[float]
    confusion: list[list[int]]


def examples(network: Network, data: Dataset) -> np.ndarray:
    """Firing steps of the first test image of each class, where its inputs lie in the image: int
    [C, maps, height, width] after pooling, T for never and for pixels that are no inputs. Channels
    are maps, too.
    """
    encoder = _latency(network)
    first = [int((data.test_labels == label).argmax()) for label in range(len(data.labels))]
    times = np.full((len(first), encoder.pooled), network.steps)
    chosen = slice(None) if encoder.select is None else list(encoder.select)
    times[:, chosen] = encoder.times(data.test_images[first], network.steps)
    height, width = (edge // encoder.pool for edge in data.map_size)
    return times.reshape(len(first), -1, height, width)


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
    argv = sys.argv[1:] if argv is None else list(argv)
    args = arguments().parse_args(argv)
    network = find(args.network, codings=CODINGS)
    data = load_dataset_for(network, Selection.of(args))
    history = None if args.log is None else read_epochs(args.log)
    folder = args.out or folder_of(network, args.build_dir)
    cli.check_output(folder, folder=True)
    inputs = data.test_part(network.steps)
    answer = run_inputs(network, inputs)
    evaluation = evaluation_of(
        network,
        inputs,
        data.test_labels,
        answer,
        dataset=data.name,
        command=command_line("sw.report", argv),
        versions=versions_of("numpy", "torch"),
    )
    if isinstance(evaluation, Values):
        accuracy, decided = evaluation.accuracy_at_phase, evaluation.certain_by_phase
    else:
        accuracy, decided = evaluation.accuracy_at_step, evaluation.decided_by_step
    matrix = np.array(evaluation.confusion)
    pictures.accuracy_by_step(folder / "accuracy_by_step.png", accuracy, decided, network.title)
    pictures.confusion(folder / "confusion.png", matrix, network.labels, network.title)
    if isinstance(data, Dataset) and network.coding == "first-spike":
        pictures.inputs(
            folder / "inputs.png",
            examples(network, data),
            network.steps,
            data.labels,
            network.title,
        )
    if history is not None:
        pictures.learning_curve(folder / "learning_curve.png", history, network.title)
    page = publish(network, args.network, folder, [evaluation])
    if args.json:
        figures = Report(
            accuracy_at_step=list(accuracy),
            decided_by_step=list(decided),
            confusion=matrix.tolist(),
        )
        cli.write_json(args.json, figures)
    if not args.quiet:
        print(f"{network.title}: pictures in {folder}")
        print("step      " + "".join(f"{step + 1:>8}" for step in range(network.steps)))
        print("right [%] " + "".join(f"{100 * share:8.2f}" for share in accuracy))
        print("decided   " + "".join(f"{100 * share:8.2f}" for share in decided))
        print(page)


if __name__ == "__main__":
    cli.run(main)
