"""What the network answers on the test part of its data set."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from sw.answer import Answer, Figures
from sw.cli import printable
from sw.encoder import Inputs
from sw.network import Network
from sw.record import INLINE
from sw.reports.behaviour import (
    Example,
    accuracy_at_step,
    confusion,
    decided_by_step,
    example,
)
from sw.reports.blocks import Block, Facts, Figure, Highlight, Table
from sw.reports.result import Result, portable
from sw.reports.sections.base import Section
from sw.reports.svg import COLOURS, drawing

__all__ = ["SECTION", "Evaluation"]

_COUNTED = 20  # classes of which the picture shows the counts
_LISTED = 64  # classes that the table lists


@dataclass(frozen=True, kw_only=True)
class Evaluation(Result):
    """The network's answers to test examples, all of them or the first ones.

    Parameters
    ----------
    dataset : str
    figures : Figures
    confusion : tuple of C tuples of C int
        How often each class (outer) got each answer (inner).
    accuracy_at_step, decided_by_step : tuple of T float, 0 … 1
        Strict, when stopped at the end of each step; share decided by then.
    examples : tuple of Example
        The first one that is answered right and the first one that is not, as far as there are.
    """

    kind = "evaluation"

    dataset: str
    figures: Figures = field(metadata=INLINE)
    confusion: tuple[tuple[int, ...], ...]
    accuracy_at_step: tuple[float, ...]
    decided_by_step: tuple[float, ...]
    examples: tuple[Example, ...]

    @property
    def variant(self) -> str:
        return self.dataset

    @property
    def extent(self) -> int:
        return self.figures.images

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
        right = answer.label == labels
        shown = [int(of.argmax()) for of in (right, ~right) if of.any()]
        matrix = confusion(answer.label, labels, len(network.labels))
        return cls(
            network_sha256=network.sha256,
            command=command,
            versions=versions,
            dataset=portable(dataset),
            figures=answer.figures(labels),
            confusion=tuple(tuple(map(int, row)) for row in matrix),
            accuracy_at_step=tuple(accuracy_at_step(network, inputs, answer, labels)),
            decided_by_step=tuple(decided_by_step(answer)),
            examples=tuple(example(network, inputs, answer, labels, each) for each in shown),
        )


def _highlights(network: Network, result: Evaluation) -> Iterator[Highlight]:
    figures = result.figures
    usual = result.dataset == portable(str(network.provenance["dataset"]))
    yield Highlight(
        name="accuracy" if usual else f"accuracy, {printable(result.dataset, 40)}",
        value=f"{figures.accuracy:.2%}",
        note=f"strict, {figures.images:,} test examples",
    )
    yield Highlight(
        name="decision",
        value=f"step {figures.decision_step_mean:.2f}",
        note=f"mean, of {network.steps}",
    )


def _blocks(network: Network, result: Evaluation) -> Iterator[Block]:
    figures = result.figures
    matrix = np.array(result.confusion)
    accuracy = result.accuracy_at_step
    wrong = int(matrix.sum() - np.trace(matrix))
    yield Figure(
        svg=_by_step(result),
        title="Accuracy against step",
        caption="If the network were stopped at the end of a step; and how many examples are "
        "decided by then.",
        description="Stopped at the end of each step it is right on "
        + ", ".join(f"{share:.1%}" for share in accuracy[:16])
        + (" and so on." if len(accuracy) > 16 else "."),
    )
    yield Figure(
        svg=_confusion(matrix, network.labels),
        title="Confusion matrix",
        caption=f"Rows are classes, columns answers; {wrong:,} of {figures.images:,} are wrong.",
        description=f"{figures.images - wrong:,} answers lie on the diagonal and are right, "
        f"{wrong:,} beside it. The table of classes has the rates.",
    )
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
    yield Table(
        caption="Classes" if len(matrix) <= _LISTED else f"Classes, the first {_LISTED}",
        head=("class", "examples", "sensitivity", "positive predictivity", "most taken for"),
        rows=[
            _class_row(matrix, network.labels, each) for each in range(min(len(matrix), _LISTED))
        ],
    )


def _class_row(matrix: np.ndarray, labels: Sequence[str], index: int) -> tuple[str, ...]:
    own, answered = int(matrix[index].sum()), int(matrix[:, index].sum())
    right = int(matrix[index, index])
    others = matrix[index].copy()
    others[index] = 0
    worst = int(others.argmax())
    return (
        printable(labels[index], 40),
        f"{own:,}",
        f"{right / own:.1%}" if own else "–",
        f"{right / answered:.1%}" if answered else "–",
        f"{printable(labels[worst], 40)} ({others[worst]:,})" if others[worst] else "–",
    )


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


def _confusion(matrix: np.ndarray, labels: Sequence[str]) -> str:
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Rectangle

    classes, errors = len(matrix), matrix - np.diag(np.diag(matrix))
    names = [printable(label, 10) for label in labels]
    with drawing(4.3) as picture:
        picture.figure.set_layout_engine("compressed")  # keeps room for labels of square axes
        axes = picture.figure.subplots()
        for right, colour in ((True, "accent"), (False, "warn")):
            cells = [
                (row, column, count)
                for (row, column), count in np.ndenumerate(matrix)
                if count and (row == column) == right
            ]
            most = max(1, matrix.diagonal().max() if right else errors.max())
            for level in range(1, 6):  # of one opacity each, so that they are one element
                low, high = (level - 1) / 5, level / 5
                patches = [
                    Rectangle((column - 0.48, row - 0.48), 0.96, 0.96)
                    for row, column, count in cells
                    if low < count / most <= high
                ]
                if patches:
                    shade = PatchCollection(patches, edgecolor="none", alpha=0.14 * level)
                    shade.set_facecolor(COLOURS[colour])
                    axes.add_collection(shade)
        if classes <= _COUNTED:
            for (row, column), count in np.ndenumerate(matrix):
                if count:
                    weight = "bold" if row == column else "normal"
                    axes.text(
                        column,
                        row,
                        str(count),
                        ha="center",
                        va="center",
                        size=max(5, min(9, 90 / classes)),
                        weight=weight,
                    )
        every = -(-classes // 24)
        turned = max(map(len, names)) > 2 and classes > 4
        ticks, shown = range(0, classes, every), names[::every]
        axes.set_xticks(
            ticks, shown, rotation=60 if turned else 0, ha="right" if turned else "center"
        )
        axes.set_yticks(ticks, shown)
        axes.tick_params(length=0)
        axes.set(
            xlim=(-0.5, classes - 0.5),
            ylim=(classes - 0.5, -0.5),
            aspect="equal",
            xlabel="answer",
            ylabel="class",
        )
    return picture.svg


SECTION = Section(
    anchor="evaluation",
    title="On test examples",
    kind=Evaluation,
    blocks=_blocks,
    highlights=_highlights,
    missing=lambda network, named: f"python -m sw.report {named}",
)
