"""What a sweep over one flag of ``sw.train`` found: a row for each value."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sw.learn.history import RunFigures

__all__ = ["Row", "Sweep", "summary", "table"]


@dataclass(frozen=True, kw_only=True)
class Row:
    """The runs of one value: means over their seeds, of the figures of :class:`sw.answer.Figures`.

    Parameters
    ----------
    value : str
    accuracies : list of float
        Strict, one of each seed.
    accuracy, lenient_accuracy, decision_step_mean, hidden_spikes_mean : float
    deviation : float
        Sample standard deviation of ``accuracies``; 0 of one.
    """

    value: str
    accuracies: list[float]
    accuracy: float
    lenient_accuracy: float
    decision_step_mean: float
    hidden_spikes_mean: float
    deviation: float


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """What ``sweep.json`` holds.

    Parameters
    ----------
    vary : str
        The flag, without its dashes.
    flags : sequence of str
        Those of all runs.
    seeds : int
        Runs of each value.
    rows : sequence of Row
    """

    vary: str
    flags: Sequence[str]
    seeds: int
    rows: Sequence[Row]


def summary(runs: Mapping[str, Sequence[RunFigures]]) -> list[Row]:
    """One row per value, from the figures of each of its seeds."""
    rows = []
    for value, seeds in runs.items():
        accuracies = [figures.accuracy for figures in seeds]
        rows.append(
            Row(
                value=value,
                accuracies=accuracies,
                accuracy=statistics.fmean(accuracies),
                lenient_accuracy=statistics.fmean(s.lenient_accuracy for s in seeds),
                decision_step_mean=statistics.fmean(s.decision_step_mean for s in seeds),
                hidden_spikes_mean=statistics.fmean(s.hidden_spikes_mean for s in seeds),
                deviation=statistics.stdev(accuracies) if len(accuracies) > 1 else 0.0,
            )
        )
    return rows


def table(sweep: Sweep) -> str:
    """As Markdown."""
    lines = [
        f"| {sweep.vary} | strict | lenient | decision step | hidden spikes |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {row.value} | {row.accuracy:.2%} ± {100 * row.deviation:.2f} "
        f"| {row.lenient_accuracy:.2%} | {row.decision_step_mean:.1f} "
        f"| {row.hidden_spikes_mean:.0f} |"
        for row in sweep.rows
    ]
    return "\n".join(lines)
