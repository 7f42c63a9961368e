"""Sums spike by spike against loops, and where they are taken."""

import pytest
import torch

from sw.rules import sparse
from sw.rules.stdg import Stdg

STEPS = 11


@pytest.fixture
def inputs():
    """Eight images of six inputs; the last input of the first image and all of the last are
    silent.
    """
    torch.manual_seed(1)
    times = torch.randint(0, STEPS + 1, (8, 6), dtype=torch.int16)
    times[0, 5] = times[7] = STEPS
    return times


@pytest.mark.parametrize(("first", "size"), [(0, 1), (0, 8), (8, 3)])
def test_potentials_equal_loops(inputs, first, size):
    weight = torch.randint(0, 2, (4, 6)) * 2.0 - 1
    found = sparse.potentials(inputs, weight, first, size)
    assert found.shape == (8, size, 4)
    for image, row in enumerate(inputs.tolist()):
        for slot in range(size):
            came = [i for i, step in enumerate(row) if first <= step <= first + slot]
            assert found[image, slot].tolist() == [
                sum(weight[j, i].item() for i in came) for j in range(4)
            ]


@pytest.mark.parametrize(("first", "size"), [(0, 1), (0, 8), (8, 3)])
def test_weight_error_equals_loops(inputs, first, size):
    placed = torch.randint(-9, 10, (8, size, 4)).float()  # integers: sums are exact
    found = sparse.weight_error(placed, inputs, first)
    assert found.shape == (4, 6)
    for i in range(6):
        expected = [0.0] * 4
        for image, row in enumerate(inputs.tolist()):
            for slot, errors in enumerate(placed[image].tolist()):
                step = first + size - 1 - slot  # the last step comes first
                if first <= row[i] <= step:
                    expected = [x + y for x, y in zip(expected, errors, strict=True)]
        assert found[:, i].tolist() == expected


def test_it_pays_for_large_layers_of_images_on_a_cpu():
    mnist = torch.zeros(256, 784, dtype=torch.int16)
    assert sparse.pays(mnist, 600, 8)
    assert not sparse.pays(mnist, 10, 8)
    assert not sparse.pays(mnist[:, None].expand(-1, 8, -1), 600, 8)  # recordings
    assert not sparse.pays(torch.zeros(256, 784, device="meta"), 600, 8)


def test_real_weights_too(monkeypatch):
    torch.manual_seed(0)
    rule = Stdg((20, 15, 4), 12)
    for weight in rule.weights:
        weight.data = (weight * 64).round() / 64  # sums are exact: the same units fire
    times, labels = torch.randint(0, 13, (30, 20)), torch.randint(0, 4, (30,))
    rule.start(times)
    draws = rule.draw(30)
    by_flags = rule.gradients(times, labels, draws)
    monkeypatch.setattr(sparse, "_LEAST", 0)
    torch.testing.assert_close(rule.gradients(times, labels, draws), by_flags)
