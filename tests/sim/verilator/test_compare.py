"""Hardware against golden model: equal, or the difference is found."""

import dataclasses

import numpy as np
import pytest
from cases import VERIFY, make, mixed_images
from networks import map_network, random_network, random_spikes

from hw.rtl.config import find_config
from sim import answers, golden
from sim.cycles.model import cycles
from sim.verilator import compare
from sim.verilator.expected import Expected
from sim.verilator.simulator import record_type
from sw.answer import Answer
from sw.encoder import LatencyEncoder


def test_netlist(rng):
    network = make(rng, "pool of two")
    images = mixed_images(rng, network, 30)
    compared = compare.compare(network, images, folder=VERIFY, netlist=True)
    answer = golden.run_images(network, images)
    assert compared.classes.tolist() == answer.label.tolist()
    assert compared.cycles.tolist() == cycles(network, images, answer).tolist()
    assert compared.measured.cycles_max == compared.cycles.max()
    assert compared.measured.hidden_units_compared == 10


@pytest.mark.deep
@pytest.mark.parametrize(
    ("engine", "units"),
    [("tiles-2", 27 + 3 + 4), ("tiles-4-spram", 27 + 3 + 4), ("gather-8", 3 + 4)],
)
def test_netlist_of_maps(rng, engine, units):
    """Every spike, before pooling and behind it; or behind it alone."""
    network = map_network(rng, "3c2,f2,4,3", 4, LatencyEncoder(shape=(2, 4, 4), silent_below=16))
    images, config = mixed_images(rng, network, 12), find_config(engine)
    compared = compare.compare(network, images, folder=VERIFY, netlist=True, config=config)
    answer = golden.run_images(network, images)
    assert compared.classes.tolist() == answer.label.tolist()
    assert compared.cycles.tolist() == cycles(network, images, answer, config).tolist()
    assert compared.measured.hidden_units_compared == units


def test_events(rng):
    network = random_network(rng, (20, 12, 5), 16, -1, 6)
    spikes = random_spikes(rng, 70, 20, 16, rate=2)
    compared = compare.compare(network, spikes, folder=VERIFY, stalls=0.2)
    answer = golden.run(network, spikes)
    assert compared.classes.tolist() == answer.label.tolist()
    assert compared.cycles.tolist() == cycles(network, spikes, answer).tolist()
    assert compared.measured.cycles_max == compared.cycles.max()
    assert compared.measured.hidden_units_compared == 12


def test_a_wrong_spike_of_events_is_noticed(rng, monkeypatch):
    network = random_network(rng, (20, 12, 5), 16, -1, 6)
    spikes = random_spikes(rng, 70, 20, 16, rate=2)
    right = answers.run_inputs
    other = dataclasses.replace(spikes, unit=(spikes.unit + 1) % 20)
    monkeypatch.setattr(answers, "run_inputs", lambda n, _: right(n, other))
    with pytest.raises(compare.MismatchError, match=r"the hardware differs"):
        compare.compare(network, spikes, folder=VERIFY)


def answer_of(times, step):
    """An answer of two hidden units and one output unit to one image, T = 8."""
    return Answer(
        steps=8,
        times=(np.array([times]), np.array([[step]])),
        label=np.array([0]),
        step=np.array([step]),
        margin=np.array([5]),
    )


DIFFERENCES = {
    "equal": ({"times": (3, 4)}, False),
    "another label": ({"label": 1}, True),
    "another step": ({"step": 5}, True),
    "another margin": ({"margin": -5}, True),
    "late spike not seen": ({"times": (3, 0xFFFF)}, True),
    "no early spike": ({"times": (0xFFFF, 4)}, True),
    "two spikes": ({"times": (0xFFFE, 4)}, True),
    "another time": ({"times": (2, 4)}, True),
}


@pytest.mark.smoke
@pytest.mark.parametrize(("change", "expected"), DIFFERENCES.values(), ids=DIFFERENCES)
def test_differs(change, expected):
    record = np.zeros(1, record_type(2))
    for key, value in {"label": 0, "step": 4, "margin": 5, "times": (3, 4), **change}.items():
        record[key] = value
    assert Expected.of(answer_of((3, 4), 4)).differs(record).tolist() == [expected]


@pytest.mark.parametrize(("seen", "expected"), [(0xFFFF, False), (6, False), (5, True), (3, True)])
def test_a_spike_after_the_decision_may_be_missing_but_not_wrong(seen, expected):
    record = np.zeros(1, record_type(2))
    record["step"], record["margin"], record["times"] = 4, 5, (3, seen)
    assert Expected.of(answer_of((3, 6), 4)).differs(record).tolist() == [expected]
