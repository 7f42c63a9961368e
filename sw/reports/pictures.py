"""The learning side's pictures. Each function writes one PNG, whole or not at all."""

from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sw.learn.history import Epoch
from sw.pictures import drawn, plain
from sw.reports.sweeps import Row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.axes import Axes

__all__ = ["accuracy_by_step", "confusion", "inputs", "learning_curve", "sweep"]


def learning_curve(path: Path, history: Sequence[Epoch], title: str) -> None:
    """Validation error, strict, by epoch. ``history`` is that of a Trainer; without validation the
    picture stays empty.
    """
    from matplotlib.ticker import LogFormatter

    with _axes(path, (6, 3.5)) as axes:
        accuracies = [entry.validation_accuracy for entry in history]
        errors = [100 * (1 - accuracy) for accuracy in accuracies if accuracy is not None]
        if errors:
            axes.semilogy([entry.epoch for entry in history], np.maximum(errors, 1e-2))
            axes.yaxis.set_minor_formatter(LogFormatter(minor_thresholds=(1, 0.4)))
        axes.set(xlabel="epoch", ylabel="validation error, strict [%]", title=plain(title))
        axes.grid(visible=True, which="both", alpha=0.3)


def accuracy_by_step(
    path: Path, stopped: Sequence[float], decided: Sequence[float], title: str
) -> None:
    """Accuracy of the answer when stopped at each step, and how many images are decided by then.

    Parameters
    ----------
    stopped, decided : float [T], 0 … 1
    """
    step = np.arange(1, len(stopped) + 1)
    with _axes(path, (6, 3.5)) as axes:
        axes.bar(step, 100 * np.asarray(decided), color="0.85", label="decided by then")
        axes.plot(step, 100 * np.asarray(stopped), "o-", label="right when stopped there")
        axes.set(xlabel="step", ylabel="test set [%]", title=plain(title), ylim=(0, 104))
        axes.annotate(
            f"{100 * stopped[-1]:.2f} %",
            (step[-1], 100 * stopped[-1]),
            xytext=(0, -14),
            textcoords="offset points",
            ha="center",
        )
        axes.legend(loc="lower right")


def sweep(path: Path, rows: Sequence[Row], label: str) -> None:
    """Strict accuracy of each seed and its mean, and the mean lenient accuracy, by the value of one
    setting. ``rows`` are those of :func:`sw.reports.sweeps.summary`.
    """
    place = np.arange(len(rows))
    with _axes(path, (6, 3.5)) as axes:
        for name, title, style in (
            ("lenient_accuracy", "lenient", "s--"),
            ("accuracy", "strict", "o-"),
        ):
            means = [100 * getattr(row, name) for row in rows]
            axes.plot(place, means, style, label=title)
        for at, row in zip(place, rows, strict=True):
            for accuracy in row.accuracies:
                axes.plot(at, 100 * accuracy, ".", color="0.4")
        axes.set_xticks(place, [str(row.value) for row in rows])
        axes.set(xlabel=label, ylabel="test set [%]")
        axes.grid(visible=True, alpha=0.3)
        axes.legend(loc="best")


def confusion(path: Path, matrix: np.ndarray, labels: Sequence[str], title: str) -> None:
    """Counts of true class (row) and answer (column); colour shows the errors only.

    Parameters
    ----------
    matrix : int [C, C]
    labels : sequence of C str
    """
    errors = matrix - np.diag(np.diag(matrix))
    labels = [plain(label) for label in labels]
    with _axes(path, (6, 5.6)) as axes:
        axes.imshow(errors, cmap="Oranges", vmax=1.3 * max(1, errors.max()))
        for (row, column), count in np.ndenumerate(matrix):
            if count:
                weight = "bold" if row == column else "normal"
                axes.text(column, row, count, ha="center", va="center", size=8, weight=weight)
        ticks = np.arange(len(labels))
        turned = 60 if max(map(len, labels)) > 2 else 0
        axes.set_xticks(ticks, labels, rotation=turned, ha="right" if turned else "center")
        axes.set_yticks(ticks, labels)
        axes.set(xlabel="answer", ylabel="class", title=plain(title))


def inputs(path: Path, times: np.ndarray, steps: int, labels: Sequence[str], title: str) -> None:
    """When each input fires, for one image of each class: a column for each image, a row for each
    of its maps. Dark is early, white is never.

    Parameters
    ----------
    times : int [C, maps, height, width]
        Firing steps, ``steps`` for never.
    labels : sequence of C str
    """
    classes, maps, height, width = times.shape
    across = max(1.0, 1.5 * width / height)  # inches
    with drawn(path, (across * classes + 0.9, 1.5 * maps + 0.6)) as figure:
        grid = figure.subplots(maps, classes, squeeze=False)
        for (row, column), axes in np.ndenumerate(grid):
            step = np.ma.masked_equal(times[column, row], steps)
            shown = axes.imshow(step, cmap="Greys_r", vmin=0, vmax=steps)
            axes.set(xticks=[], yticks=[])
        for axes, label in zip(grid[0], labels, strict=True):
            axes.set_title(plain(label), size=9)
        figure.colorbar(shown, ax=grid, label="step of the spike", ticks=[0, steps - 1])
        figure.suptitle(plain(title), size=10)


@contextmanager
def _axes(path: Path, size: tuple[float, float]) -> "Iterator[Axes]":
    """Axes of a new figure of ``size`` inches that is saved to ``path`` at the end."""
    with drawn(path, size) as figure:
        yield figure.subplots()
