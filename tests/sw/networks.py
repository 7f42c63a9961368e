"""Random networks, spikes and recordings, and data sets, for tests."""

import itertools
import json

import numpy as np

from sw import structure
from sw.data.dataset import Dataset
from sw.data.events import EventDataset, Events
from sw.encoder import EventsEncoder, LatencyEncoder, PhaseEncoder, Spikes
from sw.network import Layer, Network

PROVENANCE = {
    "dataset": "digits",
    "rule": "bstdg",
    "seed": 0,
    "epochs": 1,
    "versions": {},
    "validation_accuracy": 0.5,
    "test_accuracy": 0.5,
    "command": "python -m sw.train",
}


def random_network(rng, sizes, steps, low=-2, high=6, encoder=None):
    """A network with random signs and thresholds in low … high, for events unless told."""
    layers = tuple(
        Layer(
            weight=rng.random((n_out, n_in)) < 0.5,
            threshold=rng.integers(low, high + 1, n_out).astype(np.int32),
        )
        for n_in, n_out in itertools.pairwise(sizes)
    )
    return Network(
        name="random",
        steps=steps,
        encoder=encoder or EventsEncoder(channels=sizes[0]),
        layers=layers,
        labels=tuple(str(k) for k in range(sizes[-1])),
        provenance=PROVENANCE,
    )


def map_network(rng, text, steps, encoder, low=-1, high=3):
    """A network of the structure ``text``, without the inputs, with random signs and thresholds."""
    kinds = structure.parse(text)
    layers = []
    for kind, before in zip(kinds, structure.maps(encoder.map, kinds), strict=False):
        if isinstance(kind, structure.First):
            layers.append(Layer(kind=kind))
            continue
        rows, columns = kind.weights(before)
        layers.append(
            Layer(
                weight=rng.random((rows, columns)) < 0.5,
                threshold=rng.integers(low, high + 1, rows).astype(np.int32),
                kind=kind,
            )
        )
    return Network(
        name="random",
        steps=steps,
        encoder=encoder,
        layers=tuple(layers),
        labels=tuple(map(str, range(len(layers[-1].threshold)))),
        provenance=PROVENANCE,
    )


def bistable_network(rng, text, steps, shape, **encoder):
    """A bistable network of the structure ``text``, without the inputs, whose values fill their
    range: random signs, biases, gains and thresholds.
    """
    encoder = PhaseEncoder(shape=shape, **encoder)
    kinds = structure.parse(text)
    layers = []
    for index, (kind, before) in enumerate(
        zip(kinds, structure.maps(encoder.map, kinds), strict=False)
    ):
        if isinstance(kind, structure.Pooling):
            layers.append(Layer(kind=kind))
            continue
        rows, columns = kind.weights(before)
        gain = 2 ** rng.integers(0, 4, rows)
        spread = 1 + gain * int(np.sqrt(columns))  # of U, for values around 1
        theta = rng.integers(1, 1 + spread) if index < len(kinds) - 1 else np.ones(rows)
        layers.append(
            Layer(
                weight=rng.random((rows, columns)) < 0.5,
                threshold=theta.astype(np.int32),
                kind=kind,
                bias=rng.integers(-spread, 2**steps * spread).astype(np.int32),
                gain=gain.astype(np.int32),
            )
        )
    return Network(
        name="random",
        steps=steps,
        encoder=encoder,
        layers=tuple(layers),
        labels=tuple(map(str, range(len(layers[-1].threshold)))),
        provenance=PROVENANCE,
    )


def random_spikes(rng, count, inputs, steps, rate=0.6):
    """Spikes in which units may fire several times."""
    events = int(rate * count * inputs)
    image, step = np.sort(rng.integers(0, count * steps, events)).reshape(1, -1).repeat(2, 0)
    return Spikes(
        count=count, image=image // steps, step=step % steps, unit=rng.integers(0, inputs, events)
    )


def image_network(rng, shape=(8, 8), hidden=5, steps=16, **encoder):
    encoder = LatencyEncoder(shape=shape, **encoder)
    return random_network(rng, (encoder.inputs, hidden, 10), steps, encoder=encoder)


def random_events(rng, count, channels, most=30, **fields):
    """Recordings of 0 … ``most`` events in 1.2 s, of which the first second counts."""
    sizes = rng.integers(0, most + 1, count)
    pairs = ((1.2 * rng.random(size), rng.integers(0, channels, size)) for size in sizes)
    return Events.collect(pairs, **{"channels": channels, "window": 1.0, **fields})


def speech(rng, train=120, test=60):
    """A data set of three easy words: 12 channels, where a third is loud first, then the next."""

    def part(count):
        labels = np.arange(count) % 3
        pairs = []
        for label in labels:
            loud = (4 * label + 4 * (np.arange(40) >= 20) + rng.integers(0, 4, 40)) % 12
            pairs.append((rng.random(40) / 2 + (np.arange(40) >= 20) / 2, loud))
        return Events.collect(pairs, channels=12, window=1.0, stride=2), labels

    train_events, train_labels = part(train)
    test_events, test_labels = part(test)
    return EventDataset(
        name="fsdd",
        train_events=train_events,
        train_labels=train_labels,
        test_events=test_events,
        test_labels=test_labels,
        labels=tuple("012"),
    )


def data_of(inputs, truth, labels, name="mine", **fields):
    """A data set of images or events, where all examples are to learn from and for testing, too."""
    kind, what = (EventDataset, "events") if isinstance(inputs, Events) else (Dataset, "images")
    for part in ("train", "test"):
        fields |= {f"{part}_{what}": inputs, f"{part}_labels": truth}
    return kind(name=name, labels=labels, **fields)


def trained_on(data, dataset):
    """A network that takes what ``data`` has, with the provenance that training leaves."""
    if isinstance(data, EventDataset):
        encoder = EventsEncoder(channels=data.channels)
    else:
        encoder = LatencyEncoder(shape=data.shape)
    layer = Layer(
        weight=np.ones((len(data.labels), encoder.inputs), bool),
        threshold=np.ones(len(data.labels), np.int32),
    )
    reading = json.loads(json.dumps(data.reading))
    return Network(
        name="mine",
        steps=4,
        encoder=encoder,
        layers=(layer,),
        labels=data.labels,
        provenance={**PROVENANCE, "dataset": dataset, "data": reading},
    )
