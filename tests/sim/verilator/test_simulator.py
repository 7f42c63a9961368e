"""The exported Verilog, compiled: answers, hidden spikes and cycles of every kind of network."""

from dataclasses import replace

import numpy as np
import pytest
from cases import CASES, VERIFY, make, mixed_images
from networks import random_network, random_spikes

from hw.flow.verilog import to_verilog
from hw.rtl.config import Config, find_config
from hw.rtl.engines.event_driven import EventDriven
from hw.rtl.engines.folded import Folded
from hw.rtl.engines.popcount import Popcount
from sim import golden
from sim.cycles.model import cycles
from sim.verilator.expected import Expected
from sim.verilator.simulator import CoreError, Simulator
from sw.encoder import Spikes

IMAGES = 60
deep = pytest.mark.deep
WAYS = (
    {"alone": True},
    {},
    {"stalls": 0.2, "seed": 1},
    {"stalls": 0.9, "seed": 2},
    *({"stalls": stalls, "reset": reset} for stalls in (0, 0.5) for reset in (1, 77, 1234)),
)


@pytest.mark.parametrize("name", CASES)
def test_every_kind_of_network(rng, name):
    network = make(rng, name)
    images = mixed_images(rng, network, IMAGES)
    answer = golden.run_images(network, images)
    simulator = Simulator.build(network, VERIFY)
    assert simulator.hidden == sum(network.sizes[1:-1])
    runs = [simulator.run(images, **way) for way in WAYS]
    for way, records in zip(WAYS, runs, strict=True):
        assert len(records) == IMAGES, way
        assert not Expected.of(answer).differs(records).any(), way

    alone, stream = (records["accepted"].astype(int) for records in runs[:2])
    expected = cycles(network, images, answer)
    np.testing.assert_array_equal(runs[0]["valid"].astype(int) - alone, expected)
    # Back to back, the pixel input is the bottleneck unless computing takes longer, which then has
    # to wait with step 0 until the image before is answered.
    pixels = network.encoder.pixels
    assert (np.diff(stream) >= pixels).all()
    longest = expected + (network.encoder.times(images, network.steps) == 0).sum(axis=1) + 2
    if longest.max() < pixels:
        assert (np.diff(stream) == pixels).all()


CONFIGS = {
    "two banks": find_config("event-2"),
    "banks of each layer": find_config("event-4,event,event-2"),
    "four pixels": Config(engines=(EventDriven(banks=4), EventDriven()), pixels=4),
    "popcount": find_config("popcount"),
    "popcount of words": Config(engines=(EventDriven(banks=2), Popcount(flags=3), Popcount())),
}
# Each config with one network of its own kind; all pairs are deep.
OFTEN = {
    ("three hidden layers", "banks of each layer"),
    ("three hidden layers", "popcount of words"),
    ("ties", "four pixels"),
    ("extremes", "popcount"),
    ("selected to the last", "two banks"),
}
PAIRS = [
    pytest.param(name, config, marks=() if (name, config) in OFTEN else deep)
    for name in ("three hidden layers", "ties", "extremes", "selected to the last")
    for config in CONFIGS
]


@pytest.mark.parametrize(("name", "config"), PAIRS)
def test_every_config(rng, name, config):
    network, config = make(rng, name), CONFIGS[config]
    if network.encoder.pixels % config.pixels:
        config = replace(config, pixels=1)
    if len(config.engines) > len(network.layers):
        config = replace(config, engines=config.engines[: len(network.layers)])
    check(rng, network, config)


def check(rng, network, config):
    """Answers, spikes and cycles are those of the models."""
    images = mixed_images(rng, network, IMAGES)
    answer = golden.run_images(network, images)
    simulator = Simulator.build(network, VERIFY, config=config)
    for way in WAYS:
        assert not Expected.of(answer).differs(simulator.run(images, **way)).any(), way
    records = simulator.run(images, alone=True)
    taken = records["valid"].astype(int) - records["accepted"].astype(int)
    np.testing.assert_array_equal(taken, cycles(network, images, answer, config))


# name of the network: its engines; the last chunk of units is full or ragged
FOLDED = {
    "three hidden layers": (Folded(lanes=3), Folded(lanes=8), Popcount(), EventDriven()),
    "ties": (Folded(lanes=16, loaded=True), EventDriven(banks=1)),
    "pool of two": (Folded(lanes=3), EventDriven()),
    "pool of four, selected": (Folded(lanes=2), EventDriven()),
    "selected to the last": (Folded(lanes=1), EventDriven()),
    "most steps": (Folded(lanes=6), EventDriven()),
    "nobody fires": (Folded(lanes=2), Popcount()),
    "everybody at once": (Folded(lanes=2), EventDriven()),
    "extremes": (Folded(lanes=4), EventDriven()),
}


SELDOM = ("most steps", "pool of two", "nobody fires", "everybody at once")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=deep if name in SELDOM else ()) for name in FOLDED]
)
def test_folded_layers(rng, name):
    check(rng, make(rng, name), Config(engines=FOLDED[name]))


@deep
def test_a_folded_layer_behind_another(rng):
    network = make(rng, "three hidden layers")
    check(
        rng,
        network,
        Config(engines=(EventDriven(banks=2), Folded(lanes=5), Folded(lanes=2), EventDriven())),
    )


# name: (units of the layers, T, lowest threshold, highest threshold)
EVENTS = {
    "one unit, one step": ((1, 1), 1, 0, 2),
    "one layer": ((12, 5), 7, -1, 6),
    "steps that are no power of two": ((9, 6, 4), 11, -1, 3),
    "three hidden layers": ((20, 17, 9, 6, 5), 16, -1, 3),
    "nobody fires": ((10, 6, 5), 8, 80, 90),
    "most steps": ((14, 10, 6), 256, 0, 8),
}


@pytest.mark.parametrize("name", EVENTS)
@pytest.mark.parametrize("engine", ["event", pytest.param("event,event-2", marks=deep)])
def test_every_kind_of_network_for_events(rng, name, engine):
    """Spikes in which units may fire several times, also in one step; some inputs have none."""
    sizes, steps, low, high = EVENTS[name]
    config = Config(engines=find_config(engine).engines[: len(sizes) - 1], most_events=200)
    network = random_network(rng, sizes, steps, low, high)
    if min(sizes[1:-1], default=2) < 2:
        config = Config()
    spikes = random_spikes(rng, IMAGES, sizes[0], steps, rate=1.5)
    dense = random_spikes(rng, 3, sizes[0], steps, rate=6)
    spikes = Spikes(
        count=IMAGES + 5,
        image=np.concatenate([spikes.image, dense.image + IMAGES + 1]),
        step=np.concatenate([spikes.step, dense.step]),
        unit=np.concatenate([spikes.unit, dense.unit]),
    )
    answer = golden.run(network, spikes)
    simulator = Simulator.build(network, VERIFY, config=config)
    for way in WAYS:
        records = simulator.run(spikes, **way)
        assert len(records) == spikes.count, way
        assert not Expected.of(answer).differs(records).any(), way
    records = simulator.run(spikes, alone=True)
    taken = records["valid"].astype(int) - records["accepted"].astype(int)
    np.testing.assert_array_equal(taken, cycles(network, spikes, answer, config))


def test_too_many_events_are_reported(rng):
    network = random_network(rng, (6, 4), 8, 90, 99)
    spikes = random_spikes(rng, 8, 6, 8, rate=3)
    simulator = Simulator.build(network, VERIFY, config=Config(most_events=5))
    with pytest.raises(CoreError, match=r"^answer \d says that its input is broken, in cycle \d+$"):
        simulator.run(spikes)


def test_the_seed_decides_the_pauses(rng):
    network = make(rng, "one layer")
    images = mixed_images(rng, network, 20)
    simulator = Simulator.build(network, VERIFY)
    first, second, third = (
        simulator.run(images, stalls=0.5, seed=seed)["accepted"] for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first, second)
    assert (first != third).any()
    assert len(simulator.run(images[:0])) == 0


# Of the core's connections in the top module: what to put instead, and what is noticed.
BROKEN = {
    "never answers": (".result__valid(result_valid)", ".result__valid()", "no answer 0 after"),
    "answers early": (".result__ready(result_ready)", ".result__ready(1'h1)", "changed before"),
    "loses pixels": (".pixels__valid(pixel_valid)", ".pixels__valid(1'h0)", "no answer 0 after"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_core_that_breaks_the_rules_is_caught(rng, name):
    network = make(rng, "one layer")
    images = mixed_images(rng, network, 200)
    right, wrong, message = BROKEN[name]
    verilog = to_verilog(network)
    assert verilog.count(right) == 1
    broken = verilog.replace(right, wrong)
    simulator = Simulator.build(network, VERIFY, sources={"core.v": broken})
    with pytest.raises(CoreError, match=message):
        simulator.run(images, stalls=0.9)
