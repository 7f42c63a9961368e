"""The command: what it prints, writes and returns; and that it notices every kind of difference."""

import dataclasses
import json

import numpy as np
import pytest
from cases import VERIFY, make, mixed_images
from networks import random_network, random_spikes

from sim import golden, verify
from sim.cycles.model import cycles
from sw.answer import Answer
from sw.cli import UserError
from sw.data import registry
from sw.network import find

DIGITS = "digits-64-192-10-t16"
BUILD = ["--build-dir", str(VERIFY.parent)]


def test_digits_on_the_whole_test_set(tmp_path, capsys):
    path = tmp_path / "figures.json"
    assert verify.main([DIGITS, "--json", str(path), *BUILD]) == 0
    figures = json.loads(path.read_text())
    network, digits = find(DIGITS), registry.load("digits")
    answer = golden.run_images(network, digits.test_images)
    assert figures["images"] == len(digits.test_images) == 355
    assert figures["mismatches"] == 0
    assert figures["accuracy"] == (answer.label == digits.test_labels).mean()
    expected = cycles(network, digits.test_images, answer)
    assert figures["cycles_mean"] == expected.mean()
    assert figures["cycles_max"] == expected.max()
    assert 64 <= figures["interval_cycles_mean"] < 64 + expected.max()
    assert figures["network_sha256"] == network.sha256
    assert figures["hidden_units_compared"] == 192
    assert figures["seconds"] > 0
    out = capsys.readouterr().out
    assert "golden model = RTL on 355 images of digits" in out
    assert "every hidden spike" in out


def test_mnist(mnist, tmp_path):
    name = "mnist-512-192-10-t8"
    path = tmp_path / "figures.json"
    arguments = [name, "--images", "2000", "--json", str(path), "-q", *BUILD]
    assert verify.main(arguments) == 0
    figures = json.loads(path.read_text())
    answer = golden.run_images(find(name), mnist.test_images[:2000])
    assert figures["accuracy"] == (answer.label == mnist.test_labels[:2000]).mean()
    assert figures["interval_cycles_mean"] == pytest.approx(784, abs=1)


def test_stalls_change_nothing_but_the_time(tmp_path, capsys):
    path = tmp_path / "figures.json"
    arguments = [DIGITS, "--stalls", "0.6", "--seed", "9", "-q", "--json", str(path), *BUILD]
    assert verify.main(arguments) == 0
    assert json.loads(path.read_text())["interval_cycles_mean"] is None
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_netlist(rng):
    network = make(rng, "pool of two")
    images = mixed_images(rng, network, 30)
    figures, classes = verify.verify(network, images, folder=VERIFY, netlist=True)
    answer = golden.run_images(network, images)
    assert classes.tolist() == answer.label.tolist()
    assert figures["cycles_max"] == cycles(network, images, answer).max()
    assert figures["hidden_units_compared"] == 0  # a netlist has no blocks to watch


def test_events(rng):
    network = random_network(rng, (20, 12, 5), 16, -1, 6)
    spikes = random_spikes(rng, 70, 20, 16, rate=2)
    figures, classes = verify.verify(network, spikes, folder=VERIFY, stalls=0.2)
    answer = golden.run(network, spikes)
    assert classes.tolist() == answer.label.tolist()
    assert figures["cycles_max"] == cycles(network, spikes, answer).max()
    assert figures["hidden_units_compared"] == 12


def test_a_wrong_spike_of_events_is_noticed(rng, monkeypatch):
    network = random_network(rng, (20, 12, 5), 16, -1, 6)
    spikes = random_spikes(rng, 70, 20, 16, rate=2)
    right = golden.run
    other = dataclasses.replace(spikes, unit=(spikes.unit + 1) % 20)
    monkeypatch.setattr(golden, "run", lambda n, _: right(n, other))
    with pytest.raises(verify.MismatchError, match=r"the hardware differs"):
        verify.verify(network, spikes, folder=VERIFY)


def altered(network, part):
    """The network with one thing changed that only some images notice."""
    layers = [
        dataclasses.replace(layer, weight=layer.weight.copy(), threshold=layer.threshold.copy())
        for layer in network.layers
    ]
    if part == "a threshold":
        layers[0].threshold[17] += 1
    elif part == "a weight":
        layers[0].weight[100, 30] ^= True
    elif part == "an output's threshold":
        layers[1].threshold[3] -= 1
    return dataclasses.replace(network, layers=tuple(layers))


@pytest.mark.parametrize("part", ["a threshold", "a weight", "an output's threshold"])
def test_one_changed_parameter_is_noticed(monkeypatch, tmp_path, capsys, part):
    right = golden.run_images
    monkeypatch.setattr(golden, "run_images", lambda n, images: right(altered(n, part), images))
    path = tmp_path / "figures.json"
    assert verify.main([DIGITS, "-q", "--json", str(path), *BUILD]) == 1
    figures = json.loads(path.read_text())
    assert figures["mismatches"] == 1
    error = capsys.readouterr().err
    assert f"image {figures['first_mismatch']}, offered to an idle core" in error
    assert "expected" in error
    assert "got" in error
    assert ("output" in part) != ("hidden unit" in error) or "layer 0" in error


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
    record = np.zeros(1, verify.record_type(2))
    for key, value in {"label": 0, "step": 4, "margin": 5, "times": (3, 4), **change}.items():
        record[key] = value
    assert verify.differs(answer_of((3, 4), 4), record).tolist() == [expected]


@pytest.mark.parametrize(("seen", "expected"), [(0xFFFF, False), (6, False), (5, True), (3, True)])
def test_a_spike_after_the_decision_may_be_missing_but_not_wrong(seen, expected):
    record = np.zeros(1, verify.record_type(2))
    record["step"], record["margin"], record["times"] = 4, 5, (3, seen)
    assert verify.differs(answer_of((3, 6), 4), record).tolist() == [expected]


REFUSED = {
    r"--images must be at least 1, not 0": [DIGITS, "--images", "0"],
    r"--stalls must be in 0 … below 1, not 1$": [DIGITS, "--stalls", "1"],
    r"--seed must be at least 0, not -1": [DIGITS, "--seed", "-1"],
    r"nowhere: cannot be read": ["nowhere"],
    r"takes images of 28 × 28 pixels, digits has images of 8 × 8 pixels; name the": [
        "mnist-512-192-10-t8",
        "--dataset",
        "digits",
    ],
}


@pytest.mark.parametrize(("message", "arguments"), REFUSED.items(), ids=REFUSED)
def test_refuses_in_one_line(tmp_path, message, arguments):
    with pytest.raises(UserError, match=message) as error:
        verify.main([*arguments, "--build-dir", str(tmp_path / "build")])
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())
