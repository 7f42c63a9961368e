"""The time-parallel rule against finite differences, and its fold into thresholds."""

import pytest
import torch

from sw.learn.inference import answer
from sw.rules.neuron import spiked
from sw.rules.surrogate import Surrogate, _running_maximum, _Spike


def rule_and_times(sizes, steps, **settings):
    torch.manual_seed(sum(sizes) + steps)
    rule = Surrogate(sizes, steps, **settings)
    times = torch.randint(0, steps + 1, (40, sizes[0]))
    rule.start(times)
    return rule, times


@pytest.mark.parametrize("sizes", [(6, 3), (12, 9, 3), (12, 9, 8, 3)])
def test_what_it_learns_with_is_what_hardware_computes(sizes):
    """After start, the running averages are the batch's: the folded layers fire as f does."""
    rule, times = rule_and_times(sizes, 8)
    fired, _ = rule._forward(times, 1.0)
    answered, *_ = answer(rule.layers(), spiked(times, 8))
    assert torch.equal(fired, spiked(answered[-1], 8))


def test_bias_gradient_of_the_margin_part_by_finite_differences():
    """Of one layer, cross-entropy of u(t*) is smooth in β as long as no spike time moves."""
    rule, times = rule_and_times((6, 3), 4, gain=0.0, margin_gain=1.0)
    labels = torch.randint(0, 3, (40,))
    rule.backward(times, labels)

    def loss():
        with torch.no_grad():
            fired, u = rule._forward(times, 0.0)
        step = (fired.amax(dim=2) < 0.5).sum(dim=1).clamp(max=3)
        at = u[torch.arange(40), step].double()
        return torch.nn.functional.cross_entropy(at, labels), step

    expected = []
    for unit in range(3):
        values = []
        for sign in (1, -1):
            with torch.no_grad():
                rule.biases[0][unit] += sign * 1e-3
            value, step = loss()
            values.append(value)
            with torch.no_grad():
                rule.biases[0][unit] -= sign * 1e-3
            assert torch.equal(step, loss()[1])
        expected.append((values[0] - values[1]) / 2e-3)
    torch.testing.assert_close(
        rule.biases[0].grad.double(), torch.stack(expected), rtol=1e-2, atol=1e-4
    )


@pytest.mark.smoke
def test_triangle():
    u = torch.tensor([-1.5, -0.5, 0.0, 0.25, 2.0], requires_grad=True)
    spikes = _Spike.apply(u)
    spikes.sum().backward()
    assert spikes.tolist() == [0, 0, 1, 1, 1]
    assert u.grad.tolist() == [0, 0.5, 1, 0.75, 0]


def test_running_maximum_gives_its_gradient_to_the_first_of_equals():
    values = torch.tensor([[[1.0], [3.0], [3.0], [2.0]]], requires_grad=True)
    best = _running_maximum(values)
    assert best.flatten().tolist() == [1, 3, 3, 3]
    best.sum().backward()
    assert values.grad.flatten().tolist() == [1, 3, 0, 0]


def test_straight_through_and_clip():
    rule, times = rule_and_times((6, 3), 4)
    rule.backward(times, torch.randint(0, 3, (40,)))
    assert all(p.grad.abs().sum() > 0 for p in rule.parameters())
    with torch.no_grad():
        rule.weights[0].fill_(2.0)
    rule.constrain()
    assert (rule.weights[0] == 1).all()
