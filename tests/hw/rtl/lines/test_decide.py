"""Deciding by margins that come one after another."""

import numpy as np
import pytest
from exchange import PACES, Simulation, exchange

from hw.rtl.lines.decide import DecideSerially
from sw.network import Layer


def margins(rng, units):
    """Of twelve images; many are equal."""
    return [*rng.integers(-4, 4, (10, units)).tolist(), [-4] * units, list(range(-units, 0))]


@pytest.mark.parametrize("units", [1, 2, 10])
def test_the_largest_margin_then_the_lowest_index(rng, units):
    layer = Layer(weight=np.ones((units, 16), bool), threshold=np.full(units, 9, np.int32))
    dut = DecideSerially(layer=layer)
    images = margins(rng, units)
    items = [
        {"margin": margin, "last": index == units - 1}
        for image in images
        for index, margin in enumerate(image)
    ]
    simulation = Simulation(dut)
    for idle, pause in PACES:
        _, taken = exchange(
            simulation, dut.potentials, dut.result, items, len(images), idle=idle, pause=pause
        )
        for item, image in zip(taken, images, strict=True):
            best = max(image)
            label = image.index(best)
            assert item.value == {"label": label, "step": 0, "margin": best}
