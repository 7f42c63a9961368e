"""Batches on the training device."""

import numpy as np
import pytest
import torch
from networks import random_events

from sw.data.events import Events
from sw.encoder import LatencyEncoder
from sw.learn.batches import (
    Augmentation,
    EventAugmentation,
    EventInputs,
    ImageInputs,
    encode,
    informative_inputs,
)
from sw.learn.inference import counts
from sw.rules.neuron import spiked

CPU = torch.device("cpu")
STILL = {"stretch": 0.0, "shift": 0.0, "pitch": 0.0, "drop": 0.0}


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
    assert times.dtype == torch.int16


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


def test_maps_change_alike(rng):
    images = torch.from_numpy(rng.integers(0, 256, (50, 9, 12)).astype(np.uint8)).repeat(1, 4, 1)
    torch.manual_seed(0)
    changed = Augmentation(shift=2, elastic=0.5, light=0.2, flip=True)(images, 4)
    assert changed.shape == images.shape
    first, *others = changed.unflatten(1, (4, 9)).unbind(1)
    assert not torch.equal(first, images[:, :9])
    for other in others:
        assert torch.equal(other, first)


@pytest.mark.parametrize(("oriented", "places"), [(True, [0, 3, 2, 1]), (False, [0, 1, 2, 3])])
def test_mirrored_orientations_change_places(rng, oriented, places):
    images = torch.from_numpy(rng.integers(0, 256, (200, 12, 8)).astype(np.uint8))
    encoder = LatencyEncoder(shape=(12, 8))
    flip = Augmentation(degrees=0, scale=0, shift=0, flip=True)
    torch.manual_seed(0)
    inputs = ImageInputs(images.numpy(), encoder, 256, CPU, maps=4, oriented=oriented)
    out = inputs.take(torch.arange(200), flip)
    out = (255 - out.to(torch.uint8)).unflatten(1, (4, 3, 8))
    maps = images.unflatten(1, (4, 3))
    same = (out == maps).flatten(1).all(dim=1)
    mirrored = (out == maps[:, places].flip(3)).flatten(1).all(dim=1)
    assert (same ^ mirrored).all()
    assert 60 < same.sum() < 140


def test_light_changes_contrast_and_brightness():
    """A line from 0 to 255 stays one: about 128 its slope changes, and it moves as a whole."""
    torch.manual_seed(0)
    ramp = torch.arange(60, 200, 4, dtype=torch.uint8).expand(400, 1, 35)
    out = Augmentation(degrees=0, scale=0, shift=0, light=0.2)(ramp).double()[:, 0]
    slope = (out[:, -1] - out[:, 0]) / 136
    middle = out[:, 17]  # of 128
    assert 0.79 < slope.min() < 0.82
    assert 1.18 < slope.max() < 1.21
    assert 101 < middle.min() < 107
    assert 149 < middle.max() < 155
    straight = out[:, :1] + slope[:, None] * 4 * torch.arange(35)
    assert (out - straight).abs().max() <= 1.01
    assert abs(torch.corrcoef(torch.stack([slope, middle]))[0, 1]) < 0.15


def test_light_stays_in_range():
    torch.manual_seed(0)
    out = Augmentation(degrees=0, scale=0, shift=0, light=1.0)(
        torch.tensor([[0, 255]], dtype=torch.uint8).expand(300, 1, 2)
    )
    assert out.min() == 0
    assert out.max() == 255


@pytest.mark.smoke
def test_image_inputs(rng):
    encoder = LatencyEncoder(shape=(8, 8), silent_below=9, select=(3, 5, 60))
    images = rng.integers(0, 256, (20, 8, 8)).astype(np.uint8)
    inputs = ImageInputs(images, encoder, 16, CPU)
    index = torch.tensor([7, 0, 7])
    assert len(inputs) == 20
    np.testing.assert_array_equal(inputs.take(index), encoder.times(images[[7, 0, 7]], 16))
    inverted = inputs.take(index, lambda images, *maps: 255 - images)
    np.testing.assert_array_equal(inverted, encoder.times(255 - images[[7, 0, 7]], 16))


@pytest.mark.parametrize("steps", [1, 7, 64, 256])
@pytest.mark.parametrize("window", [1.0, 0.3, 1.4])
def test_event_inputs_equal_the_binning(rng, steps, window):
    events = random_events(rng, 20, 9, most=200, window=window)
    inputs = EventInputs(events, steps, CPU)
    index = rng.permutation(20)[:13]
    taken = inputs.take(torch.from_numpy(index))
    expected = counts(events[index].spikes(steps), 9, steps)
    assert taken.dtype == torch.int16
    assert torch.equal(spiked(taken, steps), expected)
    assert len(inputs) == 20


def test_event_inputs_of_silence():
    nothing = np.zeros(0)
    events = Events.collect([(nothing, nothing)] * 3, channels=4, window=1.0)
    assert not EventInputs(events, 5, CPU).take(torch.tensor([2, 0])).any()


def changed(augment, *, time=0.5, unit=6, channels=16, stride=1, count=400):
    """Times and units of one event after ``augment``, that each of ``count`` recordings has."""
    torch.manual_seed(0)
    shape = (count, 1)
    result = augment(
        torch.full(shape, time),
        torch.full(shape, unit),
        torch.ones(shape, dtype=torch.bool),
        stride,
    )
    return tuple(part[:, 0] for part in result)


def test_stretch_is_a_share_of_the_time():
    time, unit, kept = changed(EventAugmentation(**{**STILL, "stretch": 0.2}))
    assert 0.4 <= time.min() < 0.41
    assert 0.59 < time.max() <= 0.6
    assert (unit == 6).all()
    assert kept.all()


def test_event_shift_is_in_seconds():
    time, _, _ = changed(EventAugmentation(**{**STILL, "shift": 0.1}))
    assert 0.4 <= time.min() < 0.41
    assert 0.59 < time.max() <= 0.6


def test_pitch_keeps_the_kind_of_unit():
    _, unit, _ = changed(EventAugmentation(**{**STILL, "pitch": 2.0}), stride=2)
    assert sorted(set(unit.tolist())) == [2, 4, 6, 8, 10]


def test_drop_is_a_share():
    _, _, kept = changed(EventAugmentation(**{**STILL, "drop": 0.25}))
    assert 0.2 < 1 - kept.float().mean() < 0.3


def test_what_leaves_window_or_units_is_lost(rng):
    events = Events.collect([([0.0, 0.5, 0.9999999], [0, 2, 3])] * 200, channels=4, window=1.0)
    inputs = EventInputs(events, 4, CPU)
    torch.manual_seed(0)
    taken = inputs.take(torch.arange(200), EventAugmentation(**{**STILL, "shift": 0.3})).sum(2)
    # earlier loses the first event, later the last one: one of three, whatever the shift
    assert set(taken.sum(1).tolist()) == {2}
    moved = inputs.take(torch.arange(200), EventAugmentation(**{**STILL, "pitch": 1.0})).sum(1)
    found = {tuple(row.tolist()) for row in moved}
    assert found == {(1, 0, 1, 1), (0, 1, 0, 1), (0, 1, 1, 0)}


def test_no_event_augmentation_changes_nothing(rng):
    inputs = EventInputs(random_events(rng, 9, 5), 8, CPU)
    index = torch.arange(9)
    assert torch.equal(inputs.take(index, EventAugmentation(**STILL)), inputs.take(index))


EDGE = {"degrees": 0, "scale": 0, "shift": 0}


def test_channels_change_as_maps_do(rng):
    """The same draws, the same pixels, in either form."""
    images = torch.from_numpy(rng.integers(0, 256, (40, 27, 12)).astype(np.uint8))
    augment = Augmentation(shift=2, elastic=0.5, light=0.2, flip=True, crop=3, cutout=4)
    torch.manual_seed(0)
    stacked = augment(images, 3)
    torch.manual_seed(0)
    channels = augment(images.unflatten(1, (3, 9)).movedim(1, 3), 3)
    assert channels.shape == (40, 9, 12, 3)
    assert torch.equal(channels.movedim(3, 1).flatten(1, 2), stacked)


def test_crop_moves_by_whole_pixels(rng):
    """Each image is one of the 7 × 7 crops of itself with a border of 3, and all occur."""
    image = torch.from_numpy(rng.integers(1, 256, (12, 10, 3)).astype(np.uint8))
    torch.manual_seed(0)
    out = Augmentation(**EDGE, crop=3)(image.expand(1500, -1, -1, -1))
    wide = torch.nn.functional.pad(image.movedim(2, 0), (3, 3, 3, 3)).movedim(0, 2)
    crops = {wide[y : y + 12, x : x + 10].numpy().tobytes() for y in range(7) for x in range(7)}
    assert {each.numpy().tobytes() for each in out} == crops


def test_cutout_hides_a_square(rng):
    image = torch.full((300, 8, 9), 200, dtype=torch.uint8)
    torch.manual_seed(0)
    hidden = Augmentation(**EDGE, cutout=4)(image) == 0
    squares = set()
    for y in range(8):
        for x in range(9):
            square = np.zeros((8, 9), bool)
            square[max(y - 2, 0) : y + 2, max(x - 2, 0) : x + 2] = True
            squares.add(square.tobytes())
    found = {each.numpy().tobytes() for each in hidden}
    assert found <= squares
    assert len(found) > 60


@pytest.mark.parametrize("channels", [False, True])
def test_off_channels_are_what_is_left(rng, channels):
    """Of what an image has become, its border and its light included."""
    images = rng.integers(0, 256, (40, 18, 10)).astype(np.uint8)  # two maps
    images = np.concatenate([images, 255 - images], axis=1)
    shape = (36, 10)
    if channels:
        images, shape = np.moveaxis(images.reshape(40, 4, 9, 10), 1, 3).copy(), (4, 9, 10)
    inputs = ImageInputs(images, LatencyEncoder(shape=shape), 256, CPU, maps=4, off_channel=True)
    index = torch.arange(40)
    changed = inputs.images(index, Augmentation(light=0.3, crop=3, cutout=3))
    on, off = changed.chunk(2, -1 if channels else 1)
    assert torch.equal(off, 255 - on)
    assert not torch.equal(changed, inputs.images(index))
    assert torch.equal(inputs.images(index), torch.from_numpy(images))


def test_a_single_row_stays_in_its_row(rng):
    """A series of four channels: it moves in time, and none of it goes elsewhere."""
    torch.manual_seed(0)
    images = torch.full((50, 1, 30, 4), 200, dtype=torch.uint8)
    augment = Augmentation(degrees=90, scale=0.0, shift=2.0, elastic=1.0, crop=2)
    changed = augment(images)
    assert (changed[:, :, 10:20] == 200).all()
    assert (changed[:, 0, :3] < 200).any()


def test_events_on_a_map_stay_in_their_rows():
    """Of two rows of five: what moves beyond its row is lost, not in the next one."""
    events = Events.collect(
        [(np.full(10, 0.5), np.arange(10))] * 200, channels=10, window=1.0, shape=(1, 2, 5)
    )
    inputs = EventInputs(events, 1, CPU)
    torch.manual_seed(0)
    augment = EventAugmentation(**{**STILL, "pitch": 2.0})
    taken = inputs.take(torch.arange(200), augment).view(200, 2, 5)
    rows = {tuple(row) for image in taken.tolist() for row in image}
    assert rows == {(1, 1, 1, 0, 0), (1, 1, 1, 1, 0), (1,) * 5, (0, 1, 1, 1, 1), (0, 0, 1, 1, 1)}
