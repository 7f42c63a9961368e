"""Pictures of conversions to spikes. Each function writes one, whole or not at all."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from sw.ann.figures import Conversion
from sw.ann.trace import Trace
from sw.pictures import drawn, plain

__all__ = ["accuracy_by_step", "sin_by_layer", "traces"]

_COLOURS = ("tab:blue", "tab:cyan", "tab:orange", "tab:red", "tab:green", "tab:purple", "tab:brown")


def accuracy_by_step(path: Path, runs: Mapping[str, Sequence[Conversion]], title: str) -> None:
    """Accuracy against step, of each method the mean over its runs and the range between them; the
    ANN of each, as a dotted line.
    """
    with drawn(path, (7, 4.2)) as figure:
        axes = figure.subplots()
        anns: set[float] = set()
        for (name, group), colour in zip(runs.items(), _COLOURS * len(runs), strict=False):
            curves = 100 * np.array([run.accuracy for run in group])
            steps = np.arange(1, curves.shape[1] + 1)
            ann = 100 * float(np.mean([run.ann_accuracy for run in group]))
            if not any(abs(ann - other) < 5e-3 for other in anns):
                axes.axhline(ann, color="0.3" if not anns else colour, linestyle=":", linewidth=1)
                anns.add(ann)
            axes.plot(steps, curves.mean(axis=0), color=colour, label=name, linewidth=1.6)
            if len(group) > 1:
                low, high = curves.min(axis=0), curves.max(axis=0)
                axes.fill_between(steps, low, high, color=colour, alpha=0.15, linewidth=0)
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.set(xlabel="step", ylabel="right when stopped there [%]", title=plain(title))
        best = max(anns)
        axes.set_ylim(best - 12, best + 1.5)
        axes.grid(visible=True, alpha=0.3)
        axes.legend(loc="upper left", title="dotted: the ANN", fontsize=9)


def sin_by_layer(path: Path, runs: Mapping[str, Sequence[Conversion]], title: str) -> None:
    """Spikes of inactivated neurons as a share of each layer's spikes, by method; the mean over
    runs.
    """
    with drawn(path, (7, 3.6)) as figure:
        axes = figure.subplots()
        width = 0.8 / len(runs)
        for at, (name, group) in enumerate(runs.items()):
            layers = [[each for each in run.layers if each.error is not None] for run in group]
            shares = [
                100 * float(np.mean([each.sin_share or 0.0 for each in same]))
                for same in zip(*layers, strict=True)
            ]
            place = np.arange(len(shares)) + (at - (len(runs) - 1) / 2) * width
            axes.bar(place, shares, width, label=name, color=_COLOURS[at % len(_COLOURS)])
        names = [str(number + 1) for number in range(len(shares))]
        axes.set_xticks(np.arange(len(shares)), names)
        axes.set(xlabel="layer of neurons", ylabel="of its spikes, SIN [%]", title=plain(title))
        axes.grid(visible=True, axis="y", alpha=0.3)
        axes.legend(fontsize=9)


def traces(path: Path, shown: Mapping[str, Trace], title: str) -> None:
    """One neuron by several methods, a column each: what it has heard so far, and its spikes."""
    with drawn(path, (3.6 * len(shown), 4.0)) as figure:
        grid = figure.subplots(2, len(shown), sharex=True, sharey="row", squeeze=False)
        for column, (name, trace) in zip(grid.T, shown.items(), strict=True):
            steps = np.arange(1, len(trace.current) + 1)
            bars = np.array(trace.current)
            above, below = column
            above.bar(steps[bars > 0], bars[bars > 0], color="tab:blue", width=0.8)
            above.bar(steps[bars <= 0], bars[bars <= 0], color="tab:red", width=0.8)
            above.plot(steps, np.cumsum(bars), color="0.2", marker=".", linewidth=1.2)
            above.axhline(0, color="0.6", linewidth=0.8)
            above.set_title(plain(name), fontsize=10)
            spoken = np.array(trace.spoken)
            below.bar(steps, spoken, color="black", width=0.5)
            below.set(xlabel="step")
            for axes in column:
                for border in np.arange(0.5, len(steps) + 1, trace.period):
                    axes.axvline(border, color="0.85", linewidth=0.8, zorder=0)
        grid[0][0].set_ylabel("input in each step,\nand its sum (line)")
        grid[1][0].set_ylabel("spikes: the value\nthat each stands for")
        figure.suptitle(plain(title), fontsize=10)
