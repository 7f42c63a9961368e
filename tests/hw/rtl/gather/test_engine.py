"""The gather engine against the golden model: every spike time, and the margins that decide."""

import numpy as np
import pytest
from gathering import check, infer
from networks import map_network

from hw.rtl.gather.engine import GatherEngine
from sw.encoder import LatencyEncoder

# structure: shape, T, W, lowest and highest threshold
CASES = {
    "4c3p1-f2-6c3p1-f2-5": ((8, 8), 2, 4, 1, 4),
    "5c3s2p1-3c2-4": ((7, 6), 4, 2, -1, 3),
    "6c2-f2x1-3c1x2-3": ((3, 4, 6), 2, 4, 0, 4),
    "4c1x3s1x2p0.0.2.1-f1x2-5c1x3-3": ((2, 1, 19), 4, 4, 0, 3),
    "2c3x1s2x1p1.0.0.0-3c2s3-2": ((3, 6, 5), 1, 2, -1, 2),
    "40-30-6": ((5, 5), 8, 8, -2, 4),
    "3": ((2, 3, 3), 4, 2, -1, 3),
    "11": ((2, 2), 2, 8, 1, 3),
}
DEEP = {
    "3c3p2.0.1.2-f2-f2-2": ((9, 8), 4, 4, 1, 4),
    "2c5s2p2-9-7-2": ((6, 6), 8, 4, -1, 3),
    "3c1-f3-2": ((7, 8), 4, 2, 0, 2),
    "19c3p1-20c3-f2-17-9": ((9, 7), 4, 16, 1, 5),
}
MIXED = [*CASES, *(pytest.param(text, marks=pytest.mark.deep) for text in DEEP)]


def make(rng, text):
    shape, steps, lanes, low, high = {**CASES, **DEEP}[text]
    encoder = LatencyEncoder(shape=shape, silent_below=60)
    return map_network(rng, text, steps, encoder, low, high), lanes


def random_images(rng, network, count):
    images = rng.integers(0, 256, (count, *network.encoder.image_shape), np.uint8)
    images[-1] = rng.choice([0, 100, 255], images[-1].shape)
    return images


@pytest.mark.parametrize("text", MIXED)
def test_every_kind_of_layer(rng, text):
    network, lanes = make(rng, text)
    check(network, random_images(rng, network, 2), lanes=lanes)


@pytest.fixture
def network(rng):
    """One that takes a while, with all kinds of layers."""
    return map_network(rng, "6c3p1-f2-5c3-3", 4, LatencyEncoder(shape=(6, 6), silent_below=60))


@pytest.mark.parametrize("when", [0, 30, 37, 99, 180, 300])
def test_restart_at_any_time(rng, network, when):
    check(network, random_images(rng, network, 2), lanes=4, restart_after=when)


@pytest.mark.parametrize(("idle", "pause"), [(0, 0.95), (0.9, 0)])
def test_streams(rng, network, idle, pause):
    check(network, random_images(rng, network, 2), lanes=4, idle=idle, pause=pause)


def test_thresholds_of_32_bits(rng, network):
    limits = np.iinfo(np.int32)
    for index, layer in enumerate(network.layers):
        if layer.outputs:
            layer.threshold[:2] = limits.min + index, limits.max
    check(network, random_images(rng, network, 2), lanes=8)


def test_silent_inputs(rng, network):
    check(network, np.zeros((2, 6, 6), np.uint8), lanes=4)


def cycles_of(network, images, lanes):
    times = network.encoder.times(images, network.steps).reshape(len(images), -1)
    return [
        seen.cycles for seen in infer(GatherEngine(network=network, lanes=lanes), network, times)
    ]


def test_a_word_of_spikes_takes_a_cycle_per_channel(rng):
    """5 × 5 pixels, 3 channels that see all of them and never fire, outputs that fire at once. With
    W = 8 the pixels are 4 words, of which 1, 2 and 4 have a spike.
    """
    network = map_network(rng, "3-2", 1, LatencyEncoder(shape=(5, 5), silent_below=1), 99, 99)
    images = np.zeros((3, 5, 5), np.uint8)
    images[0].flat[0] = images[1].flat[[0, 9]] = images[2].flat[[1, 8, 22, 24]] = 255
    one, two, four = cycles_of(network, images, 8)
    assert (two - one, four - two) == (3 * 1, 3 * 2)


def test_an_empty_window_is_left_at_once(rng):
    """Of 4 × 4 windows of one pixel, each with a spike takes 5 cycles more to be added, and one for
    each of the W channels.
    """
    network = map_network(rng, "2c1-2", 1, LatencyEncoder(shape=(4, 4), silent_below=1), 99, 99)
    images = np.zeros((2, 4, 4), np.uint8)
    images[1].flat[[3, 5, 12]] = 255
    few, more = cycles_of(network, images, 4)
    assert more - few == 3 * (5 + 4)


def test_a_channel_that_has_fired_is_passed_over(rng):
    """All 4 channels see a word in both windows of a pooling. Where they fire in the first, they
    take a cycle each in the second as before; of two words they take one less.
    """
    encoder = LatencyEncoder(shape=(2, 6), silent_below=1)
    fires = map_network(rng, "4c1x6-f2x1-2", 1, encoder, -9, -9)
    never = map_network(rng, "4c1x6-f2x1-2", 1, encoder, 9, 9)
    for network in (fires, never):
        network.layers[-1].threshold[:] = 9
    images = np.full((1, 2, 6), 255, np.uint8)
    # Two words of 4; the output has a window of 1 word, with or without spikes: 2 channels.
    assert cycles_of(never, images, 4)[0] - cycles_of(fires, images, 4)[0] == 4


def test_lanes_are_a_power_of_two(network):
    for lanes in (0, 1, 12):
        with pytest.raises(
            ValueError, match=rf"^Lanes must be a power of two above 1, not {lanes}$"
        ):
            GatherEngine(network=network, lanes=lanes)
