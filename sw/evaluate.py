"""``python -m sw.evaluate``: how good a network is, by the golden model.

The figures are those of :class:`sw.answer.Figures`, measured on the data set's test images or
recordings; with ``--classes`` also those of :class:`sw.answer.ClassFigures`.
"""

import argparse
from collections.abc import Mapping, Sequence

from sim import answers
from sw import cli
from sw.answer import Answer, BistableAnswer, ClassFigures, Figures
from sw.data.dataset import Dataset
from sw.data.events import EventDataset
from sw.data.registry import check, load_dataset_for
from sw.flags import parser
from sw.network import CODINGS, Network, find
from sw.selection import Selection

__all__ = ["evaluate", "main"]

_NAME = 24  # characters of a class that are printed
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
_BISTABLE_TEXT = {
    "images": "test images",
    "accuracy": "accuracy, strict (a tie is wrong)",
    "lenient_accuracy": "accuracy, lenient (a tie counts)",
    "decision_step_mean": "steps to the decision",
    "certain_step_mean": "steps until the class is certain, mean",
    "hidden_spikes_mean": "hidden spikes per example",
    "tie_share": "share with a tie of the largest potential",
}


def evaluate(network: Network, data: Dataset | EventDataset) -> Figures:
    """Figures of ``network`` on the test part of ``data``.

    Raises
    ------
    UserError
        The network does not take these inputs or does not name these classes.
    """
    return _answer(network, data).figures(data.test_labels)


def _answer(network: Network, data: Dataset | EventDataset) -> Answer | BistableAnswer:
    check(network, data)
    return answers.run_inputs(network, data.test_part(network.steps))


def arguments() -> argparse.ArgumentParser:
    flags = parser(
        "Measure a network on a data set's test images or recordings.",
        dataset="the one the network was trained on",
    )
    flags.add_argument("network", help="a .safetensors file, or a name in the zoo")
    flags.add_argument(
        "--classes",
        action="store_true",
        help="of each class the sensitivity (share of its examples that are recognised) and the "
        "positive predictivity (share of the answers with its name that are right)",
    )
    return flags


def main(argv: Sequence[str] | None = None) -> None:
    args = arguments().parse_args(argv)
    network = find(args.network, codings=CODINGS)
    data = load_dataset_for(network, Selection.of(args))
    answer = _answer(network, data)
    figures = answer.figures(data.test_labels)
    classes = answer.classes(data.test_labels, data.labels) if args.classes else {}
    if args.json:
        of_classes = {name: each.to_dict() for name, each in classes.items()}
        cli.write_json(args.json, figures.to_dict() | ({"classes": of_classes} if classes else {}))
    if not args.quiet:
        print(f"{network.title}: {network.structure}, {network.steps} steps, {data.name}")
        for key, text in (_BISTABLE_TEXT if network.coding == "bistable" else _TEXT).items():
            value = getattr(figures, key)
            shown = f"{value:.2%}" if key.endswith(("accuracy", "share")) else f"{value:.6g}"
            print(f"  {text:<42}{shown:>8}")
        if not network.dense:
            _print_layers(network, figures)
        if classes:
            _print_classes(classes)


def _print_layers(network: Network, figures: Figures) -> None:
    """Spikes of each layer that sends some; of a pooling those that it passes on."""
    print(f"  {'layer':<24}{'map':>14}{'spikes per example':>20}{'to the decision':>17}")
    for layer, output, spikes, early in zip(
        network.layers,
        network.maps[1:],
        figures.layer_spikes_mean,
        figures.layer_spikes_before_decision_mean,
        strict=False,  # outputs of a bistable network send none
    ):
        size = "x".join(map(str, output))
        print(f"  {layer.kind!s:<24}{size:>14}{spikes:>20.1f}{early:>17.1f}")


def _print_classes(classes: Mapping[str, ClassFigures]) -> None:
    names = {name: cli.printable(name, _NAME) for name in classes}
    width = max(len("class"), *map(len, names.values()))
    print(f"  {'class':<{width}}  examples  sensitivity  positive predictivity")
    for name, each in classes.items():
        sensitivity, predictivity = (
            "none" if share is None else f"{share:.2%}"
            for share in (each.sensitivity, each.positive_predictivity)
        )
        shown = f"{each.examples:>8}  {sensitivity:>11}  {predictivity:>21}"
        print(f"  {names[name]:<{width}}  {shown}")


if __name__ == "__main__":
    cli.run(main)
