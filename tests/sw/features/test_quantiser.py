"""From measurements to bytes, held against the formulas of docs/own_data.md in exact fractions."""

import math
from fractions import Fraction

import numpy as np
import pytest

from sw.features import quantiser as quantiser_module
from sw.features.quantiser import Quantiser


def expected(value, low, high, level=0, levels=1):
    """The byte of one value, by rational arithmetic."""
    if low == high:
        return 0
    share = (Fraction(value) - Fraction(low)) / (Fraction(high) - Fraction(low))
    within = min(max(share * levels - level, 0), 1)
    return math.floor(within * 255 + Fraction(1, 2))


@pytest.mark.smoke
def test_one_range_for_all():
    quantiser = Quantiser(low=(-1.0,), high=(3.0,))
    values = np.array([[-9, -1, -0.5, 0, 1.25, 2, 3, 1e30]])
    given = quantiser.encode(values)
    assert given.dtype == np.uint8
    assert given.tolist() == [[expected(value, -1, 3) for value in values.flat]]


def test_a_range_for_each_feature(rng):
    low, high = (0.0, 5.0, -2.0, 7.0), (1.0, -5.0, 2.0, 7.0)  # one inverted, one empty
    values = rng.normal(0, 4, (50, 4))
    given = Quantiser(low=low, high=high).encode(values)
    assert given.tolist() == [
        [expected(*each) for each in zip(row, low, high, strict=True)] for row in values
    ]
    assert not given[:, 3].any()


def test_a_range_for_each_channel(rng):
    """Three features in a row share one."""
    low, high = (-1.0, 0.0), (1.0, 5.0)
    values = rng.normal(0, 4, (50, 6))
    given = Quantiser(low=low, high=high).encode(values)
    ends = [(low[i // 3], high[i // 3]) for i in range(6)]
    assert given.tolist() == [
        [expected(value, *pair) for value, pair in zip(row, ends, strict=True)] for row in values
    ]
    fitted = Quantiser.fit(np.arange(1001.0)[:, None] * [1, 1, 1, -2, -2, -2], ranges=2)
    assert (fitted.low, fitted.high) == ((10.0, -1980.0), (990.0, -20.0))


@pytest.mark.parametrize("levels", [1, 4])
def test_rows_of_levels_and_their_complements(rng, levels):
    values = rng.uniform(-0.2, 1.2, (20, 6))
    quantiser = Quantiser(low=(0.0,), high=(1.0,), levels=levels, complement=True)
    given = quantiser.encode(values).reshape(20, levels, 2, 6)
    for level in range(levels):
        rows = [[expected(value, 0, 1, level, levels) for value in example] for example in values]
        assert given[:, level, 0].tolist() == rows
        assert (given[:, level, 1] == 255 - given[:, level, 0]).all()


def test_learns_the_range_between_two_quantiles():
    values = np.arange(1001.0).reshape(-1, 1)
    values[-1] = 1e9  # an outlier moves nothing
    quantiser = Quantiser.fit(values, ranges=1)
    assert (quantiser.low, quantiser.high) == ((10.0,), (990.0,))


def test_features_that_hardly_or_never_change():
    values = np.zeros((1000, 2))
    values[5, 0] = 4.0
    quantiser = Quantiser.fit(values, ranges=2)
    assert (quantiser.low, quantiser.high) == ((0.0, 0.0), (4.0, 0.0))
    assert quantiser.encode(values)[5].tolist() == [255, 0]


@pytest.mark.parametrize(("offset", "width"), [(0, 1e-3), (1.7e9, 1), (-1e12, 12345.678), (0, 1e9)])
def test_what_is_kept_tells_values_within_a_range_apart(offset, width):
    """Seconds since 1970, or a voltage that hardly moves: all bytes are used."""
    values = (offset + width * np.linspace(0, 1, 1001)).reshape(-1, 1)
    given = Quantiser.fit(values, ranges=1).encode(values)[:, 0]
    assert np.unique(given).tolist() == list(range(256))


def test_bytes_stay_bytes():
    values = np.arange(256, dtype=np.uint8).reshape(1, 256)
    assert (Quantiser.of_bytes().encode(values) == values).all()
    assert (Quantiser.of_bytes(invert=True).encode(values) == 255 - values).all()
    assert Quantiser.of_bytes().inverted() == Quantiser.of_bytes(invert=True)


def test_more_examples_than_are_computed_at_a_time(rng, monkeypatch):
    monkeypatch.setattr(quantiser_module, "_CHUNK", 64)
    values = rng.normal(size=(100, 3))
    quantiser = Quantiser(low=(-2.0,), high=(2.0,))
    whole = quantiser.encode(values)
    for n in (0, 20, 21, 22, 99):
        assert (quantiser.encode(values[n : n + 1]) == whole[n]).all()


def test_is_kept_in_plain_values(rng):
    quantiser = Quantiser.fit(rng.normal(size=(30, 5)), ranges=5, levels=2, complement=True)
    assert Quantiser.from_dict(quantiser.to_dict()) == quantiser
    assert quantiser.to_dict()["quantiles"] == [0.01, 0.99]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"high": [1.0, 2.0]}, "as many as each other, not 1 and 2"),
        ({"low": [], "high": []}, "not 0 and 0"),
        ({"high": [math.inf]}, "must be finite"),
        ({"high": ["1"]}, "must have low, high"),
        ({"levels": 17}, "in 1 … 16, not 17"),
        ({"levels": None}, "must have low, high"),
    ],
)
def test_refuses_what_is_damaged(change, message):
    whole = Quantiser.of_bytes().to_dict()
    with pytest.raises(ValueError, match=message):
        Quantiser.from_dict({**whole, **change})


def test_refuses_another_number_of_features():
    with pytest.raises(ValueError, match="Features must be 2, not 3"):
        Quantiser(low=(0.0, 0.0), high=(1.0, 1.0)).encode(np.zeros((1, 3)))


def test_a_range_of_next_to_no_width():
    quantiser = Quantiser(low=(0.0,), high=(5e-324,))
    values = np.array([[-1.0], [0.0], [5e-324], [1e300]])
    assert quantiser.encode(values).ravel().tolist() == [0, 0, 255, 255]
