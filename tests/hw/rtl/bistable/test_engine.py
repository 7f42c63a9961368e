"""The bistable engine against the golden model: every value of every layer, and the class."""

import numpy as np
import pytest
from bistable_inferences import check
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from networks import bistable_network
from samples import deep
from structures import convolution, dense, pooling

# structure: shape, K, P, E
CASES = {
    "5c3p1-m2-6c3p1-m2-5": ((6, 6), 3, 4, 1),
    "5c3s2p1-3c2-4": ((7, 6), 4, 8, 4),
    "2c5s2p2-9-7-2": ((6, 6), 2, 4, 2),
    "3c1-m3-2": ((4, 8), 1, 4, 1),
    "6c2-a2x1-3c1x2-3": ((3, 4, 5), 3, 4, 1),
    "4c1x3s1x2p0.0.2.1-m1x2-5c1x3-3": ((2, 1, 19), 8, 8, 1),
    "2c3x1s2x1p1.0.0.0-3c2s2-a3-2": ((3, 15, 7), 4, 8, 8),
    "3c3p2.0.1.2-m2-m2-2": ((5, 6), 4, 16, 2),
    "40-30-9": ((5, 5), 3, 8, 1),
    "14c3p1-14c3p1+1-m2-25-3": ((5, 6), 3, 12, 4),
    "3": ((2, 3, 3), 5, 4, 4),
    "6c3p1-6c3p1-6c3p1+1x4-a3-3": ((3, 4), 3, 4, 1),
    "4c3p1+1-4c1+2x2-9-9+1-2": ((4, 2, 3), 2, 4, 4),
}
OFTEN = (
    "5c3s2p1-3c2-4",
    "5c3p1-m2-6c3p1-m2-5",
    "6c2-a2x1-3c1x2-3",
    "40-30-9",
    "14c3p1-14c3p1+1-m2-25-3",
    "3",
    "4c3p1+1-4c1+2x2-9-9+1-2",
)


def random_codes(rng, network, count):
    """Values of ``count`` images, of which the second has many of 0."""
    codes = rng.integers(0, 1 << network.steps, (count, network.sizes[0])).astype(np.uint8)
    codes[1::2] *= rng.random(codes[1::2].shape) < 0.3
    return codes


@pytest.mark.parametrize("text", [*OFTEN, *deep(*(text for text in CASES if text not in OFTEN))])
def test_images(rng, text):
    shape, steps, lanes, listens = CASES[text]
    network = bistable_network(rng, text, steps, shape)
    check(network, random_codes(rng, network, 2), lanes=lanes, listens=listens)


@pytest.mark.parametrize(
    ("text", "shape"), [("6c3p1-m2-5-3", (4, 4)), ("8c3p1+1-7", (8, 2, 2)), ("12-3", (4, 4))]
)
def test_back_to_back(rng, text, shape):
    """Images come without a pause, or with, and results are taken late: the next image is taken
    while this one is computed, unless a shortcut needs the input.
    """
    network = bistable_network(rng, text, 2, shape)
    codes = random_codes(rng, network, 3)
    for idle, pause in ((0, 0), (0.3, 0.9)):
        check(network, codes, lanes=4, listens=1, alone=False, idle=idle, pause=pause)


def test_the_next_image_is_taken_early(rng):
    """Its 36 pixels come while the layers behind the first one are computed."""
    network = bistable_network(rng, "30-30-30-3", 2, (6, 6))
    codes = random_codes(rng, network, 1).repeat(3, axis=0)
    first, *others = check(network, codes, lanes=4, listens=4, alone=False)
    assert others[1].at - others[0].at < first.cycles + 3


@pytest.mark.parametrize(("lanes", "listens"), [(4, 1), (8, 8)])
def test_loaded_weights(rng, lanes, listens):
    network = bistable_network(rng, "6c3p1-m2-5", 3, (4, 4))
    check(network, random_codes(rng, network, 2), lanes=lanes, listens=listens, loaded=True)


@pytest.mark.parametrize("select", [(0, 3, 4, 9, 10, 15, 17), (2, 5, 31), None])
def test_selected_pixels(rng, select):
    """Of two channels, with and without the last pixel."""
    network = bistable_network(rng, "9-3", 3, (2, 4, 4), select=select)
    check(network, random_codes(rng, network, 2), lanes=4, listens=1)


def test_values_of_0_cost_nothing(rng):
    """A dense layer takes a cycle per value that is not 0, and tile."""
    network = bistable_network(rng, "8-3", 3, (8, 8))
    codes = np.zeros((2, 64), np.uint8)
    codes[0, ::8], codes[1, ::4] = 5, 5
    few, more = check(network, codes, lanes=4, listens=1)
    assert more.cycles - few.cycles == 2 * 8


def test_extremes(rng):
    """All values the largest, all weights of one sign, thresholds that nobody or everybody
    reaches.
    """
    network = bistable_network(rng, "8c3p1-8-3", 4, (4, 4))
    for layer in network.layers[:-1]:
        layer.weight[::2], layer.weight[1::2] = True, False
        layer.threshold[:4], layer.threshold[4:] = 1, (1 << 31) - 1 >> 4
        layer.bias[:2] = -1000
    codes = np.full((2, 16), 15, np.uint8)
    codes[1] = 0
    check(network, codes, lanes=4, listens=1)


def test_a_last_tile_with_fewer_channels_behind_a_window(rng):
    network = bistable_network(rng, "9c1-m1x2-1c1-1", 1, (1, 1, 2))
    check(network, random_codes(rng, network, 2), lanes=8, listens=1)


def structure(draw, shape):
    """Convolutions that fit, some with a pooling behind, and one or two dense layers."""
    size, entries = shape[1:], []
    for _ in range(draw(st.integers(0, 2))):
        found = convolution(draw, size, channels=9, kernel=4, stride=2)
        if found is None:
            break
        entry, size = found
        entries.append(entry)
        if draw(st.booleans()):
            entry, size = pooling(draw, size, "ma")
            entries.append(entry)
    return "-".join([*entries, *dense(draw)])


def any_network(data):
    draw = data.draw
    shape = draw(st.tuples(st.integers(1, 5), st.integers(1, 6), st.integers(1, 6)))
    text, steps = structure(draw, shape), draw(st.integers(1, 8))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    network = bistable_network(rng, text, steps, shape)
    sizes = (4, 1), (4, 2), (8, 1), (8, 4), (12, 1), (16, 8), (8, 8), (24, 8)
    lanes, listens = draw(st.sampled_from(sizes))
    check(
        network,
        random_codes(rng, network, 2),
        lanes=lanes,
        listens=listens,
        loaded=draw(st.booleans()),
        alone=draw(st.booleans()),
        idle=draw(st.sampled_from([0, 0.5])),
        pause=draw(st.sampled_from([0, 0.7])),
    )


@settings(
    max_examples=3,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    phases=[Phase.explicit, Phase.generate],
)
@given(st.data())
def test_any_network(data):
    any_network(data)


@pytest.mark.deep
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_many_networks(data):
    any_network(data)
