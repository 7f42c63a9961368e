"""Rows of a sweep, by hand."""

from dataclasses import replace

import pytest

from sw.cli import to_json
from sw.learn.history import RunFigures
from sw.reports.sweeps import Sweep, summary, table

FIGURES = RunFigures(
    images=10,
    accuracy=0.8,
    lenient_accuracy=1.0,
    decision_step_mean=2.0,
    hidden_spikes_mean=30.0,
    hidden_spikes_before_decision_mean=20.0,
    tie_share=0.1,
    silent_share=0.0,
    validation_accuracy=None,
)


def test_summary():
    rows = summary({"4": [FIGURES, replace(FIGURES, accuracy=0.9)], "8": [FIGURES]})
    assert [(row.value, row.accuracies) for row in rows] == [("4", [0.8, 0.9]), ("8", [0.8])]
    assert rows[0].accuracy == pytest.approx(0.85)
    assert rows[0].deviation == pytest.approx(0.0707, abs=1e-4)
    assert rows[1].deviation == 0


def test_table_and_json():
    sweep = Sweep(vary="hidden", flags=["-q"], seeds=1, rows=summary({"8": [FIGURES]}))
    assert table(sweep).splitlines()[2] == "| 8 | 80.00% ± 0.00 | 100.00% | 2.0 | 30 |"
    assert to_json(sweep) == (
        '{"vary": "hidden", "flags": ["-q"], "seeds": 1, "rows": [{"value": "8", "accuracies": '
        '[0.8], "accuracy": 0.8, "lenient_accuracy": 1.0, "decision_step_mean": 2.0, '
        '"hidden_spikes_mean": 30.0, "deviation": 0.0}]}'
    )
