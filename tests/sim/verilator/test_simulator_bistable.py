"""The exported Verilog of bistable networks, compiled: answers, every value, and the cycles."""

import numpy as np
import pytest
from cases import VERIFY, mixed_images
from networks import bistable_network

from hw.rtl.config import find_config
from sim import answers
from sim.cycles.model import cycles, traffic
from sim.verilator.expected import Expected
from sim.verilator.simulator import Simulator

IMAGES = 24
deep = pytest.mark.deep
WAYS = (
    {"alone": True},
    {},
    {"stalls": 0.3, "seed": 1},
    {"stalls": 0.9, "seed": 2},
    {"reset": 777},
    {"stalls": 0.5, "reset": 2345},
)

# name: (shape of the image, encoder, layers, K, engine)
CASES = {
    "two convolutions": ((8, 8), {}, "5c3p1-m2-9c3p1-m2-7", 3, "bistable-8x1"),
    "colours, the mean": ((3, 7, 9), {}, "6c3p1-a3-11-4", 4, "bistable-8x4"),
    "strides, poolings": ((12, 15), {}, "4c5s2-6c3x2s1x2p1-m2-m1x2-9-6", 2, "bistable-16x8"),
    "a series": ((2, 1, 37), {}, "5c1x7s1x2p0x3-a1x2-4c1x3-8", 8, "bistable-8x1"),
    "shortcuts": ((5, 6), {}, "9c3p1-9c3p1-9c3p1+1x4-9c3p1+3-a5-3", 3, "bistable-8x4"),
    "a shortcut from the input": ((8, 2, 3), {}, "8c3p1+1-m2-5", 1, "bistable-16x1"),
    "pooled pixels, loaded": ((8, 8), {"pool": 2}, "9c3p1-m2-11-5", 5, "bistable-8x4-spram"),
    "selected pixels": ((5, 6), {"select": (1, 2, 3, 8, 13, 21, 27)}, "30-26", 3, "bistable-8x1"),
    "one layer": ((4, 4), {}, "7", 3, "bistable-8x4"),
    "a last tile that speaks less": ((4, 4), {}, "17c1-m2-3", 1, "bistable-16x1"),
    "lanes that are no power of two": ((6, 6), {}, "90c3p1-m2-9", 3, "bistable-80x16"),
    "of these, loaded": ((6, 6), {}, "90c3p1-m2-9", 4, "bistable-80x16-spram"),
    "more lanes than channels": ((6, 6), {}, "3c3-m2-2", 6, "bistable-64x16"),
}
OFTEN = (
    "two convolutions",
    "shortcuts",
    "pooled pixels, loaded",
    "selected pixels",
    "a last tile that speaks less",
)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in OFTEN else deep) for name in CASES]
)
def test_every_kind(rng, name):
    """Answers and values are those of the golden model, cycles those of the cycle model."""
    shape, encoder, layers, steps, engine = CASES[name]
    network = bistable_network(rng, layers, steps, shape, **encoder)
    config = find_config(engine)
    images = mixed_images(rng, network, IMAGES)
    simulator = Simulator.build(network, VERIFY, config=config)
    answer = answers.run_inputs(network, images)
    expected = Expected.of(answer, simulator.layers, network)
    for way in WAYS:
        records = simulator.run(images, **way)
        assert len(records) == len(images), way
        assert not expected.differs(records).any(), way
        if way == {"alone": True}:
            taken = records["valid"].astype(int) - records["accepted"].astype(int)
            np.testing.assert_array_equal(taken, cycles(network, images, answer, config))
            assert 0 < traffic(network, images, answer, config).fraction(taken) <= 1


def test_a_wrong_value_is_noticed(rng):
    network = bistable_network(rng, "5c3-m2-4", 3, (6, 6))
    images = mixed_images(rng, network, 4)
    simulator = Simulator.build(network, VERIFY, config=find_config("bistable-8x4"))
    assert simulator.layers == (0, 1)
    answer = answers.run_inputs(network, images)
    records = simulator.run(images)
    for layer in (0, 1):
        answer.values[layer][2, 7 // (layer + 1)] ^= 1
        expected = Expected.of(answer, simulator.layers)
        assert expected.differs(records).tolist() == [False, False, True, False]
        text = "\n".join(expected[2:3].differences(records[2]))
        assert f"of layer {layer}: expected value" in text
        answer.values[layer][2, 7 // (layer + 1)] ^= 1


def test_units_that_no_window_has_need_not_be_computed(rng):
    """Of a map of 3 × 5 places, a window of 2 × 2 leaves out the last row and column."""
    network = bistable_network(rng, "2c1-m2-4", 2, (3, 5))
    answer = answers.run_inputs(network, mixed_images(rng, network, 1))
    left = Expected.of(answer, (0, 1), network).unneeded.reshape(-1)
    assert left[:30].reshape(2, 3, 5).tolist() == 2 * [[[0] * 4 + [1]] * 2 + [[1] * 5]]
    assert not left[30:].any()
    assert not Expected.of(answer, (0, 1)).unneeded.any()
