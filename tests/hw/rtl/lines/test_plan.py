"""The plan of the lines engine: where inputs lie, when units are evaluated, what is loaded."""

import numpy as np
import pytest
from networks import map_network

from hw.rtl.lines.plan import ConvPlan, DensePlan, PoolPlan, Table, plan_network
from hw.rtl.potentials import margin_shapes
from sw.encoder import LatencyEncoder


def planned(rng, text, shape):
    return plan_network(map_network(rng, text, 1, LatencyEncoder(shape=shape)))


@pytest.mark.smoke
def test_a_convolution_by_hand(rng):
    """3 × 4 pixels with a border of one: after each row of four comes one place that never fires,
    so that a window of 3 × 3 is 2 · 5 + 3 places. It is complete one place to the right of its
    middle and one below, of which row 0 counts as row 1.
    """
    conv, dense = planned(rng, "2c3p1,7", (3, 4))
    assert (conv.border, conv.grid, conv.kept) == (1, (5, 5), 13)
    assert conv.due == ((2, 3, 4), (1, 2, 3, 4))
    assert conv.tap(0) == [12, 11, 10, 7, 6, 5, 2, 1, 0]
    assert (dense.taps, dense.places, dense.units) == (2, 12, 7)


def test_strides_and_colours_by_hand(rng):
    """3 × 2 places of two channels, kernel 1 × 2, stride 2 × 1: channels of a place lie side by
    side, and the first came first.
    """
    conv, _ = planned(rng, "1c1x2s2x1,3", (2, 3, 2))
    assert (conv.border, conv.kept, conv.due) == (0, 4, ((0, 2), (1,)))
    assert conv.tap(0) == [3, 1, 2, 0]  # weights are in the order (channel, x)


def test_a_pooling_is_made_in_the_way_that_keeps_less(rng):
    """Of one channel another line is 9 bits, of sixteen it is more than what has fired so far."""
    first, second, pool, _ = planned(rng, "16c3p1,f2,20c3p1,f2,10", (8, 8))
    assert isinstance(first, ConvPlan)
    assert first.window == (2, 2)
    assert (first.index, first.last, first.kept) == (0, 1, 3 * 9 + 4)
    assert (first.tap(0)[0], first.tap(3)[0]) == (first.kept - 1, first.kept - 1 - 9 - 1)
    assert second.window == (1, 1)
    assert isinstance(pool, PoolPlan)
    assert (pool.index, pool.beside, pool.above) == (3, 20, 2 * 20)


def test_what_a_dense_layer_starts_with(rng):
    network = map_network(rng, "5,4", 1, LatencyEncoder(shape=(2, 3)), -9, 9)
    for stage, layer in zip(plan_network(network), network.layers, strict=True):
        assert isinstance(stage, DensePlan)
        minus = (~layer.weight).sum(axis=1)
        assert stage.start.tolist() == (-layer.threshold - minus).tolist()
        # Wide enough for every unit, and no wider.
        assert stage.margin_bits == max(shape.width for shape in margin_shapes(layer))


def test_thresholds_beyond_reach_are_as_good_as_the_nearest_that_is(rng):
    network = map_network(rng, "4c2,3", 1, LatencyEncoder(shape=(4, 4)))
    network.layers[0].threshold[:] = [-100, 100, 1, -1]
    network.layers[0].weight[2:] = [[1, 1, 1, 0], [0, 0, 1, 1]]
    conv, _ = plan_network(network)
    assert conv.least_matches.tolist() == [0, 5, 1 + 1, 2 - 1]


def test_words_of_a_table_by_hand():
    """Rows of 18 bits are two words, the lowest bit first."""
    bits = np.zeros((2, 18), bool)
    bits[0, [0, 17]] = bits[1, [3, 16]] = True
    assert Table(bits=bits, cycle=2).words.tolist() == [1, 2, 8, 1]
