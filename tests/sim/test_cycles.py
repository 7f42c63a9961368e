"""The cycle model; test_simulator.py and tests/hw/test_core.py hold it against the hardware."""

import numpy as np
import pytest
from cases import make, mixed_images
from networks import random_network

from sim import cycles as module
from sim import golden
from sim.cycles import cycles


def test_pieces_change_nothing(rng, monkeypatch):
    network = make(rng, "three hidden layers")
    images = mixed_images(rng, network, 50)
    answer = golden.run_images(network, images)
    whole = cycles(network, images, answer)
    monkeypatch.setattr(module, "_CHUNK", 7)
    monkeypatch.setattr(module, "_COMPACT", 1)
    np.testing.assert_array_equal(cycles(network, images, answer), whole)
    assert whole.dtype == np.int64
    assert cycles(network, images[:0], golden.run_images(network, images[:0])).shape == (0,)


def test_by_hand(rng):
    """One layer: the first event 4 cycles after the last pixel, an event a cycle, potentials 2
    after the last of them, and ceil(log2(units)) + 1 to the answer.
    """
    network = make(rng, "one unit, one step")
    images = np.full((1, 1, 1), 255, np.uint8)
    answer = golden.run_images(network, images)
    assert cycles(network, images, answer).tolist() == [4 + 2 + 1]
    # Sixteen events of the final step after the empty first step; nobody fires.
    network = make(rng, "one layer")
    network.layers[0].threshold[:] = 100
    images = np.zeros((1, 4, 4), np.uint8)
    answer = golden.run_images(network, images)
    assert cycles(network, images, answer).tolist() == [4 + 16 + 2 + 3]


def test_refuses_a_network_for_events(rng):
    network = random_network(rng, (4, 2), 8)
    with pytest.raises(ValueError, match=r"^Network must take images, not EventsEncoder"):
        cycles(network, np.zeros((1, 2, 2), np.uint8), None)
