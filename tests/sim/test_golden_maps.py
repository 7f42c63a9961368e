"""The golden model on maps: by hand, and against a twin of plain loops that follows docs/spec.md
word by word.
"""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import map_network, random_spikes
from structures import convolution

from sim import golden
from sw.encoder import EventsEncoder, LatencyEncoder, Spikes
from sw.network import Layer
from sw.structure import Conv, First


def loops(network, events):
    """Times of all layers, label, step and margin of one inference; ``events`` are (step, unit)."""
    steps = network.steps
    channels, height, width = network.encoder.map
    # arrivals[t]: the units that fire in step t, each as often as it does
    arrivals = [[unit for step, unit in events if step == t] for t in range(steps)]
    every_time, final = [], None
    for layer in network.layers:
        kind = layer.kind
        if isinstance(kind, First):
            rows, columns = height // kind.kernel[0], width // kind.kernel[1]
            times = []
            for c in range(channels):
                for y in range(rows):
                    for x in range(columns):
                        window = {
                            c * height * width + iy * width + ix
                            for iy in range(y * kind.kernel[0], (y + 1) * kind.kernel[0])
                            for ix in range(x * kind.kernel[1], (x + 1) * kind.kernel[1])
                        }
                        fired = [t for t in range(steps) if window & set(arrivals[t])]
                        times.append(min(fired, default=steps))
            height, width = rows, columns
        elif isinstance(kind, Conv):
            (kh, kw), (sh, sw), (top, bottom, left, right) = kind.kernel, kind.stride, kind.padding
            rows = (height + top + bottom - kh) // sh + 1
            columns = (width + left + right - kw) // sw + 1
            times = []
            for c in range(kind.channels):
                for y in range(rows):
                    for x in range(columns):
                        potential, fires_at = 0, steps
                        for t in range(steps):
                            for unit in arrivals[t]:
                                i, place = divmod(unit, height * width)
                                iy, ix = divmod(place, width)
                                ky, kx = iy - y * sh + top, ix - x * sw + left
                                if 0 <= ky < kh and 0 <= kx < kw:
                                    bit = layer.weight[c, (i * kh + ky) * kw + kx]
                                    potential += 1 if bit else -1
                            if fires_at == steps and potential >= layer.threshold[c]:
                                fires_at = t
                        times.append(fires_at)
            channels, height, width = kind.channels, rows, columns
        else:
            times, final = [], np.zeros((steps, kind.units), int)
            for j in range(kind.units):
                potential, fires_at = 0, steps
                for t in range(steps):
                    for unit in arrivals[t]:
                        potential += 1 if layer.weight[j, unit] else -1
                    final[t, j] = potential - layer.threshold[j]
                    if fires_at == steps and final[t, j] >= 0:
                        fires_at = t
                times.append(fires_at)
            channels, height, width = kind.units, 1, 1
        every_time.append(times)
        arrivals = [[unit for unit, time in enumerate(times) if time == t] for t in range(steps)]
    outputs = every_time[-1]
    step = min(*outputs, steps - 1) if len(outputs) > 1 else min(outputs[0], steps - 1)
    first = [k for k, time in enumerate(outputs) if time == step] or list(range(len(outputs)))
    label = max(first, key=lambda k: (final[step, k], -k))
    return every_time, label, step, final[step, label]


def compare(network, spikes):
    answer = golden.run(network, spikes)
    for image in range(spikes.count):
        own = spikes.image == image
        events = list(zip(spikes.step[own].tolist(), spikes.unit[own].tolist(), strict=True))
        times, *decision = loops(network, events)
        assert [layer[image].tolist() for layer in answer.times] == times
        assert [int(v[image]) for v in (answer.label, answer.step, answer.margin)] == decision


STRUCTURES = {
    "3c3p1-f2-4c3p1-f2-3": (2, 6, 7),
    "3c3s2p1-2c2-4": (1, 7, 6),
    "2c5s2p2-3-2": (1, 6, 6),
    "f2-3c2-2": (2, 5, 5),  # pooling of inputs that fire more than once
    "4c1x3s1x2p0.0.2.1-f1x2-3": (2, 1, 9),  # one dimension
    "2c3x1s2x1p1.0.0.0-3c2s3-2": (3, 6, 5),  # a stride beyond the kernel
    "f3x1-2": (1, 4, 2),
    "3c1x7s1x2p0x3-f1x2-2c1x3-3": (1, 1, 40),
}


@pytest.mark.smoke
@pytest.mark.parametrize("text", STRUCTURES)
def test_plain_loops(rng, text):
    encoder = EventsEncoder(shape=STRUCTURES[text])
    for steps in (1, 5):
        network = map_network(rng, text, steps, encoder)
        compare(network, random_spikes(rng, 6, encoder.channels, steps, rate=0.7))


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_random_structures(data):
    draw = data.draw
    shape = draw(st.tuples(*(st.integers(1, n) for n in (3, 6, 6))))
    size, entries = shape[1:], []
    for _ in range(draw(st.integers(1, 2))):
        found = convolution(draw, size, channels=3, kernel=3, stride=3)
        if found is None:
            break
        entry, size = found
        entries.append(entry)
    text = "-".join([*entries, "3"])
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    encoder = EventsEncoder(shape=shape)
    network = map_network(rng, text, draw(st.integers(1, 6)), encoder)
    compare(network, random_spikes(rng, 2, encoder.channels, network.steps))


def test_by_hand():
    """One spike at the middle of a 3 × 3 map, an asymmetric kernel: unit (y, x) reads the input
    (y + ky, x + kx), so the kernel appears mirrored around the spike.
    """
    kernel = np.array([[1, 0, 0], [0, 0, 0], [0, 0, 1]], bool)
    network = map_network(np.random.default_rng(0), "1c3p1-1", 2, EventsEncoder(shape=(1, 3, 3)))
    conv = Layer(
        weight=kernel.reshape(1, 9), threshold=np.ones(1, np.int32), kind=network.layers[0].kind
    )
    network = dataclasses.replace(network, layers=(conv, network.layers[1]))
    spikes = Spikes(count=1, image=np.zeros(1, int), step=np.ones(1, int), unit=np.array([4]))
    times = golden.run(network, spikes).times[0].reshape(3, 3)
    # (0, 0) reads the spike through (ky, kx) = (2, 2), (2, 2) through (0, 0): +1, all others −1
    np.testing.assert_array_equal(times, [[1, 2, 2], [2, 2, 2], [2, 2, 1]])


def test_poolings_are_told_apart(rng):
    network = map_network(rng, "3c3p1-f2-2c2-f1x2-3", 2, LatencyEncoder(shape=(8, 8)))
    images = rng.integers(0, 256, (1, 8, 8), np.uint8)
    assert golden.run_images(network, images).pooling == {1, 3}


def test_colour_images(rng):
    """Bytes are (y, x, c), units (c, y, x)."""
    encoder = LatencyEncoder(shape=(3, 4, 6), pool=2, silent_below=40)
    network = map_network(rng, "4c2-f1x2-3", 4, encoder)
    images = rng.integers(0, 256, (5, 4, 6, 3), np.uint8)
    answer = golden.run_images(network, images)
    for image in range(5):
        events = []
        for c in range(3):
            for y in range(2):
                for x in range(3):
                    block = images[image, 2 * y : 2 * y + 2, 2 * x : 2 * x + 2, c]
                    pixel = (int(block.sum(dtype=int)) + 2) // 4
                    if pixel >= 40:
                        events.append(((255 - pixel) * 4 >> 8, c * 6 + y * 3 + x))
        times, *decision = loops(network, events)
        assert [layer[image].tolist() for layer in answer.times] == times
        assert [int(v[image]) for v in (answer.label, answer.step, answer.margin)] == decision


@pytest.mark.parametrize("text", STRUCTURES)
def test_pytorch(rng, text):
    """Another reading of "cross-correlation" and of pooling: PyTorch's."""
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    shape, steps = STRUCTURES[text], 4
    network = map_network(rng, text, steps, EventsEncoder(shape=shape))
    spikes = random_spikes(rng, 5, network.encoder.channels, steps, rate=0.7)
    counts = torch.zeros((steps, 5, *shape), dtype=torch.float64)
    flat = counts.view(steps, 5, -1)
    for image, step, unit in zip(spikes.image, spikes.step, spikes.unit, strict=True):
        flat[step, image, unit] += 1
    read = counts.cumsum(0)  # spikes of each unit until the end of each step
    answer = golden.run(network, spikes)
    for layer, before, times in zip(network.layers, network.maps, answer.times, strict=False):
        weight = torch.from_numpy(np.where(layer.weight, 1.0, -1.0))
        kind = layer.kind
        by_step = []
        for now in read:
            if isinstance(kind, First):
                by_step.append(functional.max_pool2d(now, kind.kernel).clamp(max=1))
            elif isinstance(kind, Conv):
                top, bottom, left, right = kind.padding
                potential = functional.conv2d(
                    functional.pad(now, (left, right, top, bottom)),
                    weight.view(kind.channels, before[0], *kind.kernel),
                    stride=kind.stride,
                )
                by_step.append(potential - torch.from_numpy(layer.threshold).view(-1, 1, 1))
            else:
                by_step.append(now.flatten(1) @ weight.T - torch.from_numpy(layer.threshold))
        margins = torch.stack(by_step)
        # Step of the first margin >= 0 (of pooling: of the first spike), and of all that follow
        fired = (margins > 0 if isinstance(kind, First) else margins >= 0).cummax(0).values
        expected = steps - fired.flatten(2).sum(0)
        np.testing.assert_array_equal(times, expected.numpy())
        read = fired.double()


@pytest.mark.parametrize("potentials", [1, 4 * 4 * 36 * 5])
def test_parts_of_a_batch_agree(rng, monkeypatch, potentials):
    """One image at a time, or five."""
    encoder = LatencyEncoder(shape=(8, 8))
    network = map_network(rng, "4c3p1-f2-3", 4, encoder)
    images = rng.integers(0, 256, (35, 8, 8), np.uint8)
    whole = golden.run_images(network, images)
    monkeypatch.setattr(golden, "_POTENTIALS", potentials)
    parts = golden.run_images(network, images)
    np.testing.assert_array_equal(parts.margin, whole.margin)
    for index in (0, 15, 16, 34):
        one = golden.run_images(network, images[index : index + 1])
        for layer, own in zip(whole.times, one.times, strict=True):
            np.testing.assert_array_equal(layer[index], own[0])
        assert whole.margin[index] == one.margin[0]
    assert golden.run_images(network, images[:0]).label.shape == (0,)
