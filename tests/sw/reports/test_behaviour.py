"""What a network does with examples, by plain loops."""

import numpy as np
import pytest
from pages import events, images, maps

from sim import golden
from sw.encoder import Spikes
from sw.reports.behaviour import decided_by_step, example, margins
from sw.reports.result import Histogram


def by_hand(network, arriving):
    """``V − θ`` of each layer at the end of each step, from input spikes (step, unit) of one
    example; and when each unit fires.
    """
    found = []
    for layer in network.layers:
        lines, times = [], []
        for weights, threshold in zip(layer.weight, layer.threshold, strict=True):
            line, potential = [], 0
            for step in range(network.steps):
                potential += sum(1 if weights[unit] else -1 for at, unit in arriving if at == step)
                line.append(potential - int(threshold))
            lines.append(line)
            fired = [step for step, margin in enumerate(line) if margin >= 0]
            times.append(fired[0] if fired else network.steps)
        found.append((lines, times))
        arriving = [(at, unit) for unit, at in enumerate(times)]
    return found


@pytest.mark.parametrize("make", [images, events])
def test_an_example_by_hand(rng, make):
    network, inputs, labels, answer = make(rng, hidden=(6, 5), steps=4, count=7)
    for index in (0, 6):
        spikes = network.encoder.encode(inputs[index : index + 1], 4)
        arriving = list(zip(spikes.step.tolist(), spikes.unit.tolist(), strict=True))
        shown = example(network, inputs, answer, labels, index)
        *hidden, (lines, _) = by_hand(network, arriving)
        assert [list(line) for line in shown.margins] == lines
        assert [list(times) for times in shown.hidden] == [times for _, times in hidden]
        pairs = [(step, unit) for step, units in enumerate(shown.inputs) for unit in units]
        assert sorted(pairs) == sorted(arriving)
        assert (shown.label, shown.answer) == (labels[index], answer.label[index])
        assert (shown.step, shown.margin) == (answer.step[index], answer.margin[index])
        assert (shown.image is None) == isinstance(inputs, Spikes)
        assert type(shown).from_dict(shown.to_dict()) == shown


@pytest.mark.parametrize("shape", [(8, 6), (3, 8, 6)])
def test_an_example_on_maps(rng, shape):
    network, inputs, labels, answer = maps(rng, shape=shape)
    shown = example(network, inputs, answer, labels, 2)
    channels = shape[0] if len(shape) == 3 else 1
    assert shown.channels == channels
    pixels = np.array(shown.image).reshape(8, 6, channels)
    np.testing.assert_array_equal(pixels, inputs[2].reshape(8, 6, channels))
    assert list(map(list, shown.hidden)) == [times[2].tolist() for times in answer.times[:-1]]
    assert type(shown).from_dict(shown.to_dict()) == shown


@pytest.mark.parametrize("hidden", [(), (9,)])
def test_margins_are_the_golden_models(rng, hidden):
    network, inputs, _, answer = events(rng, hidden=hidden, steps=12, count=9)
    spikes = Spikes.from_times(answer.times[-2], 12) if hidden else inputs
    expected = golden.margins(network.layers[-1], spikes, 12)
    assert np.array_equal(np.stack(list(margins(network, inputs, answer)), axis=1), expected)


def test_decided_by_step_by_hand(rng):
    _, _, _, answer = images(rng)
    for step, share in enumerate(decided_by_step(answer)):
        assert share == sum(int(at) <= step for at in answer.step) / len(answer.step)


@pytest.mark.smoke
def test_quantiles_by_hand():
    """Of 100 values, all of them or all but one are at most so much."""
    values = np.array([*[3] * 50, *[9] * 49, 40])
    histogram = Histogram.of(values)
    assert (histogram.values, histogram.counts) == ((3, 9, 40), (50, 49, 1))
    assert (histogram.images, histogram.mean) == (100, values.mean())
    assert [histogram.quantile(share) for share in (0.5, 0.51, 0.99, 1.0)] == [3, 9, 9, 40]
