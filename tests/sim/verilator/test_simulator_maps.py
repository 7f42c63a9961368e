"""The exported Verilog of networks with maps, compiled: answers and every hidden spike."""

import numpy as np
import pytest
from cases import VERIFY, mixed_images
from networks import map_network, random_spikes

from hw.rtl.config import Config, find_config
from hw.rtl.tiles import plan, planner
from sim import golden
from sim.cycles.model import cycles, overflows
from sim.verilator.expected import Expected
from sim.verilator.simulator import CoreError, Simulator
from sw.encoder import EventsEncoder, LatencyEncoder, Spikes

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

# name: (shape of the image, encoder, layers, T, lowest and highest threshold, engine)
PIXELS = {
    "one convolution": ((6, 6), {}, "3c3,4", 4, -1, 3, "tiles-4"),
    "pooled, padded, colours": ((3, 8, 9), {"pool": 1}, "6c3p1,f2,5c3p1,f2,7", 8, 0, 5, "tiles-4"),
    "strides": ((12, 11), {"silent_below": 90}, "4c5s2,6c3x2s1x2p1,9,6", 4, -2, 4, "tiles-2"),
    "a series": ((1, 37), {}, "5c1x7s1x2p0x3,f1x2,4c1x3,8", 16, 0, 3, "tiles-8"),
    "poolings behind each other": ((2, 13, 13), {}, "4c3,f2,f1x2,3", 4, 1, 4, "tiles-1"),
    "one step": ((5, 5), {}, "7c2,f3,2", 1, -3, 3, "tiles-16"),
    "nobody fires": ((6, 6), {}, "4c3,f2,4", 4, 99, 120, "tiles-4"),
    "everybody at once": ((6, 6), {}, "4c3,f2,4", 4, -120, -99, "tiles-2"),
    "loaded": ((8, 8), {"pool": 2}, "9c3p1,f2,11,5", 8, 0, 3, "tiles-8-spram"),
    "dense layers only": ((5, 6), {}, "12,7,6", 8, 0, 3, "tiles-4"),
    "more classes than a place has lanes": ((4, 4), {}, "3c2,26", 2, -1, 3, "tiles-1"),
    "lines": ((1, 9, 10), {"silent_below": 99}, "8c3p1,f2,6c3p1,f2,9,7", 1, -1, 3, "lines"),
    "lines, pooled colours": ((3, 8, 12), {"pool": 2}, "6c3p1,f2x3,5", 1, 0, 4, "lines"),
    "lines, strides": ((11, 9), {"silent_below": 128}, "4c5s2p2,6c3s2p1,4", 1, -1, 2, "lines"),
    "lines, dense only": ((5, 6), {"silent_below": 128}, "12,7,6", 1, -3, 3, "lines"),
    "lines, loaded": ((8, 8), {"silent_below": 9}, "5c3p1,f2,6c3,9,5", 1, 0, 3, "lines-loaded"),
}
# The first layer by a table.
PIXELS |= {
    "table": ((8, 9), {}, "9c3p1,f2,5c3p1,f2,7", 4, 0, 4, "tiles-5-table"),
    "table, strides": ((11, 12), {}, "6c2x4s1x3p1.0.2.1,4c3,5", 8, 1, 4, "tiles-4-table-spram"),
    "table, a series": ((1, 31), {}, "5c1x7p0x3,f1x3,4c1x2,9,4", 2, 1, 4, "tiles-8-table"),
    "table, coarse pixels": ((16, 14), {"pool": 2}, "7c3p2,f2,3", 16, -1, 4, "tiles-4-table"),
    "table, pixels behind the last window": ((9, 10), {}, "4c2s3,f2,3", 1, 1, 2, "tiles-4-table"),
}
# The same of the engine that gathers.
GATHERED = {
    "gathered, colours": ((3, 8, 9), {}, "6c3p1,f2,5c3p1,f2,7", 8, 0, 5, "gather-8"),
    "gathered, strides": (
        (12, 11),
        {"silent_below": 90},
        "4c5s2,6c3x2s1x2p1,9,6",
        4,
        -2,
        4,
        "gather-16",
    ),
    "gathered, a series": ((1, 37), {}, "5c1x7s1x2p0x3,f1x2,4c1x3,8", 16, 0, 3, "gather-8"),
    "gathered, poolings": ((2, 13, 13), {"pool": 1}, "20c3,f2,f1x2,3", 4, 1, 4, "gather-16"),
    "gathered, one step": ((5, 5), {}, "7c2,f3,2", 1, -3, 3, "gather-32"),
    "gathered, nobody fires": ((6, 6), {}, "4c3,f2,4", 4, 99, 120, "gather-8"),
    "gathered, everybody at once": ((6, 6), {}, "4c3,f2,4", 4, -120, -99, "gather-32"),
    "gathered, coarse pixels": ((8, 8), {"pool": 2}, "9c3p1,f2,11,5", 8, 0, 3, "gather-8"),
    "gathered, groups": ((9, 7), {}, "19c3p1,20c3,f2,17,9", 4, 1, 5, "gather-8"),
    "gathered, one layer": ((2, 2), {}, "26", 4, -1, 2, "gather-8"),
}
PIXELS |= GATHERED
OFTEN = (
    "table",
    "pooled, padded, colours",
    "strides",
    "a series",
    "loaded",
    "lines",
    "gathered, groups",
)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in OFTEN else deep) for name in PIXELS]
)
def test_every_kind_of_maps(rng, name):
    shape, encoder, layers, steps, low, high, engine = PIXELS[name]
    encoder = LatencyEncoder(shape=shape, **encoder)
    network = map_network(rng, layers, steps, encoder, low, high)
    check(network, mixed_images(rng, network, IMAGES), find_config(engine))


def check(network, inputs, config):
    """Answers and spikes are those of the golden model, cycles those of theirs."""
    simulator = Simulator.build(network, VERIFY, config=config)
    answers = golden.run_inputs(network, inputs)
    answer = Expected.of(answers, simulator.layers)
    for way in WAYS:
        records = simulator.run(inputs, **way)
        assert len(records) == len(inputs), way
        assert not answer.differs(records).any(), way
        if way == {"alone": True}:
            taken = records["valid"].astype(int) - records["accepted"].astype(int)
            np.testing.assert_array_equal(taken, cycles(network, inputs, answers, config))


def test_more_spikes_than_lists_hold_are_a_fault(rng, monkeypatch):
    """Never a wrong class; an image with fewer has one."""
    for module in (plan, planner):
        monkeypatch.setattr(module, "LIST_WORDS", 64)
    network = map_network(rng, "8c2,3", 2, LatencyEncoder(shape=(5, 5), silent_below=1), 1, 1)
    network.layers[0].weight[:] = True
    config = find_config("tiles-1")
    assert config.can_fault(network)
    simulator = Simulator.build(network, VERIFY, config=config)
    images = np.zeros((3, 5, 5), np.uint8)
    answer = Expected.of(golden.run_images(network, images), simulator.layers)
    assert not answer.differs(simulator.run(images)).any()
    images[1] = 255
    with pytest.raises(
        CoreError, match=r"^answer 1 says that its input has more spikes than lists"
    ):
        simulator.run(images)


def test_the_cycle_model_knows_which_inputs_are_too_many(rng, monkeypatch):
    """An image at a time: the RTL says that it had too many spikes, or has the golden answer."""
    for module in (plan, planner):
        monkeypatch.setattr(module, "LIST_WORDS", 100)
    encoder = LatencyEncoder(shape=(7, 7), silent_below=100)
    network = map_network(rng, "6c2,5c2p1,4c3,3", 4, encoder, 1, 1)
    config = find_config("tiles-2")
    simulator = Simulator.build(network, VERIFY, config=config)
    images = rng.integers(0, 256, (48, 7, 7)).astype(np.uint8)
    images[rng.random(images.shape) < np.linspace(0, 0.9, 48)[:, None, None]] = 0
    answers = golden.run_images(network, images)
    too_many = []
    for number in range(len(images)):
        part = slice(number, number + 1)
        try:
            records = simulator.run(images[part])
        except CoreError as error:
            too_many.append("more spikes than lists" in str(error))
        else:
            assert not Expected.of(answers[part], simulator.layers).differs(records).any()
            too_many.append(False)
    assert 5 < sum(too_many) < 43
    np.testing.assert_array_equal(overflows(network, images, answers, config), too_many)


# name: (map of the inputs, layers, T, lowest and highest threshold, engine)
EVENTS = {
    "an event camera": ((2, 7, 9), "5c3s2p1,f2,4", 8, 0, 3, "tiles-4"),
    "a series": ((3, 1, 19), "4c1x5,f1x2,6", 11, -1, 4, "tiles-2"),
    "channels only": ((20, 1, 1), "9,5", 16, 0, 3, "tiles-1"),
    "one unit, one step": ((1, 1, 1), "2c1,3", 1, 0, 2, "tiles-4-spram"),
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if "camera" in name else deep) for name in EVENTS]
)
def test_every_kind_of_maps_for_events(rng, name):
    """Units may fire several times, also in one step; some recordings have no event."""
    shape, layers, steps, low, high, engine = EVENTS[name]
    network = map_network(rng, layers, steps, EventsEncoder(shape=shape), low, high)
    spikes = random_spikes(rng, IMAGES, network.sizes[0], steps, rate=1.5)
    empty = Spikes(
        count=IMAGES + 3,
        image=spikes.image + (spikes.image > 4),
        step=spikes.step,
        unit=spikes.unit,
    )
    check(network, empty, Config(engines=find_config(engine).engines, most_events=300))
