"""Figures of a hand-made answer."""

from dataclasses import replace

import numpy as np
import pytest

from sw.answer import Answer


@pytest.mark.smoke
def test_figures():
    """Four images, T = 4, three hidden units, two outputs: a clear win, a tie that is won by the
    other, nobody, a clear loss.
    """
    answer = Answer(
        steps=4,
        times=(
            np.array([[0, 1, 4], [2, 2, 2], [4, 4, 3], [0, 0, 3]]),
            np.array([[1, 3], [2, 2], [4, 4], [4, 0]]),
        ),
        label=np.array([0, 0, 1, 1]),
        step=np.array([1, 2, 3, 0]),
        margin=np.array([0, 1, -2, 0]),
    )
    figures = answer.figures([0, 1, 1, 0]).to_dict()
    assert figures == {
        "images": 4,
        "accuracy": 0.5,  # images 0 and 2
        "lenient_accuracy": 0.75,  # and 1: its label is among the first
        "decision_step_mean": pytest.approx((2 + 3 + 4 + 1) / 4),
        "hidden_spikes_mean": pytest.approx((2 + 3 + 1 + 3) / 4),
        "hidden_spikes_before_decision_mean": pytest.approx((2 + 3 + 1 + 2) / 4),
        "tie_share": 0.25,
        "silent_share": 0.25,
        "layer_spikes_mean": [9 / 4, 5 / 4],
        "layer_spikes_before_decision_mean": [8 / 4, 4 / 4],
    }


def test_two_hidden_layers_are_added():
    times = (np.array([[0, 4]]), np.array([[1, 4, 0]]), np.array([[1]]))
    one = np.array([0])
    answer = Answer(steps=4, times=times, label=one, step=one + 1, margin=one)
    assert answer.figures(one).hidden_spikes_mean == 3
    # A pooling has no spikes of its own
    figures = replace(answer, pooling=frozenset([1])).figures(one)
    assert figures.hidden_spikes_mean == figures.hidden_spikes_before_decision_mean == 1
    assert figures.layer_spikes_mean == (1, 2, 1)


def test_a_run_of_the_inputs():
    column = np.arange(5)
    answer = Answer(steps=6, times=(column[:, None],), label=column, step=column, margin=-column)
    part = answer[1:3]
    assert [*part.label, *part.step, *part.margin] == [1, 2, 1, 2, -1, -2]
    np.testing.assert_array_equal(part.times[0], [[1], [2]])
