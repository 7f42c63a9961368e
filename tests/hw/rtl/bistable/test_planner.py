"""The planner: what it refuses, scaling, weights in the order of need, and what is held back."""

import numpy as np
import pytest
from networks import bistable_network, map_network

from hw.rtl.bistable.planner import plan_network
from sw.cli import UserError
from sw.encoder import LatencyEncoder

REFUSED = {
    "m2-5": r"m2 cannot stand first in hardware; take the encoder's pool",
    "4c3-m2-a2-5": r"a2 cannot follow another pooling in hardware; make one of both",
    "4c3-a2-m2-5": r"m2 cannot follow another pooling in hardware; make one of both",
    "4c1-m1-4c1+2-5": r"the shortcut of layer 2 cannot begin between layer 0 and its pooling",
}


@pytest.mark.parametrize("text", REFUSED)
def test_refused(rng, text):
    with pytest.raises(UserError, match=REFUSED[text]):
        plan_network(bistable_network(rng, text, 2, (8, 8)), 4, 1)


def test_a_first_spike_network_is_refused(rng):
    network = map_network(rng, "4c3-5", 4, LatencyEncoder(shape=(8, 8)))
    with pytest.raises(UserError, match="is a first-spike network, and bistable engines make"):
        plan_network(network, 4, 1)


def test_largest_of_largest_is_one_pooling(rng):
    plan = plan_network(bistable_network(rng, "4c1-m2-m2x3-5", 2, (9, 12)), 4, 1)
    assert [layer.window for layer in plan.layers] == [(4, 6), (1, 1)]


@pytest.mark.parametrize(("lanes", "listens"), [(8, 1), (8, 4), (8, 8), (4, 4), (12, 4)])
def test_weights(rng, lanes, listens):
    """Each row has what its lanes need of its part, looked up in the network."""
    network = bistable_network(rng, "6c2x3-m2-5-7", 3, (2, 7, 8))
    plan = plan_network(network, lanes, listens)
    wide = plan.strip.kernel  # of a row of the kernel, three pixels of two channels
    assert wide == 3
    rows = iter(plan.weights)
    for layer in plan.layers:
        weight = network.layers[layer.index].weight
        for tile in range(plan.tiles(layer)):
            for ky in range(layer.kernel[0]):
                for kx in range(layer.kernel[1]):
                    for first in range(0, layer.inputs.units.shape[2], listens):
                        row = next(rows).reshape(lanes, listens)
                        for lane, value in np.ndindex(lanes, listens):
                            unit, channel = tile * lanes + lane, first + value
                            wanted = False
                            if layer.index == 0 and unit < 6 and channel < 2 * wide:
                                x, c = divmod(channel, 2)
                                wanted = weight[unit].reshape(2, 2, 3)[c, ky, kx + x]
                            elif layer.index and unit < layer.channels:
                                at = layer.inputs.units[ky, kx, channel]
                                wanted = at >= 0 and weight[unit, at]
                            assert row[lane, value] == wanted
    assert next(rows, None) is None


def test_scaling_keeps_every_comparison(rng):
    """Units with other gains have thresholds and biases that fit the one shift there is."""
    network = bistable_network(rng, "40-3", 4, (5, 5))
    network.layers[1].gain[:] = 4
    network.layers[0].gain[:2] = 1, 8
    plan = plan_network(network, 8, 1)
    first, last = plan.layers
    assert plan.shifts == (3,)
    assert last.scale == 2
    gain = network.layers[0].gain
    assert (first.biases * gain == network.layers[0].bias.astype(np.int64) * 8).all()
    highest = first.bounds(plan.top)[1] + 1
    scaled = np.minimum(network.layers[0].threshold.astype(np.int64) * (8 // gain), highest)
    assert (first.thresholds == scaled).all()


def test_what_is_held_back(rng):
    """Maps that are needed at the same time have words of their own, others share them."""
    text = "8c3p1-8c3p1-8c3p1+1-8c3p1-8c3p1+1-8c3p1-8c3p1+1-5"
    plan = plan_network(bistable_network(rng, text, 2, (4, 4)), 4, 1)
    held = [(number, each.holds) for number, each in enumerate(plan.layers)]
    begins = {number: place for number, place in held if place is not None}
    size = 16 * 2
    assert sorted(begins) == [1, 3, 5]
    assert plan.held_words == size
    assert [each.past for each in plan.layers] == [None, None, 0, None, 0, None, 0, None]
    both = plan_network(bistable_network(rng, "8c3p1-8c3p1-8c3p1+1-8c3p1+2-5", 2, (4, 4)), 4, 1)
    assert {both.layers[2].past, both.layers[3].past} == {0}  # the same map, twice


def test_maps_that_are_needed_at_the_same_time_do_not_overlap(rng):
    text = "8c3p1-8c3p1-8c3p1+2-8c3p1+2-5"
    plan = plan_network(bistable_network(rng, text, 2, (4, 4)), 4, 1)
    assert [each.holds for each in plan.layers] == [0, 32, None, None, None]
    assert [each.past for each in plan.layers] == [None, None, 0, 32, None]
    assert plan.held_words == 64
