"""``python -m sw.evaluate``: how good a network is, by the trainer's integer mode.

The figures are those of :class:`sw.answer.Figures`, measured on the data set's test images or
recordings.
"""

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from sw import cli
from sw.answer import Answer
from sw.cli import UserError
from sw.data.events import EventDataset
from sw.data.registry import DATASETS, Dataset, load
from sw.encoder import EventsEncoder, LatencyEncoder
from sw.learn.inference import run, run_images
from sw.network import Network, find

__all__ = ["answer", "check", "evaluate", "main"]

_TEXT = {
    "images": "test images or recordings",
    "accuracy": "accuracy, strict",
    "lenient_accuracy": "accuracy, lenient (a tie counts)",
    "decision_step_mean": "steps to the decision, mean",
    "hidden_spikes_mean": "hidden spikes per example, whole window",
    "hidden_spikes_before_decision_mean": "hidden spikes per example, to the decision",
    "tie_share": "share with a tie in the decision step",
    "silent_share": "share where no output fires",
}


def check(network: Network, data: Dataset | EventDataset) -> None:
    """Raises UserError if ``network`` does not take these inputs or name these classes."""
    encoder = network.encoder
    if isinstance(data, EventDataset):
        fits = encoder == EventsEncoder(channels=data.channels)
        has = f"events of {data.channels} channels"
    else:
        fits = isinstance(encoder, LatencyEncoder) and encoder.shape == data.shape
        has = f"images {data.shape}"
    if not fits:
        events = isinstance(encoder, EventsEncoder)
        takes = f"events of {encoder.channels} channels" if events else f"images {encoder.shape}"
        raise UserError(
            f"{network.name}: takes {takes}, {data.name} has {has}; "
            f"name the data set it was trained on with --dataset"
        )
    if network.labels != data.labels:
        raise UserError(
            f"{network.name}: its classes are not those of {data.name}; "
            f"name the data set it was trained on with --dataset"
        )


def answer(
    network: Network, data: Dataset | EventDataset, device: str | torch.device = "cpu"
) -> Answer:
    """The answer of ``network`` to the test images or recordings of ``data``.

    Raises
    ------
    UserError
        The network does not take these inputs or does not name these classes.
    """
    check(network, data)
    if isinstance(data, EventDataset):
        return run(network, data.test_events.spikes(network.steps), device)
    return run_images(network, data.test_images, device)


def evaluate(network: Network, data: Dataset | EventDataset) -> dict[str, float]:
    """Figures of ``network`` on the test part of ``data``. Raises as :func:`answer` does."""
    return asdict(answer(network, data).figures(data.test_labels))


def arguments() -> argparse.ArgumentParser:
    parser = cli.parser("Measure a network on a data set's test images or recordings.", data=True)
    parser.add_argument("network", help="a .safetensors file, or a name in the zoo")
    parser.add_argument(
        "--dataset", choices=DATASETS, help="(default: the one the network was trained on)"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    args = arguments().parse_args(argv)
    network = find(args.network)
    name = args.dataset or network.provenance["dataset"]
    figures = evaluate(network, load(name, args.data_dir))
    if args.json:
        cli.write_json(Path(args.json), figures)
    if not args.quiet:
        print(f"{network.name}: {network.structure}, {network.steps} steps, {name}")
        for key, value in figures.items():
            shown = f"{value:.2%}" if key.endswith(("accuracy", "share")) else f"{value:.6g}"
            print(f"  {_TEXT[key]:<42}{shown:>8}")


if __name__ == "__main__":
    cli.run(main)
