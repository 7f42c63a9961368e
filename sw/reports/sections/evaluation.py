"""What the network answers on the test part of its data set."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sw.answer import Answer
from sw.encoder import Inputs
from sw.network import Network
from sw.reports.answers import Answers, shown
from sw.reports.behaviour import (
    Example,
    accuracy_at_step,
    decided_by_step,
    example,
)
from sw.reports.blocks import Block, Facts, Figure, Highlight, Table
from sw.reports.classes import class_table, confusion_figure
from sw.reports.sections.base import Section
from sw.reports.svg import COLOURS, drawing

__all__ = ["SECTION", "Evaluation"]


@dataclass(frozen=True, kw_only=True)
class Evaluation(Answers):
    """The network's answers to test examples, all of them or the first ones.

    Parameters
    ----------
    dataset, figures, confusion
        As of Answers.
    accuracy_at_step, decided_by_step : tuple of T float, 0 … 1
        Strict, when stopped at the end of each step; share decided by then.
    examples : tuple of Example
        The first one that is answered right and the first one that is not, as far as there are.
    """

    kind = "evaluation"

    accuracy_at_step: tuple[float, ...]
    decided_by_step: tuple[float, ...]
    examples: tuple[Example, ...]

    @classmethod
    def of(
        cls,
        network: Network,
        inputs: Inputs,
        labels: np.ndarray,
        answer: Answer,
        *,
        dataset: str,
        command: str,
        versions: dict[str, str],
    ) -> "Evaluation":
        """That of ``answer`` to ``inputs`` of the true ``labels`` int [B]."""
        return cls(
            **cls.common(network, labels, answer, dataset),
            command=command,
            versions=versions,
            accuracy_at_step=tuple(accuracy_at_step(network, inputs, answer, labels)),
            decided_by_step=tuple(decided_by_step(answer)),
            examples=tuple(
                example(network, inputs, answer, labels, each) for each in shown(answer, labels)
            ),
        )


def _highlights(network: Network, result: Evaluation) -> Iterator[Highlight]:
    yield result.accuracy(network)
    yield Highlight(
        name="decision",
        value=f"step {result.figures.decision_step_mean:.2f}",
        note=f"mean, of {network.steps}",
    )


def _blocks(network: Network, result: Evaluation) -> Iterator[Block]:
    figures = result.figures
    matrix = np.array(result.confusion)
    accuracy = result.accuracy_at_step
    yield Figure(
        svg=_by_step(result),
        title="Accuracy against step",
        caption="If the network were stopped at the end of a step; and how many examples are "
        "decided by then.",
        description="Stopped at the end of each step it is right on "
        + ", ".join(f"{share:.1%}" for share in accuracy[:16])
        + (" and so on." if len(accuracy) > 16 else "."),
    )
    yield confusion_figure(matrix, network.labels)
    yield Facts(
        rows=[
            ("data set", f"{result.dataset}, {figures.images:,} test examples"),
            ("accuracy, strict", f"{figures.accuracy:.2%}"),
            ("accuracy, lenient", f"{figures.lenient_accuracy:.2%} (a tie counts)"),
            ("decision step, mean", f"{figures.decision_step_mean:.2f} of {network.steps}"),
            (
                "hidden spikes per example",
                f"{figures.hidden_spikes_before_decision_mean:.1f} to the decision, "
                f"{figures.hidden_spikes_mean:.1f} in the whole window",
            ),
            ("tie in the decision step", f"{figures.tie_share:.2%}"),
            ("no output fires", f"{figures.silent_share:.2%}"),
        ]
    )
    if not network.dense and figures.layer_spikes_mean:
        yield Table(
            caption="Spikes per example",
            head=("layer", "in the whole window", "of its units", "to the decision"),
            rows=[
                (str(layer.kind), f"{spikes:.1f}", f"{spikes / units:.1%}", f"{early:.1f}")
                for layer, units, spikes, early in zip(
                    network.layers,
                    network.sizes[1:],
                    figures.layer_spikes_mean,
                    figures.layer_spikes_before_decision_mean,
                    strict=True,
                )
            ],
        )
    yield class_table(matrix, network.labels)


def _by_step(result: Evaluation) -> str:
    from matplotlib.ticker import MaxNLocator

    steps = np.arange(1, len(result.accuracy_at_step) + 1)
    with drawing(2.9) as picture:
        axes = picture.figure.subplots()
        decided = 100 * np.array(result.decided_by_step)
        axes.bar(steps, decided, color=COLOURS["grid"], label="decided by then")
        axes.plot(
            steps,
            100 * np.array(result.accuracy_at_step),
            marker="o" if len(steps) <= 32 else "",
            markersize=4,
            color=COLOURS["accent"],
            label="right when stopped there",
        )
        axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
        axes.set(xlabel="step", ylabel="test examples [%]", ylim=(0, 104))
        axes.legend(loc="lower right")
    return picture.svg


SECTION = Section(
    anchor="evaluation",
    title="On test examples",
    kind=Evaluation,
    blocks=_blocks,
    highlights=_highlights,
    coding="first-spike",
    missing=lambda network, named: f"python -m sw.report {named}",
)
