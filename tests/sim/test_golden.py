"""The golden model: each rule of docs/spec.md by hand, then against plain loops."""

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import image_network, random_network, random_spikes

from sim import golden
from sw.encoder import EventsEncoder, Spikes
from sw.network import Layer

T = 8


def network_of(*layers, steps=T):
    """From (weights of ±1 [N_out][N_in], thresholds) per layer."""
    layers = tuple(
        Layer(weight=np.array(weight) > 0, threshold=np.array(threshold, np.int32))
        for weight, threshold in layers
    )
    like = random_network(np.random.default_rng(0), (layers[0].inputs, layers[-1].outputs), steps)
    return dataclasses.replace(
        like,
        encoder=EventsEncoder(channels=layers[0].inputs),
        layers=layers,
        labels=tuple(map(str, range(layers[-1].outputs))),
    )


def spikes_of(*events):
    """One image's events (step, unit)."""
    step, unit = np.array(sorted(events), int).reshape(-1, 2).T
    return Spikes(count=1, image=np.zeros(len(step), int), step=step, unit=unit)


# name: (layers, events, times of all units layer by layer, (label, step, margin))
BY_HAND = {
    "integrates over time": (
        [([[1, 1, 1]], [3])],
        [(1, 0), (4, 1), (6, 2)],
        [[6]],
        (0, 6, 0),
    ),
    "a −1 takes away": (
        [([[1, -1, 1]], [1])],
        [(0, 1), (2, 0), (5, 2)],
        [[5]],
        (0, 5, 0),
    ),
    "fires at the end of a step, not after an event": (
        # Unit 0 crosses its threshold in step 2 after the first event, and is back below it.
        [([[1, -1, 1], [1, 1, 1]], [1, 3])],
        [(2, 0), (2, 1), (6, 2)],
        [[6, 6]],
        (0, 6, 0),
    ),
    "fires once, and stays fired": (
        [([[1, -1]], [1]), ([[1]], [1])],
        [(1, 0), (3, 1), (3, 1), (5, 0), (5, 0), (5, 0)],
        [[1], [1]],
        (0, 1, 0),
    ),
    "no layer delay": (
        [([[1, 1], [1, -1]], [2, 1]), ([[1, 1]], [2]), ([[1], [-1]], [1, 1])],
        [(2, 0), (5, 1)],
        [[5, 2], [5], [5, T]],
        (0, 5, 0),
    ),
    "θ ≤ 0 fires in step 0 without input": (
        [([[1], [1]], [0, -3]), ([[1, 1]], [2])],
        [],
        [[0, 0], [0]],
        (0, 0, 0),
    ),
    "θ ≤ 0 and a −1 in step 0": (
        [([[-1]], [0])],
        [(0, 0), (3, 0), (3, 0)],
        [[T]],
        (0, T - 1, -3),
    ),
    "a tie goes to the larger margin": (
        [([[1, 1, -1], [1, 1, 1]], [1, 1])],
        [(3, 0), (3, 1), (3, 2)],
        [[3, 3]],
        (1, 3, 2),
    ),
    "then to the lowest index": (
        [([[-1, -1], [1, 1], [1, 1]], [1, 1, 1])],
        [(3, 0), (3, 1)],
        [[T, 3, 3]],
        (1, 3, 1),
    ),
    "the first to fire wins whatever the margins are later": (
        [([[1, -1, -1], [1, 1, 1]], [1, 2])],
        [(1, 0), (2, 1), (2, 2)],
        [[1, 2]],
        (0, 1, 0),
    ),
    "a smaller margin of one that fires beats a larger one of none": (
        [([[1, 1], [1, -1]], [2, 5])],
        [(2, 0), (4, 1)],
        [[4, T]],
        (0, 4, 0),
    ),
    "nobody fires: the largest margin of the final step": (
        [([[1, 1], [1, -1]], [9, 6])],
        [(2, 0), (4, 1)],
        [[T, T]],
        (1, T - 1, -6),
    ),
    "nobody fires: then the lowest index": (
        [([[1], [1], [1]], [9, 4, 4])],
        [(2, 0)],
        [[T, T, T]],
        (1, T - 1, -3),
    ),
    "an event input that fires more than once": (
        [([[1, -1]], [3])],
        [(0, 0), (0, 0), (3, 1), (5, 0), (5, 0)],
        [[5]],
        (0, 5, 0),
    ),
    "thresholds at the ends of int32": (
        [([[1], [1], [1]], [-(2**31), 2**31 - 1, 0])],
        [(0, 0)],
        [[0, T, 0]],
        (0, 0, 2**31 + 1),
    ),
    "nobody fires below the end of int32": (
        [([[-1], [-1]], [2**31 - 1, 2**31 - 1])],
        [(0, 0), (1, 0), (2, 0)],
        [[T, T]],
        (0, T - 1, -(2**31) - 2),
    ),
}


@pytest.mark.smoke
@pytest.mark.parametrize(("layers", "events", "times", "decision"), BY_HAND.values(), ids=BY_HAND)
def test_by_hand(layers, events, times, decision):
    answer = golden.run(network_of(*layers), spikes_of(*events))
    assert [layer.tolist() for layer in answer.times] == [[layer] for layer in times]
    assert (answer.label[0], answer.step[0], answer.margin[0]) == decision
    assert answer.steps == T


def test_one_step():
    answer = golden.run(network_of(([[1], [-1]], [1, 0]), steps=1), spikes_of((0, 0)))
    assert answer.times[0].tolist() == [[0, 1]]
    assert (answer.label[0], answer.step[0], answer.margin[0]) == (0, 0, 0)


def plain_loops(network, events):
    """The specification, word for word, for one image's events (step, unit)."""
    steps, before = network.steps, events
    all_times = []
    for layer in network.layers:
        potential = [0] * layer.outputs
        times = [steps] * layer.outputs
        history = []
        for t in range(steps):
            for when, unit in before:
                if when == t:
                    for j in range(layer.outputs):
                        potential[j] += 1 if layer.weight[j, unit] else -1
            for j in range(layer.outputs):
                if times[j] == steps and potential[j] >= int(layer.threshold[j]):
                    times[j] = t
            history.append([potential[j] - int(layer.threshold[j]) for j in range(layer.outputs)])
        all_times.append(times)
        before = [(when, unit) for unit, when in enumerate(times) if when < steps]
    step = min(min(times), steps - 1)
    able = [j for j in range(len(times)) if times[j] == step] or range(len(times))
    label = max(able, key=lambda j: (history[step][j], -j))
    return all_times, label, step, history[step][label]


STEPS = [1, 2, 3, 7, 16, 100, 256]
LIMITS = np.iinfo(np.int32)


@pytest.mark.smoke
@settings(deadline=None, derandomize=True, max_examples=150)
@given(
    seed=st.integers(0, 2**32 - 1),
    sizes=st.lists(st.integers(1, 7), min_size=2, max_size=5),
    steps=st.sampled_from(STEPS),
    low=st.integers(-4, 5),
    span=st.integers(0, 4),
    rate=st.sampled_from([0, 0.3, 1, 3]),
    extreme=st.booleans(),
)
def test_equals_plain_loops(seed, sizes, steps, low, span, rate, extreme):
    rng = np.random.default_rng(seed)
    network = random_network(rng, sizes, steps, low, low + span)
    if extreme:
        for layer in network.layers:
            layer.threshold[rng.integers(layer.outputs)] = rng.choice([LIMITS.min, LIMITS.max])
    count = 3
    spikes = random_spikes(rng, count, sizes[0], steps, rate)
    answer = golden.run(network, spikes)
    for image in range(count):
        mine = spikes.image == image
        events = list(zip(spikes.step[mine].tolist(), spikes.unit[mine].tolist(), strict=True))
        times, label, step, margin = plain_loops(network, events)
        assert [layer[image].tolist() for layer in answer.times] == times
        assert (answer.label[image], answer.step[image], answer.margin[image]) == (
            label,
            step,
            margin,
        )


@pytest.mark.parametrize("count", [0, 1, 31, 32, 33, 70])
def test_images_go_through_in_chunks(rng, count):
    network = image_network(rng)
    images = rng.integers(0, 256, (count, 8, 8)).astype(np.uint8)
    whole = golden.run(network, network.encoder.encode(images, network.steps))
    parts = golden.run_images(network, images)
    for one, other in itertools.chain(
        zip(whole.times, parts.times, strict=True),
        ((getattr(whole, key), getattr(parts, key)) for key in ("label", "step", "margin")),
    ):
        np.testing.assert_array_equal(one, other)
    assert parts.label.shape == (count,)


def test_refuses_a_network_for_events(rng):
    with pytest.raises(ValueError, match=r"^Network must take images, not EventsEncoder"):
        golden.run_images(random_network(rng, (4, 2), 8), np.zeros((1, 2, 2), np.uint8))


def test_margins_are_sums_over_the_spikes_so_far():
    """Of two recordings, the first with a unit that fires twice, the second without a spike."""
    layer = network_of(([[1, -1, 1], [-1, -1, 1]], [1, -2]), steps=4).layers[0]
    spikes = Spikes(
        count=2, image=np.zeros(4, int), step=np.array([0, 0, 2, 3]), unit=np.array([0, 2, 2, 1])
    )
    first = [[2 - 1, 0 + 2], [2 - 1, 0 + 2], [3 - 1, 1 + 2], [2 - 1, 0 + 2]]
    expected = [first, [[-1, 2]] * 4]
    np.testing.assert_array_equal(golden.margins(layer, spikes, 4), expected)
