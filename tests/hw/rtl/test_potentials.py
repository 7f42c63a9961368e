"""How far margins reach, and how many bits that takes."""

from itertools import product

import numpy as np
import pytest

from hw.rtl.potentials import half_width, halved, margin_bounds, margin_shapes
from sw.network import Layer


def test_bounds_are_reached_and_not_left(rng):
    """Against every set of inputs that can fire, each once."""
    layer = Layer(
        weight=rng.random((6, 5)) < 0.5, threshold=rng.integers(-3, 4, 6).astype(np.int32)
    )
    fired = np.array(list(product((0, 1), repeat=5)))
    margins = fired @ np.where(layer.weight, 1, -1).T - layer.threshold
    lowest, highest = margin_bounds(layer)
    assert lowest.tolist() == margins.min(axis=0).tolist()
    assert highest.tolist() == margins.max(axis=0).tolist()


def test_bounds_where_inputs_repeat():
    layer = Layer(weight=np.ones((2, 3), bool), threshold=np.array([1, -29], np.int32))
    lowest, highest = margin_bounds(layer, 100)
    assert (lowest.tolist(), highest.tolist()) == ([-101, -71], [99, 129])
    assert [shape.width for shape in margin_shapes(layer, 100)] == [8, 9]


@pytest.mark.parametrize(
    ("threshold", "width"), [(-(2**31), 33), (2**31 - 1, 32), (0, 2), (1, 1), (2, 2)]
)
def test_widths_of_thresholds_of_32_bits(threshold, width):
    """One input with a weight +1: V is 0 or 1."""
    layer = Layer(weight=np.ones((1, 1), bool), threshold=np.array([threshold], np.int32))
    (shape,) = margin_shapes(layer)
    assert shape.signed
    assert shape.width == width


def test_a_value_is_left_for_units_that_have_fired():
    """Half of V − θ is −4 … 3, which takes 3 bits and all their values, or less."""
    weight = np.array([[True] * 7 + [False] * 8])
    assert half_width(Layer(weight=weight, threshold=np.zeros(1, np.int32))) == 4
    assert half_width(Layer(weight=weight[:, :13], threshold=np.zeros(1, np.int32))) == 3
    assert half_width(Layer(weight=weight[:, :14], threshold=np.zeros(1, np.int32))) == 4


@pytest.mark.parametrize("margin", [-5, -4, -1, 0, 1, 2**31, -(2**31) + 1])
def test_a_margin_is_twice_its_half_and_its_lowest_bit(margin):
    half, odd = halved(margin)
    assert odd in (0, 1)
    assert 2 * half + odd == margin
