"""Recordings of events and their binning, by hand."""

import numpy as np
import pytest
from networks import random_events

from sw.data.events import EventDataset, Events


def recordings(*parts, channels=4, window=1.0, stride=1):
    times, units = zip(*parts, strict=True)
    pairs = zip(map(np.array, times), map(np.array, units), strict=True)
    return Events.collect(pairs, channels=channels, window=window, stride=stride)


def triples(spikes):
    columns = (spikes.image, spikes.step, spikes.unit)
    return [tuple(map(int, row)) for row in zip(*columns, strict=True)]


@pytest.mark.smoke
def test_binning():
    """Steps are equal parts of the window; the end of a step belongs to the next one."""
    events = recordings(([0.0, 0.124, 0.125, 0.9, 1.0, 7.0], [0, 1, 2, 3, 0, 1]))
    assert triples(events.spikes(8)) == [(0, 0, 0), (0, 0, 1), (0, 1, 2), (0, 7, 3)]
    assert triples(events.spikes(1)) == [(0, 0, unit) for unit in range(4)]
    assert [step for _, step, _ in triples(events.spikes(10))] == [0, 1, 1, 9]


def test_window_is_in_seconds():
    events = recordings(([0.4, 1.39], [1, 2]), window=1.4)
    assert triples(events.spikes(7)) == [(0, 2, 1), (0, 6, 2)]


def test_events_long_after_the_window_are_dropped():
    """So late that int64 does not hold their step."""
    events = recordings(([0.0, 5e-10, 1e9], [1, 2, 3]), window=1e-9)
    assert triples(events.spikes(256)) == [(0, 0, 1), (0, 128, 2)]


def test_a_unit_may_fire_often_in_a_step():
    events = recordings(([0.1, 0.1, 0.2], [3, 3, 3]))
    assert triples(events.spikes(4)) == [(0, 0, 3)] * 3


def test_events_need_no_order():
    events = recordings(([0.9, 0.1], [0, 1]), ([0.5, 0.0], [2, 3]))
    assert triples(events.spikes(2)) == [(0, 0, 1), (0, 1, 0), (1, 0, 3), (1, 1, 2)]


def test_silent_recordings_count():
    events = recordings(([], []), ([0.5], [1]), ([], []))
    assert len(events) == 3
    spikes = events.spikes(2)
    assert spikes.count == 3
    assert triples(spikes) == [(1, 1, 1)]


@pytest.mark.parametrize("index", [[4, 0, 2], [], [1, 1]])
def test_chosen_recordings(rng, index):
    events = random_events(rng, 6, 5)
    chosen = events[np.array(index, np.int64)]
    assert len(chosen) == len(index)
    whole = events.spikes(8)
    expected = [
        (place, *row[1:])
        for place, recording in enumerate(index)
        for row in triples(whole)
        if row[0] == recording
    ]
    assert triples(chosen.spikes(8)) == expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"window": 0.0}, "Window must be above 0 s, not 0.0"),
        ({"stride": 3}, "Channels must be divisible by 3, not 4"),
        ({"time": np.array([0.1, -0.1], np.float32)}, "Times must be finite and not below 0 s"),
        ({"time": np.array([0.1, np.nan], np.float32)}, "Times must be finite and not below 0 s"),
        ({"unit": np.array([0, 4], np.int16)}, r"Units must be in 0 … 3"),
        ({"unit": np.array([-1, 0], np.int16)}, r"Units must be in 0 … 3"),
        ({"start": np.array([0, 3])}, "Events must be one time and one unit each, not 2, 2 and 3"),
    ],
)
def test_refusals(changes, message):
    fields = {
        "channels": 4,
        "window": 1.0,
        "time": np.array([0.1, 0.2], np.float32),
        "unit": np.array([0, 1], np.int16),
        "start": np.array([0, 2]),
    }
    with pytest.raises(ValueError, match=message):
        Events(**{**fields, **changes})


def test_data_set(rng):
    train, test = random_events(rng, 3, 5), random_events(rng, 2, 5)
    data = EventDataset(
        name="x",
        train_events=train,
        train_labels=np.array([0, 1, 0]),
        test_events=test,
        test_labels=np.array([1, 0]),
        labels=("a", "b"),
    )
    assert (data.channels, data.train_inputs, data.test_inputs) == (5, train, test)
