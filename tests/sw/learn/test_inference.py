"""The trainer's integer mode equals the golden model, bit for bit."""

import numpy as np
import pytest
import torch
from networks import image_network, map_network, random_network, random_spikes

from sim import golden
from sw.cli import UserError
from sw.data.registry import load_dataset_for
from sw.encoder import EventsEncoder, LatencyEncoder, Spikes
from sw.learn import inference
from sw.network import find, zoo_names


def same(mine, theirs):
    assert len(mine.times) == len(theirs.times)
    for own, other in zip(mine.times, theirs.times, strict=True):
        np.testing.assert_array_equal(own, other)
    for field in ("label", "step", "margin"):
        np.testing.assert_array_equal(getattr(mine, field), getattr(theirs, field))
    assert (mine.steps, mine.pooling) == (theirs.steps, theirs.pooling)


@pytest.mark.parametrize("steps", [1, 2, 7, 16, 100, 256])
@pytest.mark.parametrize("sizes", [(5, 3), (20, 9, 4), (33, 17, 8, 10), (12, 8, 8, 8, 2)])
def test_equals_golden(rng, sizes, steps):
    network = random_network(rng, sizes, steps)
    spikes = random_spikes(rng, 25, sizes[0], steps)
    same(inference.run(network, spikes), golden.run(network, spikes))


MAPS = {
    "4c3p1-f2-6c3-5": (1, 8, 8),
    "3c5s2-4c2s1x3p0.1.2.0-f2x1-7-4": (2, 11, 9),
    "f2-4c3-f3-2": (3, 14, 14),
    "4c1x3p0x1-f1x2-4c1x5-f1x3-3": (1, 1, 30),
    "3": (2, 3, 3),
}


@pytest.mark.parametrize("text", MAPS)
def test_maps_equal_golden(rng, text):
    """Also where a unit of the inputs fires several times, and where rests are dropped."""
    encoder = EventsEncoder(shape=MAPS[text])
    for steps in (1, 4, 9):
        network = map_network(rng, text, steps, encoder)
        spikes = random_spikes(rng, 13, encoder.channels, steps)
        same(inference.run(network, spikes), golden.run(network, spikes))


def test_maps_of_images_in_chunks(rng, monkeypatch):
    monkeypatch.setattr(inference, "_CHUNK", 4 * 16 * 64 * 7)  # seven images at a time
    encoder = LatencyEncoder(shape=(3, 16, 16), pool=2, silent_below=30)
    network = map_network(rng, "16c3p1-f2-8c3-10", 4, encoder, low=1, high=6)
    images = rng.integers(0, 256, (30, 16, 16, 3)).astype(np.uint8)
    same(inference.run_images(network, images), golden.run_images(network, images))


def test_a_convolution_that_is_computed_by_a_transform_is_exact(rng, monkeypatch):
    """cuDNN may take one whose results are off by a little."""
    network = map_network(rng, "4c3p1-f2-6c3-5", 4, EventsEncoder(shape=(1, 8, 8)))
    exact = inference.convolved
    monkeypatch.setattr(inference, "convolved", lambda *a, **k: exact(*a, **k) - 0.01)
    spikes = random_spikes(rng, 13, 64, 4)
    same(inference.run(network, spikes), golden.run(network, spikes))


CASES = {
    "fires without input": (-3, 0),
    "nobody fires": (50, 60),
    "ties": (1, 1),
    "thresholds beyond float32": (2**31 - 9, 2**31 - 1),
    "thresholds below float32": (-(2**31), -(2**31) + 9),
}


@pytest.mark.parametrize(("low", "high"), CASES.values(), ids=CASES)
def test_equals_golden_at_the_edges(rng, low, high):
    network = random_network(rng, (12, 6, 5), 8, low=low, high=high)
    spikes = random_spikes(rng, 30, 12, 8)
    same(inference.run(network, spikes), golden.run(network, spikes))


@pytest.mark.smoke
def test_silent_input(rng):
    network = random_network(rng, (6, 4, 3), 4)
    nothing = np.zeros(0, int)
    spikes = Spikes(count=2, image=nothing, step=nothing, unit=nothing)
    same(inference.run(network, spikes), golden.run(network, spikes))


@pytest.mark.parametrize("encoder", [{}, {"pool": 2}, {"silent_below": 40, "select": (3, 60, 9)}])
def test_images_in_chunks(rng, monkeypatch, encoder):
    monkeypatch.setattr(inference, "_CHUNK", 16 * 64 * 7)  # seven images at a time
    network = image_network(rng, **encoder)
    images = rng.integers(0, 256, (30, 8, 8)).astype(np.uint8)
    same(inference.run_images(network, images), golden.run_images(network, images))
    spikes = network.encoder.encode(images, network.steps)
    same(inference.run(network, spikes), golden.run(network, spikes))


QUICK = ("digits", "mnist")  # their data sets are loaded in no time


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name.startswith(QUICK) else pytest.mark.deep)
        for name in zoo_names(codings=("first-spike",))
    ],
)
def test_zoo(name, request):
    network = find(name)
    request.getfixturevalue(network.provenance["dataset"])
    inputs = load_dataset_for(network).test_part(network.steps, 300)  # with OFF channels or without
    same(inference.run_inputs(network, inputs), golden.run_inputs(network, inputs))


@pytest.mark.parametrize("most", [2047, 2048, 4095, 100_000])
def test_many_spikes_of_a_unit(rng, most):
    """4,095 is what the hardware takes. Whether they count to the last one, thresholds tell."""
    network = random_network(rng, (3, 40, 2), 2, low=most - 20, high=most + 20)
    repeated = np.repeat([0, 0, 1], most)
    step, unit = np.repeat([0, 1], [most, 2 * most]), np.repeat([0, 1, 2], most)
    spikes = Spikes(count=1, image=0 * repeated, step=step, unit=unit)
    same(inference.run(network, spikes), golden.run(network, spikes))


def test_counts_are_multiplied_in_parts_that_tf32_holds():
    """TF32 has 11 bits: a factor is equal to itself without the 13 lowest bits of its float32."""
    factors = []

    class Recorded(torch.Tensor):
        @classmethod
        def __torch_function__(cls, function, types, args=(), kwargs=None):
            if function in (torch.Tensor.matmul, torch.Tensor.__matmul__):
                factors.append(args[0].as_subclass(torch.Tensor))
            return super().__torch_function__(function, types, args, kwargs or {})

    fired = torch.tensor([[[2047.0, 2049.0, 4095.0, 999_999.0]]])
    sign = torch.tensor([[1.0, -1.0, 1.0, 1.0]])
    found = inference._potentials(fired.as_subclass(Recorded), sign)
    assert found.item() == 2047 - 2049 + 4095 + 999_999
    for factor in factors:
        assert not (factor.view(torch.int32) & 0x1FFF).any()
    assert len(factors) == 2


def test_refuses_what_it_cannot_count_exactly(rng):
    network = random_network(rng, (2, 1), 1)
    most = torch.tensor([[[2.0**23, 2.0**23 - 1]]])
    assert inference._run(network, most).label.tolist() == [0]
    message = r"^Input spikes must be at most 16,777,215 per example, not 16,777,216$"
    with pytest.raises(UserError, match=message):
        inference._run(network, most + torch.tensor([0.0, 1.0]))


def test_refuses_images_for_an_events_network(rng):
    with pytest.raises(ValueError, match="Network must take images"):
        inference.run_images(random_network(rng, (64, 2), 4), np.zeros((1, 8, 8), np.uint8))
