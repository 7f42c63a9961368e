"""Classes against answers: the confusion matrix as a picture, and what becomes of each class."""

from collections.abc import Sequence

import numpy as np

from sw.cli import printable
from sw.reports.blocks import Figure, Table
from sw.reports.svg import COLOURS, drawing

__all__ = ["class_table", "confusion_figure"]

_COUNTED = 20  # classes of which the picture shows the counts
_LISTED = 64  # classes that the table lists


def confusion_figure(matrix: np.ndarray, labels: Sequence[str]) -> Figure:
    """The picture of a confusion matrix int [C, C]: rows are classes, columns answers."""
    images, right = int(matrix.sum()), int(np.trace(matrix))
    return Figure(
        svg=_confusion(matrix, labels),
        title="Confusion matrix",
        caption=f"Rows are classes, columns answers; {images - right:,} of {images:,} are wrong.",
        description=f"{right:,} answers lie on the diagonal and are right, "
        f"{images - right:,} beside it. The table of classes has the rates.",
    )


def class_table(matrix: np.ndarray, labels: Sequence[str]) -> Table:
    """The rates of each class, the first ones of many."""
    return Table(
        caption="Classes" if len(matrix) <= _LISTED else f"Classes, the first {_LISTED}",
        head=("class", "examples", "sensitivity", "positive predictivity", "most taken for"),
        rows=[_class_row(matrix, labels, each) for each in range(min(len(matrix), _LISTED))],
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
