"""The cycle model; test_simulator.py and tests/hw/rtl/test_core.py hold it against the hardware."""

import numpy as np
import pytest
from cases import make, mixed_images
from networks import map_network, random_network

from hw.rtl.config import Config, default_config, find_config
from hw.rtl.engines.event_driven import EventDriven
from sim import golden
from sim.cycles import model as module
from sim.cycles import stage
from sim.cycles.model import cycles, traffic
from sw.encoder import LatencyEncoder, Spikes


def test_pieces_change_nothing(rng, monkeypatch):
    network = make(rng, "three hidden layers")
    images = mixed_images(rng, network, 50)
    answer = golden.run_images(network, images)
    whole = cycles(network, images, answer)
    monkeypatch.setattr(module, "_CHUNK", 7)
    monkeypatch.setattr(stage, "_COMPACT", 1)
    np.testing.assert_array_equal(cycles(network, images, answer), whole)
    assert whole.dtype == np.int64
    assert cycles(network, images[:0], golden.run_images(network, images[:0])).shape == (0,)


@pytest.mark.smoke
def test_by_hand(rng):
    """One layer: the end of step 0 comes 2 cycles after the last pixel, the first beat after it
    2 later, then a beat per cycle, potentials 2 after the last of a step, and a cycle for every two
    halvings of the units to the answer.
    """
    network = make(rng, "one unit, one step")
    images = np.full((1, 1, 1), 255, np.uint8)
    answer = golden.run_images(network, images)
    assert cycles(network, images, answer).tolist() == [2 + 2 + 1]
    # Sixteen beats of the final step; no unit fires.
    network = make(rng, "one layer")
    network.layers[0].threshold[:] = 100
    images = np.zeros((1, 4, 4), np.uint8)
    answer = golden.run_images(network, images)
    for banks in (1, 2, 4):
        config = Config(engines=(EventDriven(banks=banks),))
        expected = 2 + 2 + 16 // banks + 1 + 1
        assert cycles(network, images, answer, config).tolist() == [expected]
    # Sixteen in step 0 cost nothing: they went before the last pixel.
    images = np.full((1, 4, 4), 255, np.uint8)
    network.layers[0].threshold[:] = -100
    answer = golden.run_images(network, images)
    assert cycles(network, images, answer).tolist() == [2 + 2 + 1]


def test_traffic_by_hand(rng):
    """4 × 4 pixels, 6 hidden units and 5 outputs; everybody fires in step 0, which decides."""
    network = make(rng, "everybody at once")
    images = np.zeros((2, 4, 4), np.uint8)
    images[:, 0] = 255  # four inputs in step 0, twelve in the final step
    answer = golden.run_images(network, images)
    assert answer.step.tolist() == [0, 0]
    for banks in (1, 2):
        found = traffic(network, images, answer, Config(engines=(EventDriven(banks=banks),)))
        assert found.needed.tolist() == [4 * 6 + 6 * 5] * 2
        assert found.early.tolist() == [4 * 6] * 2
        assert found.width == banks * (6 + 5)
        assert found.fraction(np.array([5, 7])) == 2 * 54 / (12 * 11 * banks)
        assert found.fraction_left(np.array([5, 7])) == 2 * 30 / (12 * 11 * banks)


def test_pieces_of_maps_change_nothing(rng, monkeypatch):
    network = map_network(rng, "5c3p1,f2,6", 4, LatencyEncoder(shape=(2, 6, 7)), 0, 5)
    images = mixed_images(rng, network, 40)
    answer, config = golden.run_images(network, images), default_config(network)
    whole = cycles(network, images, answer, config)
    monkeypatch.setattr(module, "_WHOLE_CHUNK", 7)
    np.testing.assert_array_equal(cycles(network, images, answer, config), whole)
    assert len(np.unique(whole)) > 10


def test_traffic_of_tiles_by_hand(rng):
    """3 × 3 pixels that all fire, two channels of 2 × 2 units that all fire, in a tile each, and
    three outputs in one: 2 · 9 + 8 rows, of four banks.
    """
    network = map_network(rng, "2c2,3", 4, LatencyEncoder(shape=(3, 3)), -100, -100)
    images = np.full((1, 3, 3), 255, np.uint8)
    answer, config = golden.run_images(network, images), find_config("tiles-1")
    found = traffic(network, images, answer, config)
    assert found.needed.tolist() == [4 * (2 * 9 + 8)]
    assert found.early.tolist() == [0]
    assert found.width == 4
    assert (found.needed <= cycles(network, images, answer, config) * found.width).all()
    # Undecided, all are read a second time, those of the whole window
    network.layers[-1].threshold[:] = 100
    answer = golden.run_images(network, images)
    assert traffic(network, images, answer, config).needed.tolist() == [2 * 4 * (2 * 9 + 8)]


def test_traffic_of_gather_by_hand(rng):
    """3 × 3 pixels that all fire: 4 windows, a word of 4 bits each, for 2 channels that fire at
    once; then 3 outputs, which see 4 words of 2 spikes.
    """
    network = map_network(rng, "2c2,3", 4, LatencyEncoder(shape=(3, 3)), -100, -100)
    images = np.full((1, 3, 3), 255, np.uint8)
    answer, config = golden.run_images(network, images), find_config("gather-8")
    found = traffic(network, images, answer, config)
    assert found.needed.tolist() == [8 * (4 * 2 + 4 * 3)]
    assert found.width == 8
    # Two channels and six that are absent, for one word; outputs take 4 words each; to that come
    # the input's last arrival, and the pipeline of each window and layer.
    taken = 2 + (2 + 4 * (4 + 8 + 11)) + (2 + 4 + 4 * 3 + 11)
    assert cycles(network, images, answer, config).tolist() == [taken]


def test_what_is_left_to_read_takes_its_cycles(rng):
    """No memory gives more than its width in a cycle."""
    for name in ("three hidden layers", "ties", "pool of two"):
        network = make(rng, name)
        images = mixed_images(rng, network, 40)
        answer = golden.run_images(network, images)
        for config in (Config(), Config(engines=(EventDriven(banks=4), EventDriven()))):
            count = cycles(network, images, answer, config)
            found = traffic(network, images, answer, config)
            assert (found.needed - found.early <= count * found.width).all()


def test_refuses_a_network_for_events(rng):
    network = random_network(rng, (4, 2), 8)
    answer = golden.run(network, Spikes.from_times(np.zeros((1, 4), int), 8))
    with pytest.raises(ValueError, match=r"^Events must be Spikes, not ndarray$"):
        cycles(network, np.zeros((1, 2, 2), np.uint8), answer)
