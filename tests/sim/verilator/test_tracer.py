"""What the probes report from inside the core, against a plain reading of the rules."""

import numpy as np
import pytest
from cases import VERIFY, make, mixed_images
from networks import map_network, random_network, random_spikes

from hw.rtl.config import Config, find_config
from hw.rtl.engines.event_driven import EventDriven
from hw.rtl.engines.folded import Folded
from hw.rtl.engines.popcount import Popcount
from sim import golden
from sim.cycles.model import cycles
from sim.verilator.simulator import CoreError
from sim.verilator.tracer import Tracer
from sw.encoder import LatencyEncoder


def check(network, inputs, config=Config()):  # noqa: B008 — frozen
    """Every input's trace: the answer, all spikes and margins to the decision, and the latency."""
    answer = golden.run_inputs(network, inputs)
    latency = cycles(network, inputs, answer, config)
    spikes = network.encoder.encode(inputs, network.steps)
    tracer = Tracer.build(network, VERIFY, config)
    for index in range(len(inputs)):
        trace = tracer.run(inputs[index : index + 1])
        decision = int(answer.step[index])
        assert trace.label == answer.label[index]
        assert trace.step == decision
        assert trace.margin == answer.margin[index]
        assert trace.cycles == latency[index]
        own = spikes[index : index + 1]
        expected = [list(zip(own.step.tolist(), own.unit.tolist(), strict=True))]
        for times in answer.times[:-1]:
            expected.append([(int(step), unit) for unit, step in enumerate(times[index])])
        for seen, right in zip(trace.spikes, expected, strict=True):
            computed = sorted((step, unit) for _, unit, step in seen if step <= decision)
            assert computed == sorted(pair for pair in right if pair[0] <= decision)
            assert (np.diff(seen[:, 0]) >= 0).all()
            assert (np.diff(seen[:, 2]) >= 0).all()
        check_margins(network, trace, expected[-1])
    return trace


def check_margins(network, trace, before):
    """The margins of each visited step, summed spike by spike."""
    layer = network.layers[-1]
    assert trace.margins[-1, 1] == trace.step
    for cycle, step, *margins in trace.margins.tolist():
        assert cycle < trace.cycles
        for unit, margin in enumerate(margins):
            total = -int(layer.threshold[unit])
            for fired, source in before:
                if fired <= step:
                    total += 1 if layer.weight[unit, source] else -1
            assert margin == total


@pytest.mark.parametrize("name", ["one layer", "extremes", "ties"])
def test_the_whole_inference(rng, name):
    network = make(rng, name)
    trace = check(network, mixed_images(rng, network, 6))
    assert trace.first_cycle == 1 - network.encoder.pixels


ENGINES = {
    "three hidden layers": (
        EventDriven(banks=4),
        Popcount(),
        Folded(lanes=2),
        EventDriven(),
    ),
    "ties": (Folded(lanes=16, loaded=True), EventDriven()),
}


@pytest.mark.parametrize("name", ENGINES)
def test_every_engine(rng, name):
    network = make(rng, name)
    check(network, mixed_images(rng, network, 6), Config(engines=ENGINES[name]))


def test_margins_that_come_one_by_one(rng):
    """Of an engine that makes the whole network; of its spikes, those of hidden layers are seen."""
    network = map_network(rng, "5c2,4,3", 4, LatencyEncoder(shape=(4, 5)), 0, 4)
    images, config = mixed_images(rng, network, 5), find_config("gather-8")
    answer = golden.run_images(network, images)
    latency = cycles(network, images, answer, config)
    tracer = Tracer.build(network, VERIFY, config)
    for index in range(len(images)):
        trace, step = tracer.run(images[index : index + 1]), answer.step[index]
        assert (trace.label, trace.step) == (answer.label[index], step)
        assert (trace.margin, trace.cycles) == (answer.margin[index], latency[index])
        for times, seen in zip(answer.times[:-1], trace.spikes[1:], strict=True):
            expected = [(int(time), unit) for unit, time in enumerate(times[index]) if time <= step]
            assert sorted((when, unit) for _, unit, when in seen.tolist()) == sorted(expected)
        check_margins(network, trace, expected)


def test_events(rng):
    network = random_network(rng, (20, 17, 5), 16, -1, 3)
    trace = check(network, random_spikes(rng, 6, 20, 16, rate=1.5))
    assert trace.first_cycle == 0


def test_an_invalid_input_is_reported(rng):
    network = random_network(rng, (6, 4), 8, 90, 99)
    tracer = Tracer.build(network, VERIFY, Config(most_events=5))
    with pytest.raises(CoreError, match=r"^the answer says that its input is broken$"):
        tracer.run(random_spikes(rng, 1, 6, 8, rate=3))
