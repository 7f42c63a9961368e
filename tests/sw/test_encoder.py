"""The latency code against values worked by hand."""

import numpy as np
import pytest

from sw.encoder import EventsEncoder, LatencyEncoder, Spikes


@pytest.mark.parametrize(
    ("pixel", "steps", "silent_below", "step"),
    [
        (255, 16, 0, 0),
        (240, 16, 0, 0),
        (239, 16, 0, 1),
        (0, 16, 0, 15),
        (0, 16, 1, 16),
        (15, 16, 16, 16),
        (16, 16, 16, 14),
        (128, 2, 0, 0),
        (127, 2, 0, 1),
        (0, 1, 0, 0),
        (0, 256, 0, 255),
        (255, 256, 256, 256),
    ],
)
def test_formula(pixel, steps, silent_below, step):
    encoder = LatencyEncoder(shape=(1, 1), silent_below=silent_below)
    times = encoder.times(np.array([[[pixel]]], np.uint8), steps)
    assert times.tolist() == [[step]]
    assert times.dtype == np.int16


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("block", "mean"), [((0, 0, 0, 1), 0), ((0, 0, 1, 1), 1), ((255,) * 4, 255), ((9, 9, 9, 8), 9)]
)
def test_pool_rounds_half_up(block, mean):
    encoder = LatencyEncoder(shape=(2, 2), pool=2)
    times = encoder.times(np.array(block, np.uint8).reshape(1, 2, 2), 256)
    assert times.tolist() == [[255 - mean]]


def test_pool_takes_squares_row_by_row():
    image = np.kron(np.array([[10, 20], [30, 40]]), np.ones((4, 4))).astype(np.uint8)
    encoder = LatencyEncoder(shape=(8, 8), pool=4, select=(3, 0))
    assert encoder.times(image[None], 256).tolist() == [[215, 245]]
    assert (encoder.pixels, encoder.pooled, encoder.inputs) == (64, 4, 2)


def test_encode_sorts_by_image_and_step():
    images = np.array([[[0, 255, 128]], [[255, 255, 5]]], np.uint8)
    spikes = LatencyEncoder(shape=(1, 3), silent_below=1).encode(images, 4)
    assert spikes.count == 2
    assert spikes.image.tolist() == [0, 0, 1, 1, 1]
    assert spikes.step.tolist() == [0, 1, 0, 0, 3]
    assert spikes.unit.tolist() == [1, 2, 0, 1, 2]


def test_unsorted_spikes_are_refused():
    with pytest.raises(ValueError, match="sorted by image, then by step"):
        Spikes(count=1, image=np.array([0, 0]), step=np.array([1, 0]), unit=np.array([0, 0]))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"shape": (8,)}, r"Shape must be two or three positive integers, not \(8,\)"),
        ({"shape": (8, 0)}, "Shape must be two or three positive integers"),
        ({"pool": 3}, "Pool must be 1, 2 or 4, not 3"),
        ({"pool": True}, "Pool must be 1, 2 or 4, not True"),
        ({"shape": (8, 6), "pool": 4}, "Shape must be divisible by the pool 4"),
        ({"silent_below": 257}, "Silent_below must be in 0 … 256, not 257"),
        ({"select": (0, 64)}, "Select index must be in 0 … 63, not 64"),
        ({"select": (-1,)}, "Select index must be in 0 … 63, not -1"),
    ],
)
def test_refusals(fields, message):
    with pytest.raises(ValueError, match=message):
        LatencyEncoder(**{"shape": (8, 8)} | fields)


@pytest.mark.parametrize("images", [np.zeros((1, 8, 8)), np.zeros((1, 8, 7), np.uint8)])
def test_wrong_images(images):
    with pytest.raises(ValueError, match=r"Images must be uint8 \[B, 8, 8\], not"):
        LatencyEncoder(shape=(8, 8)).times(images, 4)


def test_each_encoder_refuses_what_the_other_takes():
    spikes = Spikes.from_times(np.zeros((1, 64), int), 4)
    with pytest.raises(ValueError, match=r"^Images must be uint8, not Spikes$"):
        LatencyEncoder(shape=(8, 8)).encode(spikes, 4)
    with pytest.raises(ValueError, match=r"^Events must be Spikes, not ndarray$"):
        EventsEncoder(channels=64).encode(np.zeros((1, 8, 8), np.uint8), 4)


def test_a_run_of_spikes_as_of_images():
    spikes = Spikes.from_times(np.array([[0, 4], [1, 1], [3, 0]]), 4)
    assert len(spikes) == 3
    assert [len(spikes[part]) for part in (slice(1), slice(2, 9), slice(2, 1))] == [1, 1, 0]
    assert spikes[1:].unit.tolist() == [0, 1, 1, 0]
    with pytest.raises(ValueError, match=r"^Images must be a run, not with a stride of 2$"):
        spikes[::2]


@pytest.mark.parametrize("channels", [0, True, 1.5])
def test_events(channels):
    assert EventsEncoder(channels=700).inputs == 700
    with pytest.raises(ValueError, match="Channels must be a positive integer"):
        EventsEncoder(channels=channels)


@pytest.mark.parametrize(("start", "end"), [(0, 5), (0, 2), (2, 5), (1, 1), (3, 4)])
def test_a_part_of_the_images(rng, start, end):
    times = rng.integers(0, 5, (5, 7))
    times[3] = 4  # an image without a spike
    part, alone = (
        Spikes.from_times(times, 4)[start:end],
        Spikes.from_times(times[start:end], 4),
    )
    assert part.count == alone.count == end - start
    for name in ("image", "step", "unit"):
        np.testing.assert_array_equal(getattr(part, name), getattr(alone, name))
