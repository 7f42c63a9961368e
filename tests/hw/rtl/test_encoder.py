"""Mean pool and latency encoder, held against sw.encoder."""

import numpy as np
import pytest
from exchange import PACES, exchange
from samples import beats, unfinished  # noqa: F401

from hw.rtl.encoder import LatencyEncoder, MeanPool
from sw import encoder


def images_of(rng, shape, count=3):
    images = rng.integers(0, 256, (count, *shape)).astype(np.uint8)
    images[1] = 255
    return images


@pytest.mark.parametrize(("idle", "pause"), PACES)
def test_pool_averages(rng, idle, pause):
    for shape, pool, channels in (
        ((4, 6), 2, 1),
        ((2, 2), 2, 1),
        ((8, 4), 4, 1),
        ((4, 12), 4, 1),
        ((4, 6), 2, 3),
        ((2, 2), 2, 2),
        ((8, 4), 4, 5),
    ):
        images = images_of(rng, (*shape, channels))
        dut = MeanPool(shape=shape, pool=pool, channels=channels)
        squares = images.reshape(3, shape[0] // pool, pool, shape[1] // pool, pool, channels)
        mean = (squares.sum(axis=(2, 4), dtype=int) + pool**2 // 2) // pool**2
        pixels = images.reshape(-1).tolist()
        _, taken = exchange(
            dut, dut.pixels, dut.pooled, pixels, mean.size, idle=idle, pause=pause, seed=shape[1]
        )
        assert [item.value for item in taken] == mean.reshape(-1).tolist()


def test_pool_takes_a_pixel_a_cycle_and_answers_in_the_next(rng):
    pixels = images_of(rng, (4, 8)).reshape(-1).tolist()
    dut = MeanPool(shape=(4, 8), pool=2)
    accepted, taken = exchange(dut, dut.pixels, dut.pooled, pixels, len(pixels) // 4)
    assert accepted == list(range(len(pixels)))
    # The last pixels of the squares of the first two lines are pixels 9, 11, 13, 15.
    assert [item.cycle for item in taken][:4] == [10, 12, 14, 16]


ENCODERS = {
    "one pixel": (encoder.LatencyEncoder(shape=(1, 1)), 1),
    "all pixels": (encoder.LatencyEncoder(shape=(3, 5)), 16),
    "silent ones": (encoder.LatencyEncoder(shape=(4, 4), silent_below=100), 8),
    "all silent": (encoder.LatencyEncoder(shape=(2, 2), silent_below=256), 2),
    "pooled": (encoder.LatencyEncoder(shape=(8, 4), pool=2, silent_below=128), 256),
    "selected": (encoder.LatencyEncoder(shape=(3, 4), select=(1, 2, 7)), 64),
    "the last selected": (encoder.LatencyEncoder(shape=(3, 4), select=(0, 11)), 4),
    "pooled by four, selected": (
        encoder.LatencyEncoder(shape=(8, 12), pool=4, select=(0, 2, 4), silent_below=90),
        32,
    ),
    "three channels": (encoder.LatencyEncoder(shape=(3, 2, 5), silent_below=60), 16),
    "one of a colour image": (encoder.LatencyEncoder(shape=(1, 3, 2)), 4),
    "two channels, pooled": (encoder.LatencyEncoder(shape=(2, 4, 6), pool=2), 8),
    "a channel without a selected unit": (
        encoder.LatencyEncoder(shape=(3, 2, 3), select=(0, 4, 14, 15)),
        8,
    ),
    "only the first channel": (encoder.LatencyEncoder(shape=(3, 2, 3), select=(2, 5)), 8),
}


def arrivals_of(model, images, steps):
    """The spikes of each image: unit and step."""
    return [
        [(unit, time) for unit, time in enumerate(times) if time < steps]
        for times in model.times(images, steps).tolist()
    ]


def split(taken):
    """The same of what came, image by image."""
    result = [[]]
    for value in (item.value for item in taken):
        spikes = zip(value["unit"], value["step"], strict=True)
        result[-1] += [pair for k, pair in enumerate(spikes) if value["spike"] >> k & 1]
        if value["last"]:
            result[-1].sort()  # units are numbered channel by channel
            result.append([])
    assert result.pop() == []
    return result


def count_of(model, images, lanes):
    """Arrivals: those with a selected pixel, and in any case the last of an image."""
    order = np.arange(model.pooled).reshape(model.channels, -1).T.reshape(-1).tolist()
    kept = [k for k, index in enumerate(order) if model.select is None or index in model.select]
    return len(images) * len({*(k // lanes for k in kept), model.pooled // lanes - 1})


@pytest.mark.parametrize(("idle", "pause"), PACES)
@pytest.mark.parametrize("name", ENCODERS)
def test_encodes(rng, name, idle, pause):
    model, steps = ENCODERS[name]
    images = images_of(rng, model.image_shape)
    for lanes in (1, 2, 4):
        if model.pixels % lanes or (lanes > 1 and (model.pool > 1 or model.channels > 1)):
            continue
        dut = LatencyEncoder(encoder=model, steps=steps, lanes=lanes)
        count = count_of(model, images, lanes)
        pixels = beats(images, lanes)
        _, taken = exchange(
            dut, dut.pixels, dut.arrivals, pixels, count, idle=idle, pause=pause, seed=steps
        )
        assert split(taken) == arrivals_of(model, images, steps)


@pytest.mark.smoke
@pytest.mark.parametrize(("pool", "latency"), [(1, 1), (2, 2)])
def test_takes_a_pixel_a_cycle(rng, pool, latency):
    model = encoder.LatencyEncoder(shape=(4, 4), pool=pool)
    pixels = images_of(rng, (4, 4)).reshape(-1).tolist()
    dut = LatencyEncoder(encoder=model, steps=16)
    accepted, taken = exchange(dut, dut.pixels, dut.arrivals, pixels, 3 * model.pooled)
    assert accepted == list(range(len(pixels)))
    assert dut.latency == latency
    assert taken[-1].cycle == accepted[-1] + latency


REFUSED = {
    r"^Pool must be 2 or 4, not 1$": lambda: MeanPool(shape=(4, 4), pool=1),
    r"^Pool must be 2 or 4, not 3$": lambda: MeanPool(shape=(3, 3), pool=3),
    r"^Shape must be divisible by the pool 4, not \(4, 6\)$": lambda: MeanPool(
        shape=(4, 6), pool=4
    ),
    r"^Pixel lanes must divide the pixels and exclude a pool and colours, not 2$": (
        lambda: LatencyEncoder(encoder=encoder.LatencyEncoder(shape=(3, 3)), steps=4, lanes=2)
    ),
    r"^Pixel lanes must divide the pixels and exclude a pool and colours, not 4$": (
        lambda: LatencyEncoder(
            encoder=encoder.LatencyEncoder(shape=(4, 4), pool=2), steps=4, lanes=4
        )
    ),
    r"^Pixel lanes must .* exclude a pool and colours, not 2$": (
        lambda: LatencyEncoder(encoder=encoder.LatencyEncoder(shape=(2, 2, 2)), steps=4, lanes=2)
    ),
    r"^Steps must be a power of two where pixels are encoded, not 3$": lambda: LatencyEncoder(
        encoder=encoder.LatencyEncoder(shape=(2, 2)), steps=3
    ),
    r"^Steps must be in 1 … 256, not 512$": lambda: LatencyEncoder(
        encoder=encoder.LatencyEncoder(shape=(2, 2)), steps=512
    ),
    r"^Select must be strictly increasing$": lambda: LatencyEncoder(
        encoder=encoder.LatencyEncoder(shape=(2, 2), select=(2, 2)), steps=4
    ),
}


@pytest.mark.usefixtures("unfinished")
@pytest.mark.parametrize(("message", "make"), REFUSED.items(), ids=REFUSED)
def test_refuses(message, make):
    with pytest.raises(ValueError, match=message):
        make()
