"""``python -m sw.evaluate``: how good a network is, by the trainer's integer mode.

The figures are those of :class:`sw.answer.Figures`, measured on the data set's test images.
"""

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from sw import cli
from sw.cli import UserError
from sw.data import DATASETS, Dataset, load
from sw.encoder import LatencyEncoder
from sw.inference import run_images
from sw.network import Network, find

__all__ = ["check", "evaluate", "main"]

_TEXT = {
    "images": "test images",
    "accuracy": "accuracy, strict",
    "lenient_accuracy": "accuracy, lenient (a tie counts)",
    "decision_step_mean": "steps to the decision, mean",
    "hidden_spikes_mean": "hidden spikes per image, whole window",
    "hidden_spikes_before_decision_mean": "hidden spikes per image, to the decision",
    "tie_share": "images with a tie in the decision step",
    "silent_share": "images where no output fires",
}


def check(network: Network, data: Dataset) -> None:
    """Raises UserError if ``network`` does not take these images or name these classes."""
    encoder = network.encoder
    if not isinstance(encoder, LatencyEncoder) or encoder.shape != data.shape:
        takes = getattr(encoder, "shape", "events")
        raise UserError(
            f"{network.name}: takes {takes}, {data.name} has images {data.shape}; "
            f"name the data set it was trained on with --dataset"
        )
    if network.labels != data.labels:
        raise UserError(
            f"{network.name}: its classes are not those of {data.name}; "
            f"name the data set it was trained on with --dataset"
        )


def evaluate(network: Network, data: Dataset) -> dict[str, float]:
    """Figures of ``network`` on the test images of ``data``.

    Raises
    ------
    UserError
        The network does not take these images or does not name these classes.
    """
    check(network, data)
    return asdict(run_images(network, data.test_images).figures(data.test_labels))


def arguments() -> argparse.ArgumentParser:
    parser = cli.parser("Measure a network on a data set's test images.", data=True)
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
