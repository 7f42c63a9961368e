"""Folding against the formula that it folds, in exact arithmetic, at every potential there is."""

from fractions import Fraction

import numpy as np
import pytest

from sw.fold import fold

REACH = 12


def fires(potential, gamma, mean, deviation, beta, scale, *, strict):
    """The trained unit, as it is defined: a batch norm of the scaled potential."""
    gamma, mean, deviation, beta, scale = map(Fraction, (gamma, mean, deviation, beta, scale))
    value = gamma * ((scale * potential - mean) / deviation) + beta
    return value > 0 if strict else value >= 0


def check(gamma, mean, deviation, beta, scale=1.0, *, strict=False):
    negate, threshold = fold(
        gamma=gamma,
        mean=mean,
        deviation=deviation,
        beta=beta,
        scale=scale,
        reach=REACH,
        strict=strict,
    )
    columns = np.broadcast_arrays(gamma, mean, deviation, beta, scale)
    units = list(zip(*(column.ravel().tolist() for column in columns), strict=True))
    assert (len(negate), len(threshold)) == (len(units), len(units))
    assert (negate.dtype, threshold.dtype) == (bool, np.int32)
    for unit, flipped, theta in zip(units, negate, threshold.tolist(), strict=True):
        for potential in range(-REACH, REACH + 1):
            folded = (-potential if flipped else potential) >= theta
            assert folded == fires(potential, *unit, strict=strict), (unit, potential)


def test_one_input_with_a_negative_factor():
    """w = +1, γ = −1, β = 0, μ = 1, σ = 1: fires while V ≤ 1, that is always; so θ = −1 for −w."""
    negate, threshold = fold(gamma=-1, mean=1, deviation=1, beta=0, reach=1)
    assert (negate.tolist(), threshold.tolist()) == ([True], [-1])


@pytest.mark.parametrize("strict", [False, True])
def test_random_reals(rng, strict):
    count = 400
    gamma, beta = rng.normal(size=(2, count))
    mean = 6 * rng.normal(size=count)
    deviation, scale = rng.exponential(size=(2, count))
    check(gamma, mean, deviation, beta, scale, strict=strict)


@pytest.mark.parametrize("strict", [False, True])
def test_crossings_that_are_integers(rng, strict):
    """Quarters meet a potential exactly, where ≥ and > differ; a third of the γ is 0."""
    count = 1000
    gamma, beta, mean = rng.integers(-4, 5, (3, count)) / 4
    gamma *= rng.integers(0, 3, count) > 0
    deviation, scale = 2.0 ** rng.integers(-2, 3, (2, count))
    check(gamma, 4 * mean, deviation, beta, scale, strict=strict)


def test_values_that_floats_would_round():
    """The nearest floats beside a crossing at 3: (0.1 · 3 − 0.3) is not 0 in binary, but exact."""
    third, up, down = 0.3, np.nextafter(0.3, 1), np.nextafter(0.3, 0)
    check(1.0, [third, up, down, 0.1 * 3], 1.0, 0.0, 0.1)
    check(-1.0, [third, up, down, 0.1 * 3], 1.0, 0.0, 0.1, strict=True)
    tiny = 5e-324
    check([tiny, -tiny, 1e308, -1e308], [3.0, 3.0, tiny, -tiny], 1.0, [tiny, tiny, -1e-300, 0.0])
    check(1.0, 0.0, [1e300, tiny], [1.0, -1.0], [tiny, 1e300])


def test_fractions():
    """A third of V is 1 at V = 3, where no float is a third."""
    third = [Fraction(1, 3), Fraction(-1, 3)]
    folded = fold(gamma=third, mean=0, deviation=1, beta=[Fraction(-1), Fraction(1)], reach=9)
    assert folded.threshold.tolist() == [3, -3]
    assert folded.negate.tolist() == [False, True]
    with pytest.raises(ValueError, match=r"^Scale must be above 0 and finite, not 0$"):
        fold(gamma=1, mean=0, deviation=1, beta=0, reach=9, scale=[Fraction(1), Fraction(0)])


def test_without_a_factor():
    """γ = 0: β alone decides, whatever the input; −0 is 0."""
    for strict, expected in ((False, [-9, -9, -9, 10]), (True, [-9, 10, 10, 10])):
        folded = fold(
            gamma=[0.0, 0.0, -0.0, 0.0],
            mean=5.0,
            deviation=2.0,
            beta=[0.5, 0.0, -0.0, -0.5],
            reach=9,
            strict=strict,
        )
        assert folded.threshold.tolist() == expected
        assert not folded.negate.any()


def test_thresholds_that_no_int32_holds():
    folded = fold(gamma=1, mean=[1e300, -1e300], deviation=1, beta=0, reach=9)
    assert folded.threshold.tolist() == [2**31 - 1, -(2**31)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"deviation": [1.0, 0.0]}, "Deviation must be above 0 and finite, not 0.0"),
        ({"deviation": -1.0}, "Deviation must be above 0 and finite, not -1.0"),
        ({"scale": np.inf}, "Scale must be above 0 and finite, not inf"),
        ({"scale": 0.0}, "Scale must be above 0 and finite, not 0.0"),
        ({"gamma": np.nan}, "Gamma must be finite, not nan"),
        ({"mean": [0.0, -np.inf]}, "Mean must be finite, not -inf"),
        ({"beta": np.inf}, "Beta must be finite, not inf"),
    ],
)
def test_refuses(changes, message):
    good = {"gamma": 1.0, "mean": 0.0, "deviation": 1.0, "beta": 0.0, "scale": 1.0}
    with pytest.raises(ValueError, match=rf"^{message}$"):
        fold(**good | changes, reach=3)
