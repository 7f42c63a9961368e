"""Small networks that take images, and what tests of the hardware's commands share."""

import gc
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from amaranth.hdl import UnusedElaboratable

from sw.encoder import EventsEncoder, LatencyEncoder, Spikes
from sw.network import Layer, Network

__all__ = [
    "BUILD",
    "beats",
    "command",
    "deep",
    "events_network",
    "image_network",
    "inferences",
    "random_images",
    "random_spikes",
    "unfinished",
    "with_another_sign",
]

# Programs that a test compiles lie where the command keeps them, for the next run of the tests.
BUILD = Path(__file__).parents[2] / "build"


def deep(*cases):
    """``cases`` of a parametrised test for ``make test-deep``; several values each as a tuple."""
    return [
        pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=pytest.mark.deep)
        for case in cases
    ]


def image_network(
    rng, *, shape=(4, 4), hidden=(5,), classes=3, steps=8, low=-1, high=3, name="random", **encoder
):
    """A network with random signs and thresholds in low … high."""
    encoder = LatencyEncoder(shape=shape, silent_below=32, **encoder)
    return _network(rng, (encoder.inputs, *hidden, classes), steps, low, high, name, encoder)


def with_another_sign(network):
    """The same network but for the sign of one weight."""
    first, *others = network.layers
    weight = first.weight.copy()
    weight[0, 0] ^= True
    return Network(
        name=network.name,
        steps=network.steps,
        encoder=network.encoder,
        layers=(Layer(weight=weight, threshold=first.threshold), *others),
        labels=network.labels,
        provenance=network.provenance,
    )


def events_network(
    rng, *, channels=12, hidden=(), classes=3, steps=8, low=-1, high=3, name="events"
):
    """A network that takes events."""
    sizes = (channels, *hidden, classes)
    return _network(rng, sizes, steps, low, high, name, EventsEncoder(channels=channels))


def random_images(rng, network, count):
    return rng.integers(0, 256, (count, *network.encoder.image_shape)).astype(np.uint8)


def random_spikes(rng, network, count, *, least=0, most=40):
    """Of each inference ``least`` to ``most`` spikes; a unit may fire again, also in a step."""
    image = np.repeat(np.arange(count), rng.integers(least, most + 1, count))
    step = rng.integers(0, network.steps, len(image))
    return Spikes(
        count=count,
        image=image,
        step=step[np.lexsort((step, image))],
        unit=rng.integers(0, network.sizes[0], len(image)),
    )


def inferences(spikes):
    """Of each inference its spikes, unit and step."""
    for index in range(spikes.count):
        part = spikes[index : index + 1]
        yield list(zip(part.unit.tolist(), part.step.tolist(), strict=True))


def beats(images, lanes):
    """Pixels that come at once as one number, the first in the lowest bits."""
    rows = images.reshape(-1, lanes).tolist()
    return [sum(pixel << 8 * lane for lane, pixel in enumerate(row)) for row in rows]


def command(module, *arguments, **environment):
    """Runs ``python -m module`` as its user does."""
    return subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def unfinished(monkeypatch):
    """Amaranth does not complain of components that the test could not finish making."""
    monkeypatch.setattr(UnusedElaboratable, "_MustUse__silence", True)
    yield
    gc.collect()


def _network(rng, sizes, steps, low, high, name, encoder):
    layers = tuple(
        Layer(
            weight=rng.random((n_out, n_in)) < 0.5,
            threshold=rng.integers(low, high + 1, n_out).astype(np.int32),
        )
        for n_in, n_out in pairwise(sizes)
    )
    provenance = dict.fromkeys(("rule", "versions", "command"), "") | dict.fromkeys(
        ("seed", "epochs", "validation_accuracy", "test_accuracy"), 0
    )
    return Network(
        name=name,
        steps=steps,
        encoder=encoder,
        layers=layers,
        labels=tuple(map(str, range(sizes[-1]))),
        provenance={"dataset": "digits", **provenance},
    )
