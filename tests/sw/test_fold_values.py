"""Folding of a trained activation: the same values for every sum that can come up."""

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sw.fold_values import fold_values


def trained(alpha, beta, steps, total):
    """``clip(⌊α S + β⌋, 0, M)``, exactly."""
    value = floor(Fraction(alpha) * total + Fraction(beta))
    return min(max(value, 0), 2**steps - 1)


def integers(folded, unit, steps, total):
    """What hardware computes, by rules 2 and 3."""
    potential = int(folded.bias[unit]) + int(folded.gain[unit]) * total
    return min(max(potential // int(folded.threshold[unit]), 0), 2**steps - 1)


def differing(alpha, beta, steps, reach, **limits):
    """The fold, and for each unit the sums that get another value."""
    folded = fold_values(
        alpha=np.array(alpha), beta=np.array(beta), steps=steps, reach=reach, **limits
    )
    differ = []
    for unit, (a, b) in enumerate(zip(alpha, beta, strict=True)):
        sign = -1 if folded.negate[unit] else 1
        differ.append(
            [
                total
                for total in range(-reach, reach + 1)
                if trained(a, b, steps, total) != integers(folded, unit, steps, sign * total)
            ]
        )
    return folded, differ


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_unmoved_means_the_same_value_for_every_sum(data):
    draw = data.draw
    steps = draw(st.integers(1, 4))
    reach = draw(st.integers(1, 300))
    magnitude = st.one_of(st.just(0.0), st.floats(1e-9, 1e3))
    alpha = [draw(st.sampled_from([-1, 1])) * draw(magnitude) for _ in range(3)]
    beta = draw(st.lists(st.floats(-1e4, 1e4), min_size=3, max_size=3))
    folded, differ = differing(alpha, beta, steps, reach)
    for unit in range(3):
        assert bool(differ[unit]) == (folded.moved[unit] > 0)
    assert (folded.threshold >= 1).all()
    assert (folded.gain & (folded.gain - 1) == 0).all()


@pytest.mark.smoke
def test_no_gain_where_none_is_needed():
    """Steps of a whole number, and boundaries of one: θ = 1 / α, c = β / α."""
    folded, differ = differing([0.125, 0.25], [0.0, 0.75], 3, 60)
    assert (folded.gain.tolist(), folded.threshold.tolist()) == ([1, 1], [8, 4])
    assert folded.bias.tolist() == [0, 3]
    assert not any(differ)


def test_gain_gives_a_threshold_its_fraction():
    """Boundaries of 2.5, 5, 7.5, … are 3, 5, 8, 10, …: no whole θ has such, 5 / 2 does."""
    folded, differ = differing([0.4], [0.0], 3, 100)
    assert (folded.gain.tolist(), folded.threshold.tolist()) == ([2], [5])
    assert differ == [[]]
    folded, differ = differing([0.4], [0.0], 3, 100, most_gain=1)
    assert folded.gain.tolist() == [1]
    # Every boundary that moved by n gives n sums another value
    assert len(differ[0]) == folded.moved[0] > 0


def test_a_layer_may_want_one_gain():
    folded, differ = differing([0.4, 0.25], [0.0, 0.0], 3, 100, same_gain=True)
    assert folded.gain.tolist() == [2, 2]
    assert not any(differ)


def test_realistic_layers_lose_nothing(rng):
    """As training leaves them: 48 deviations of S, 2.5 of which the values cover."""
    alpha = rng.uniform(0.5, 2, 64) * 8 / 2.5 / 48
    folded = fold_values(alpha=alpha, beta=rng.normal(0.5, 2, 64), steps=3, reach=144 * 7)
    assert not folded.moved.any()
    assert folded.gain.max() <= 64


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_refuses(value):
    for alpha, beta in ((value, 0.0), (1.0, value)):
        with pytest.raises(ValueError, match="Alpha and beta must be finite"):
            fold_values(alpha=np.array([alpha]), beta=np.array([beta]), steps=3, reach=9)
