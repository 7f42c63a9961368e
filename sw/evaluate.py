"""``python -m sw.evaluate``: how good a network is, by the golden model.

The figures are those of :class:`sw.answer.Figures`, measured on the data set's test images or
recordings.
"""

import argparse
from collections.abc import Sequence

from sim import golden
from sw import cli
from sw.answer import Figures
from sw.data.dataset import Dataset
from sw.data.events import EventDataset
from sw.data.registry import check, load_dataset_for
from sw.flags import parser
from sw.network import Network, find
from sw.selection import Selection

__all__ = ["evaluate", "main"]

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


def evaluate(network: Network, data: Dataset | EventDataset) -> Figures:
    """Figures of ``network`` on the test part of ``data``.

    Raises
    ------
    UserError
        The network does not take these inputs or does not name these classes.
    """
    check(network, data)
    answer = golden.run_inputs(network, data.test_part(network.steps))
    return answer.figures(data.test_labels)


def arguments() -> argparse.ArgumentParser:
    flags = parser(
        "Measure a network on a data set's test images or recordings.",
        dataset="the one the network was trained on",
    )
    flags.add_argument("network", help="a .safetensors file, or a name in the zoo")
    return flags


def main(argv: Sequence[str] | None = None) -> None:
    args = arguments().parse_args(argv)
    network = find(args.network)
    data = load_dataset_for(network, Selection.of(args))
    figures = evaluate(network, data)
    if args.json:
        cli.write_json(args.json, figures)
    if not args.quiet:
        print(f"{network.title}: {network.structure}, {network.steps} steps, {data.name}")
        for key, value in figures.to_dict().items():
            shown = f"{value:.2%}" if key.endswith(("accuracy", "share")) else f"{value:.6g}"
            print(f"  {_TEXT[key]:<42}{shown:>8}")


if __name__ == "__main__":
    cli.run(main)
