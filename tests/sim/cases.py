"""Networks for the tests of ``sim``: one per corner of what a network may be."""

from pathlib import Path

import numpy as np
from networks import random_network

from sw.encoder import LatencyEncoder

__all__ = ["CASES", "VERIFY", "extremes", "make", "mixed_images"]

# Compiled programs are kept between runs of the tests, as the command keeps them.
VERIFY = Path(__file__).parents[2] / "build" / "verify"

# name: (shape, encoder, units of the layers, T, lowest threshold, highest threshold)
CASES = {
    "one unit, one step": ((1, 1), {}, (1,), 1, 0, 0),
    "one layer": ((4, 4), {}, (3,), 4, -1, 3),
    "units in a row": ((1, 2), {}, (1, 1, 2), 2, -1, 1),
    "three hidden layers": ((5, 7), {"silent_below": 20}, (20, 17, 9, 5), 16, -1, 3),
    "pool of two": ((8, 12), {"pool": 2, "silent_below": 64}, (10, 4), 16, 0, 3),
    "pool of four, selected": ((12, 16), {"pool": 4, "select": (0, 3, 4, 10)}, (5, 3), 8, 0, 2),
    "selected to the last": ((6, 6), {"select": (1, 2, 9, 20, 21, 35)}, (7, 4), 64, 0, 3),
    "pooled colours": ((3, 4, 6), {"pool": 2, "silent_below": 40}, (10, 4), 16, 0, 3),
    "selected colours": ((3, 3, 4), {"select": (0, 5, 13, 30, 35)}, (6, 4), 8, 0, 2),
    "most steps": ((6, 6), {}, (13, 6), 256, 0, 4),
    "nobody fires": ((4, 4), {}, (6, 5), 8, 40, 50),
    "everybody at once": ((4, 4), {}, (6, 5), 8, -30, -20),
    "ties": ((6, 6), {"silent_below": 128}, (40, 12), 4, 1, 1),
    "extremes": ((5, 5), {}, (9, 9), 16, None, None),
}


def make(rng, name):
    shape, encoder, units, steps, low, high = CASES[name]
    encoder = LatencyEncoder(shape=shape, **encoder)
    sizes = (encoder.inputs, *units)
    if low is None:
        return extremes(random_network(rng, sizes, steps, -2, 4, encoder=encoder))
    return random_network(rng, sizes, steps, low, high, encoder=encoder)


def extremes(network):
    """The network with the largest and the smallest of thresholds in each layer."""
    limits = np.iinfo(np.int32)
    for layer in network.layers:
        layer.threshold[[0, 3, 5]] = limits.min, limits.max, limits.max - 1
    network.layers[-1].threshold[:2] = limits.max, limits.min + 40
    return network


def mixed_images(rng, network, count):
    """Images uint8 [count, height, width, …]: silent, full, of few levels, and of any."""
    images = rng.integers(0, 256, (count, *network.encoder.image_shape))
    images[count // 2 :] = rng.choice([0, 100, 254, 255], images[count // 2 :].shape)
    for image, value in zip(images, [0, 255, 128], strict=False):
        image[:] = value
    return images.astype(np.uint8)
