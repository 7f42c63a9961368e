"""Batches on the training device."""

import numpy as np
import pytest
import torch

from sw.batches import Augmentation, encode, informative_inputs
from sw.encoder import LatencyEncoder


@pytest.mark.parametrize("steps", [1, 8, 256])
@pytest.mark.parametrize(
    "fields", [{}, {"pool": 2}, {"pool": 4, "silent_below": 30}, {"select": (9, 2), "pool": 2}]
)
def test_encode_equals_the_encoder(rng, fields, steps):
    encoder = LatencyEncoder(shape=(8, 12), **fields)
    images = rng.integers(0, 256, (20, 8, 12)).astype(np.uint8)
    select = None if encoder.select is None else torch.tensor(encoder.select)
    times = encode(torch.from_numpy(images), encoder, select, steps)
    np.testing.assert_array_equal(times, encoder.times(images, steps))
    assert times.dtype == torch.int64


def test_no_augmentation_changes_nothing(rng):
    images = torch.from_numpy(rng.integers(0, 256, (5, 28, 28)).astype(np.uint8))
    same = Augmentation(degrees=0, scale=0, shift=0)(images)
    assert torch.equal(same, images)
    assert same.dtype == torch.uint8


def test_shift_is_in_pixels(rng):
    """A ramp of slope 10 that moves by d pixels changes by 10 d away from its border."""
    torch.manual_seed(0)
    ramp = (10 * torch.arange(20, dtype=torch.uint8)).expand(200, 20, 20)
    moved = Augmentation(degrees=0, scale=0, shift=0.7)(ramp)
    change = (moved.int() - ramp.int())[:, 2:-2, 2:-2]
    assert change.min() == -7
    assert change.max() == 7
    assert torch.equal(change, change[:, :1, :1].expand_as(change))


def test_same_seed_same_images(rng):
    images = torch.from_numpy(rng.integers(0, 256, (5, 28, 28)).astype(np.uint8))
    first, second = (torch.manual_seed(3) and Augmentation()(images) for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.equal(first, images)


def test_informative_inputs_by_hand():
    """Input 0 is constant, 1 says half, 2 says all, 3 is unrelated."""
    labels = np.array([0, 0, 1, 1, 2, 2, 3, 3])
    times = np.array([[4] * 8, labels // 2, labels, [0, 1] * 4]).T
    assert informative_inputs(times, labels, 1) == (2,)
    assert informative_inputs(times, labels, 2) == (1, 2)
    assert informative_inputs(times, labels, 4) == (0, 1, 2, 3)


@pytest.mark.parametrize("count", [0, 5])
def test_informative_inputs_refuses(count):
    with pytest.raises(ValueError, match=r"Inputs must be in 1 … 4, not"):
        informative_inputs(np.zeros((3, 4), int), np.arange(3), count)


def test_elastic_bends_smoothly_by_pixels():
    """A ramp of slope 10 tells by how far each pixel's content moved across."""
    torch.manual_seed(0)
    ramp = (8 * torch.arange(28, dtype=torch.uint8)).expand(300, 28, 28)
    bent = Augmentation(degrees=0, scale=0, shift=0, elastic=0.5)(ramp)
    moved = (bent.float() - ramp.float())[:, 6:-6, 6:-6] / 8
    assert 0.2 < moved.std() < 0.5  # bicubic averages between points, where noise is less
    assert abs(moved.mean()) < 0.05
    neighbours = (moved[:, 1:] - moved[:, :-1]).std()
    assert neighbours < 0.6 * moved.std()


def test_flip_mirrors_half_of_the_images(rng):
    images = torch.from_numpy(rng.integers(0, 256, (200, 8, 8)).astype(np.uint8))
    torch.manual_seed(0)
    out = Augmentation(degrees=0, scale=0, shift=0, flip=True)(images)
    same = (out == images).all(dim=(1, 2))
    mirrored = (out == images.flip(2)).all(dim=(1, 2))
    assert (same ^ mirrored).all()
    assert 60 < same.sum() < 140
