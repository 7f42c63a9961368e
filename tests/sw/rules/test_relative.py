"""Relative targets against hand-worked cases and against explicit loops."""

import math

import pytest
import torch

from sw.cli import UserError
from sw.rules.neuron import fire, spiked
from sw.rules.relative import _Descent, fire_in_order
from sw.rules.s4nn import S4nn


def network(steps, weights, thresholds, **settings):
    """S4NN without decay unless told; the thresholds are those of first and later layers."""
    sizes = [len(weights[0][0]), *(len(weight) for weight in weights)]
    first, later = thresholds
    rule = S4nn(sizes, steps, threshold=later, **{"gap": 2.0, "decay": 0.0} | settings)
    with torch.no_grad():
        rule.level.fill_(first)
        for index, weight in enumerate(weights):
            rule.weights[index].copy_(torch.tensor(weight))
    return rule


@pytest.mark.parametrize("steps", [1, 4, 64])
@pytest.mark.parametrize("latest", [0, 1], ids=["all fire", "some never"])
def test_spike_by_spike_equals_step_by_step(steps, latest):
    torch.manual_seed(steps)
    times = torch.randint(0, steps + latest, (50, 12))
    weight = torch.randint(-2, 3, (9, 12)).float()
    for threshold in (1, 2.5, 4):
        expected = fire(spiked(times, steps) @ weight.T, threshold)
        assert torch.equal(fire_in_order(times, weight, threshold, steps), expected)


def test_a_later_spike_of_the_same_step_undoes_a_crossing():
    """V = 0 at the end of step 1, though a spike in it took V to 2."""
    weight = torch.tensor([[2.0, -2.0, 2.0]])
    assert fire_in_order(torch.tensor([[1, 1, 3]]), weight, 2, 4).item() == 3


def test_nothing_fires_without_spikes():
    assert fire_in_order(torch.full((2, 3), 4), torch.ones(2, 3), 1, 4).tolist() == [[4, 4]] * 2


@pytest.mark.parametrize(
    ("times", "label", "target"),
    [
        ([3, 5, 9], 0, [3, 5, 9]),  # the label leads by the gap: nothing to learn
        ([3, 4, 9], 0, [3, 5, 9]),
        ([3, 3, 9], 0, [3, 5, 9]),  # a tie is an error
        ([3, 4, 9], 1, [5, 3, 9]),
        ([3, 4, 9], 2, [5, 5, 3]),
        ([16, 15, 16], 1, [16, 15, 16]),  # not beyond the window
        ([16, 15, 16], 0, [15, 16, 16]),
        ([16, 16, 16], 1, [16, 14, 16]),  # nobody fired
    ],
)
def test_targets(times, label, target):
    rule = network(16, [[[1.0]] * 3], (1, 1))
    error = rule.output_error(torch.tensor([times]), torch.tensor([label]))
    expected = (torch.tensor([target]) - torch.tensor([times])) / 16
    assert torch.equal(error, expected)


@pytest.mark.smoke
def test_gradients_by_hand():
    """T = 8, gap 2. Of inputs at 0, 2 and never, hidden 0 fires at step 0 and hidden 1 at step 2.

    Output 0 has V = 1 at step 0 and fires; output 1 has −2, then 4 at step 2, and fires. With label
    1 the targets are 2 and 0, so δ = (2, −2) / 8, δ̂ = (1, −1) / √2. Hidden 0 caused both spikes,
    hidden 1 that of output 1 only, so their δ is (1 · 1 + 1 · 2, −1 · 6) / √2 and δ̂ = (1, −2) / √5.
    The input at step 2 came too late for hidden 0.
    """
    hidden = [[1.0, 1.0, 1.0], [-1.0, 3.0, 1.0]]
    rule = network(8, [hidden, [[1.0, 0.5], [-2.0, 6.0]]], (1, 1))
    rule.backward(torch.tensor([[0, 2, 8]]), torch.tensor([1]))
    output = torch.tensor([[1.0, 0.0], [-1.0, -1.0]]) / math.sqrt(2)
    torch.testing.assert_close(rule.weights[1].grad, output)
    hidden = torch.tensor([[1.0, 0.0, 0.0], [-2.0, -2.0, 0.0]]) / math.sqrt(5)
    torch.testing.assert_close(rule.weights[0].grad, hidden)


def test_silent_units():
    """A silent output learns from all that fired; a silent hidden unit gets no error."""
    rule = network(8, [[[1.0, 1.0], [-1.0, -1.0]], [[0.5, 3.0], [-0.5, 3.0]]], (1, 1))
    rule.backward(torch.tensor([[0, 5]]), torch.tensor([0]))
    # hidden 0 fires at step 0; the targets are 8 − 2 for the label, 8 for the other
    assert rule.weights[1].grad.tolist() == [[-1, 0], [0, 0]]
    assert rule.weights[0].grad.tolist() == [[-1, 0], [0, 0]]


def test_no_error_no_change():
    rule = network(8, [[[1.0], [-1.0]]], (1, 1))
    rule.backward(torch.tensor([[0]]), torch.tensor([0]))
    assert not rule.weights[0].grad.any()


def by_loops(rule, times, labels):
    """Gradients of every layer by loops over images, units and inputs."""
    steps, layers = rule.steps, len(rule.weights)
    weights = [weight.double().tolist() for weight in rule.weights]
    gradients = [torch.zeros(weight.shape, dtype=torch.double) for weight in rule.weights]
    for row, label in zip(times.tolist(), labels.tolist(), strict=True):
        fired = [row]
        for index, weight in enumerate(weights):
            theta = float(rule.theta(index))
            fired.append([])
            for unit in weight:
                potentials = (
                    sum(w for w, t in zip(unit, fired[index], strict=True) if t <= step)
                    for step in range(steps)
                )
                crossing = [step for step, v in enumerate(potentials) if v >= theta]
                fired[-1].append(crossing[0] if crossing else steps)
        first = min(fired[-1]) if min(fired[-1]) < steps else steps - rule.gap
        error = [
            ((first if k == label else min(max(t, first + rule.gap), steps)) - t) / steps
            for k, t in enumerate(fired[-1])
        ]
        for index in reversed(range(layers)):
            norm = math.sqrt(sum(e * e for e in error)) or 1
            passed = [0.0] * len(fired[index])
            for j, after in enumerate(fired[index + 1]):
                for i, before in enumerate(fired[index]):
                    if before < steps and before <= after:
                        gradients[index][j, i] += error[j] / norm
                        passed[i] += error[j] / norm * weights[index][j][i]
                    gradients[index][j, i] += rule.decay * weights[index][j][i]
            error = passed
    return gradients


@pytest.mark.parametrize("sizes", [(6, 3), (8, 6, 3), (8, 7, 6, 3)], ids=str)
@pytest.mark.parametrize("steps", [1, 4, 64])
def test_equals_loops(sizes, steps):
    torch.manual_seed(sum(sizes) + steps)
    rule = S4nn(sizes, steps, gap=steps / 8, decay=0.01, threshold=4.0)
    with torch.no_grad():
        for weight in rule.weights:
            weight.uniform_(-2, 4)
    times = torch.randint(0, steps + 1, (12, sizes[0]))
    labels = torch.randint(0, 3, (12,))
    rule.backward(times, labels)
    for weight, expected in zip(rule.weights, by_loops(rule, times, labels), strict=True):
        torch.testing.assert_close(weight.grad.double(), expected, rtol=1e-4, atol=1e-5)


def test_start_scales_the_first_threshold_with_the_input():
    """75 spikes an image are half of MNIST's."""
    rule = S4nn((100, 4, 3), 16)
    times = torch.full((10, 100), 16)
    times[:, :50] = 3
    times[::2, 50:] = 7
    rule.start(times)
    assert [float(rule.theta(index)) for index in range(2)] == [50, 100]


def test_refusals():
    rule = S4nn((4, 3), 16)
    with pytest.raises(UserError, match="Rule 's4nn': takes one spike per input, not events"):
        rule.start(torch.zeros(2, 16, 4, dtype=torch.int16))
    with pytest.raises(
        UserError, match="'s4nn': takes one class per image, not a share of each class"
    ):
        rule.backward(torch.zeros(2, 4, dtype=torch.int64), torch.full((2, 3), 1 / 3))


def test_descent_follows_its_rate():
    parameter = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    rate = torch.tensor(0.5)
    optimizer = _Descent([{"params": [parameter], "lr": rate}])
    parameter.grad = torch.tensor([2.0, -2.0])
    optimizer.step()
    rate.fill_(0.25)
    optimizer.step()
    assert parameter.tolist() == [-0.5, 3.5]
