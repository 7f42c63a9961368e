"""Accuracy and cycles on a network's data set."""

import pytest
from networks import speech
from samples import events_network

from hw.explore.measure import Measurement, measure
from sim import golden
from sim.cycles import model
from sw.data import registry
from sw.data.registry import load
from sw.network import find


def test_measure():
    network = find("digits-64-192-10-t16")
    figures = measure(network)
    data = load("digits")
    answer = golden.run_images(network, data.test_images)
    assert figures.accuracy == (answer.label == data.test_labels).mean() > 0.9
    assert figures.images == len(data.test_images)
    assert 0 < figures.cycles_mean <= figures.cycles_max
    assert figures.weight_bits_a_cycle == 192 + 10
    offered = figures.cycles_mean * figures.weight_bits_a_cycle
    fraction = figures.weight_bits_needed_mean / offered
    assert figures.limit_fraction == round(fraction, 4) > figures.limit_fraction_left > 0


@pytest.fixture
def words(rng, monkeypatch):
    """A data set of events, in place of any."""
    words = speech(rng)
    monkeypatch.setattr(registry, "load", lambda name, data_dir: words)
    return words


def test_measure_with_events(rng, words):
    network = events_network(rng, hidden=(20,), high=9)
    figures = measure(network)
    spikes = words.test_events.spikes(network.steps)
    answer = golden.run(network, spikes)
    count = model.cycles(network, spikes, answer)
    assert figures.images == 60
    assert figures.accuracy == (answer.label == words.test_labels).mean()
    assert (figures.cycles_mean, figures.cycles_max) == (count.mean(), count.max())
    lines = dict(figures.lines(10))
    assert "the first event (sent without a pause) to" in lines["latency"]
    assert "pixel" not in str(lines)


def test_without_data():
    missing = Measurement.missing("no such data")
    keys = ("images", "accuracy", "cycles_mean", "cycles_max")
    assert missing.to_dict() == dict.fromkeys(keys) | {"note": "not measured: no such data"}
    assert missing.lines(24.0) == [("accuracy, cycles", "not measured: no such data")]
