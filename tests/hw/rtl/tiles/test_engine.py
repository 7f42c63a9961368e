"""The tiles engine against the golden model: every spike time, and the margins that decide."""

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from inferences import check, infer
from networks import map_network, random_spikes
from samples import deep
from structures import convolution, dense, pooling

from hw.rtl.tiles import plan, planner
from hw.rtl.tiles.engine import TilesEngine
from sw.cli import UserError
from sw.encoder import EventsEncoder, LatencyEncoder

# structure: shape, T, P, lowest and highest threshold
CASES = {
    "4c3p1-f2-6c3p1-f2-5": ((8, 8), 4, 4, 1, 4),
    "5c3s2p1-3c2-4": ((7, 6), 4, 2, -1, 3),
    "2c5s2p2-9-7-2": ((6, 6), 8, 4, -1, 3),
    "3c1-f3-2": ((7, 8), 4, 2, 0, 2),
    "6c2-f2x1-3c1x2-3": ((3, 4, 6), 2, 4, 0, 4),
    "4c1x3s1x2p0.0.2.1-f1x2-5c1x3-3": ((2, 1, 19), 4, 4, 0, 3),
    "2c3x1s2x1p1.0.0.0-3c2s3-2": ((3, 6, 5), 1, 1, -1, 2),
    "3c3p2.0.1.2-f2-f2-2": ((9, 8), 16, 8, 1, 4),
    "40-30-6": ((5, 5), 8, 4, -2, 4),
    "3": ((2, 3, 3), 4, 2, -1, 3),
    "7c3p1-f2-8c2-17-4": ((4, 6, 6), 4, 3, 0, 4),
    "11c2-6c2x1-3": ((2, 5, 4), 4, 5, -1, 4),
}


@pytest.mark.parametrize("text", CASES)
def test_pixels(rng, text):
    shape, steps, lanes, low, high = CASES[text]
    encoder = LatencyEncoder(shape=shape, silent_below=60)
    network = map_network(rng, text, steps, encoder, low, high)
    images = rng.integers(0, 256, (2, *encoder.image_shape), np.uint8)
    images[1] = rng.choice([0, 100, 255], images[1].shape)
    check(network, encoder.encode(images, steps), lanes=lanes)


OFTEN = ("5c3s2p1-3c2-4", "6c2-f2x1-3c1x2-3", "4c1x3s1x2p0.0.2.1-f1x2-5c1x3-3")


@pytest.mark.parametrize("text", [*OFTEN, *deep(*(text for text in CASES if text not in OFTEN))])
def test_events_that_repeat(rng, text):
    shape, steps, lanes, low, high = CASES[text]
    encoder = EventsEncoder(shape=(1, *shape)[-3:])
    network = map_network(rng, text, steps, encoder, low, high)
    check(network, random_spikes(rng, 2, network.sizes[0], steps), lanes=lanes)


def structure(draw, shape):
    """One to three layers on maps that fit, and one or two dense ones."""
    size, entries = shape[1:], []
    for _ in range(draw(st.integers(1, 3))):
        if entries and draw(st.booleans()):
            found = pooling(draw, size, "f")
        else:
            found = convolution(draw, size, channels=6, kernel=5, stride=3)
        if found is None:
            break
        entry, size = found
        entries.append(entry)
    return "-".join([*entries, *dense(draw)])


def any_network(data, examples):
    draw = data.draw
    shape = draw(st.tuples(st.integers(1, 5), st.integers(1, 7), st.integers(1, 7)))
    text, steps = structure(draw, shape), draw(st.sampled_from([1, 2, 4, 8]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    low = draw(st.integers(-3, 3))
    encoder = draw(
        st.sampled_from([LatencyEncoder(shape=shape, silent_below=50), EventsEncoder(shape=shape)])
    )
    network = map_network(rng, text, steps, encoder, low, low + draw(st.integers(0, 4)))
    if isinstance(encoder, LatencyEncoder):
        images = rng.integers(0, 256, (examples, *encoder.image_shape), np.uint8)
        spikes = encoder.encode(images, steps)
    else:
        spikes = random_spikes(rng, examples, network.sizes[0], steps)
    lanes = draw(st.integers(1, 8))
    check(
        network,
        spikes,
        lanes=lanes,
        loaded=draw(st.booleans()),
        table=may_have_a_table(network, lanes) and draw(st.booleans()),
        idle=draw(st.sampled_from([0, 0.5])),
        pause=draw(st.sampled_from([0, 0.7])),
    )


def may_have_a_table(network, lanes):
    try:
        planner.plan_network(network, lanes, table=True)
    except UserError:
        return False
    return True


@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    phases=[Phase.explicit, Phase.generate],
)
@given(st.data())
def test_any_network(data):
    any_network(data, 2)


@pytest.mark.deep
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_many_networks(data):
    any_network(data, 3)


@pytest.fixture
def network(rng):
    """A network that takes a while, with all kinds of layers."""
    return map_network(rng, "6c3p1-f2-5c3-3", 4, LatencyEncoder(shape=(6, 6), silent_below=60))


def random_input(rng, network, count):
    images = rng.integers(0, 256, (count, *network.encoder.image_shape), np.uint8)
    return network.encoder.encode(images, network.steps)


@pytest.mark.parametrize("when", [0, 40, 81, 177])
def test_restart_at_any_time(rng, network, when):
    check(network, random_input(rng, network, 2), lanes=4, restart_after=when)


@pytest.mark.parametrize(("idle", "pause"), [(0, 0.9), (0.9, 0), (0.5, 0.5)])
def test_streams(rng, network, idle, pause):
    check(network, random_input(rng, network, 2), lanes=2, idle=idle, pause=pause)


@pytest.mark.parametrize("lanes", [1, 8])
def test_loaded_weights(rng, network, lanes):
    check(network, random_input(rng, network, 2), lanes=lanes, loaded=True)


def test_thresholds_of_32_bits(rng, network):
    limits = np.iinfo(np.int32)
    for index, layer in enumerate(network.layers):
        if layer.outputs:
            layer.threshold[:2] = limits.min + index, limits.max
    check(network, random_input(rng, network, 2), lanes=4)
    network.layers[-1].threshold[:] = limits.max - 1
    check(network, random_input(rng, network, 2), lanes=4)


def test_silent_inputs(rng, network):
    images = np.zeros((2, 6, 6), np.uint8)
    check(network, network.encoder.encode(images, network.steps), lanes=4)


@pytest.mark.parametrize(("text", "tiles"), [("40-3", 10), ("5c3p1-3", 3)])
def test_a_spike_takes_a_cycle_per_tile(rng, text, tiles):
    """Two to sort it, and one for each tile of the layer, for step 0 alone and for all; nothing
    fires. The corners, which fire in both cases, make a sweep go over all rows.
    """
    network = map_network(rng, text, 2, LatencyEncoder(shape=(6, 6)), 99, 99)
    few, more = [0, 5, 30, 35], [0, 3, 5, 9, 10, 14, 17, 20, 21, 22, 28, 30, 33, 35]
    dut = TilesEngine(network=network, lanes=2)
    assert dut.plan.layers[0].tiles == tiles
    seen = infer(dut, network, [[(0, unit) for unit in units] for units in (few, more)])
    assert seen[1].cycles - seen[0].cycles == (len(more) - len(few)) * (2 + 2 * tiles)


def test_step_0_comes_alone_first(rng, network):
    """If no output fires in it, all steps follow from the beginning."""
    network.layers[-1].threshold[:] = 100
    images = rng.choice(np.array([0, 100, 150, 255], np.uint8), (1, 6, 6))
    spikes = network.encoder.encode(images, network.steps)
    dut = TilesEngine(network=network, lanes=4)
    (seen,) = infer(dut, network, [list(zip(spikes.step, spikes.unit, strict=True))])
    steps = [step for step, _ in seen.margins]
    assert steps[:2] == [0, 0]
    assert steps[1:] == sorted(set(steps))
    assert steps[-1] == network.steps - 1
    assert seen.margins[0] == seen.margins[1]


def test_a_window_of_one_step_is_computed_once(rng):
    network = map_network(rng, "3c3-2", 1, LatencyEncoder(shape=(5, 5)), 50, 50)
    (seen,) = infer(TilesEngine(network=network, lanes=2), network, [[(0, 3), (0, 7)]])
    assert len(seen.margins) == 1


def test_more_spikes_than_the_lists_hold(rng, monkeypatch):
    """The answer is a fault, and that of the next input is right."""
    for module in (plan, planner):
        monkeypatch.setattr(module, "LIST_WORDS", 64)
    network = map_network(rng, "8c1-3", 4, LatencyEncoder(shape=(4, 4), silent_below=1))
    network.layers[0].weight[:] = True
    network.layers[0].threshold[:] = 1  # all 128 units fire with their pixel
    network.layers[1].threshold[:] = 200
    dut = TilesEngine(network=network, lanes=1)
    assert (dut.plan.list_words, dut.plan.list_need) == (64, 16 + 128)
    some, every = [(0, 3), (2, 5)], [(0, unit) for unit in range(16)]
    seen = infer(dut, network, [some, every, some])
    assert [each.fault for each in seen] == [False, True, False]
    assert seen[0].margins[-1] == seen[2].margins[-1]
    assert (seen[2].times[0] < 4).sum() == 2 * 8
