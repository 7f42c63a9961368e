"""Data sets of images: what is held out for validation."""

import numpy as np
import pytest

from sw.data.dataset import split


@pytest.mark.smoke
@pytest.mark.parametrize("fraction", [0, 0.1, 0.25])
def test_split(fraction):
    labels = np.repeat([3, 5, 8], [40, 80, 200])
    learn, held_out = split(labels, fraction, seed=4)
    assert sorted([*learn, *held_out]) == list(range(320))
    assert [(labels[held_out] == k).sum() for k in (3, 5, 8)] == [
        fraction * n for n in (40, 80, 200)
    ]
    for first, again in zip((learn, held_out), split(labels, fraction, seed=4), strict=True):
        np.testing.assert_array_equal(first, again)
    if fraction:
        assert split(labels, fraction, seed=5)[1].tolist() != held_out.tolist()


@pytest.mark.parametrize("fraction", [-0.1, 1])
def test_split_refuses(fraction):
    with pytest.raises(ValueError, match="Fraction must be in 0 … below 1, not"):
        split(np.zeros(3), fraction)
