"""The report page of a bistable network: what its figures say, by counting."""

from dataclasses import replace

import numpy as np
import pytest
from networks import bistable_network
from test_page import Reader

from sim import bistable
from sw.reports.page import PAGE, publish
from sw.reports.result import read_results
from sw.reports.sections.values import Values
from sw.reports.values import heard

ABOUT = {"dataset": "digits", "command": "python -m sw.report x", "versions": {"python": "3"}}


@pytest.fixture(scope="module")
def case():
    rng = np.random.default_rng(4)
    network = bistable_network(rng, "3c3p1-m2-3c3p1+1x2-4-4+1x2", 3, (1, 8, 6))
    images = rng.integers(0, 256, (40, 8, 6, 1)).astype(np.uint8)
    answer = bistable.run_inputs(network, images)
    labels = np.where(rng.random(40) < 0.6, answer.label, rng.integers(0, 4, 40))
    return network, images, labels, answer


@pytest.fixture(scope="module")
def result(case):
    return Values.of(*case, **ABOUT)


def test_potentials_of_each_phase(case):
    """Those of a network that is given the bits which have come by then."""
    network, images, _, answer = case
    phases = heard(network, images, answer)
    np.testing.assert_array_equal(phases[-1], answer.potential)
    last = network.layers[-1]
    inputs = answer.values[-1].astype(int)
    for phase, found in enumerate(phases):
        known = inputs >> (2 - phase) << (2 - phase)
        expected = known @ np.where(last.weight, 1, -1).T * last.gain + last.bias
        np.testing.assert_array_equal(found, expected + last.kind.shortcut.gain * known)


def test_figures_by_hand(case, result):
    network, images, labels, answer = case
    phases = heard(network, images, answer)
    for phase, share in zip(phases, result.accuracy_at_phase, strict=True):
        right = sum(
            all(row[label] > other for k, other in enumerate(row) if k != label)
            for row, label in zip(phase, labels, strict=True)
        )
        assert share == right / 40
    assert result.accuracy_at_phase[-1] == result.figures.accuracy
    assert result.certain_by_phase[-1] == 1.0
    assert len(result.value_shares) == 4
    for values, shares in zip(answer.values, result.value_shares, strict=True):
        assert sum(shares) == pytest.approx(1)
        assert shares[5] == (values == 5).sum() / values.size
    right, wrong = result.examples
    assert right.label == right.answer
    assert (wrong.label != wrong.answer) or wrong.margin == 0
    assert wrong.potentials[-1] == tuple(answer.potential[wrong.index])


def test_the_page(case, result, tmp_path):
    network, _, labels, answer = case
    publish(network, "x", tmp_path, [result])
    read = Reader(tmp_path / PAGE)
    assert read.facts["steps of a period"] == "3, one for each bit of a value"
    assert read.facts["encoder"] == "phase: the 3 most significant bits, one spike each"
    correct = (answer.label == labels) & (answer.margin > 0)
    assert f"{correct.mean():.2%} (a tie is wrong)" in read.text
    assert "Accuracy against phase" in read.text
    assert "python -m sw.report" in read.text
    assert "One inference" not in read.text  # a section of first-spike networks
    assert [row[0] for row in read.tables["Layers"]][-4:] == ["3c3p1", "m2", "3c3p1+1x2", "4"]
    structure = {row[0]: row for row in read.tables["Layers"] if len(row) == 8}
    low, high = network.layers[0].gain.min(), network.layers[0].gain.max()
    assert structure["3c3p1"][-1] == (f"{low}" if low == high else f"{low} … {high}")
    assert structure["m2"][-2:] == ["–", "–"]
    (again,) = read_results(tmp_path, Values, network)
    assert again == result


def test_without_hidden_layers(tmp_path):
    """Nothing but outputs: no values to show."""
    rng = np.random.default_rng(1)
    network = replace(bistable_network(rng, "3", 2, (4, 4)), name="flat")
    images = rng.integers(0, 256, (9, 4, 4)).astype(np.uint8)
    answer = bistable.run_inputs(network, images)
    result = Values.of(network, images, answer.label, answer, **ABOUT)
    assert result.value_shares == ()
    publish(network, "x", tmp_path, [result])
    assert "Accuracy against phase" in Reader(tmp_path / PAGE).text
