"""The rule ``bistable``: what it learns with is what the golden model computes."""

import numpy as np
import pytest
import torch
from networks import PROVENANCE

from sim import bistable as golden
from sw.encoder import PhaseEncoder
from sw.learn import bistable
from sw.network import Network
from sw.rules import RULES
from sw.rules.bistable import Bistable, _quantised
from sw.structure import Structure, parse

SHAPE = (2, 8, 8)
TEXTS = ["7-5", "4c3p1-m2-6c3-9-5", "4c3s2p1-4c3p1+1x2-a2-5", "m2-2c3p1-2c3p1+2x4-m2-5-5+1"]


def rule_of(text, steps, **settings):
    torch.manual_seed(3)
    return Bistable(Structure(SHAPE, parse(text)), steps, **settings)


def inputs_of(steps, count=64):
    return torch.randint(0, 2**steps, (count, 128), dtype=torch.int16)


def moved(rule, inputs, steps=3):
    """``rule`` after a few steps of the optimizer, quantised, its averages measured anew."""
    rule.start(inputs)
    rule.progress(1.0)
    optimizer = rule.optimizer([{**g, "lr": torch.tensor(0.02)} for g in rule.groups()])
    for _ in range(steps):
        rule.backward(inputs, torch.arange(len(inputs)) % 5)
        optimizer.step()
        rule.constrain()
    rule.calibrate(inputs, 1.0)
    return rule


def network_of(rule, steps):
    return Network(
        name="n",
        steps=steps,
        encoder=PhaseEncoder(shape=SHAPE),
        layers=tuple(rule.export()),
        labels=tuple("abcde"),
        provenance=PROVENANCE,
    )


@pytest.mark.smoke
@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("steps", [1, 3, 4])
def test_trainer_rule_and_golden_model_agree(text, steps):
    """On values of every layer; potentials have the order of the rule's logits."""
    inputs = inputs_of(steps)
    rule = moved(rule_of(text, steps), inputs)
    network = network_of(rule, steps)
    images = np.moveaxis(inputs.numpy().reshape(-1, *SHAPE), 1, 3) << (8 - steps)
    expected = golden.run_inputs(network, images.astype(np.uint8))
    found = bistable.run_images(network, images.astype(np.uint8))
    for one, other in zip(found.values, expected.values, strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(found.potential, expected.potential)
    np.testing.assert_array_equal(found.certain, expected.certain)
    assert {values.max() for values in expected.values} <= set(range(2**steps))
    changed, count = bistable.changed(
        network.layers, network.maps, rule.activations(), inputs, steps
    )
    units = sum(s for i, s in enumerate(network.sizes[1:-1]) if i not in network.pooling)
    assert (changed, count) == (0, units * len(inputs))
    # With averages of this very batch the rule's own forward gives the same classes
    with torch.no_grad():
        logits = rule._forward(inputs, 0.0)
    scores = torch.from_numpy(expected.potential).double()
    top = logits.topk(2).values
    clear = top[:, 0] - top[:, 1] > 0.05  # beyond the rounding of the outputs' biases
    assert clear.sum() > 20
    assert (logits.argmax(1) == scores.argmax(1))[clear].float().mean() > 0.95


def test_rounding_is_counted():
    """Without gains some values change: as many as plain arithmetic finds."""
    inputs = inputs_of(3)
    rule = moved(rule_of("9-5", 3, gain_limit=1), inputs)
    layers = rule.export()
    assert layers[0].gain.tolist() == [1] * 9
    network = network_of(rule, 3)
    alpha, beta = rule.activations()[0]
    sums = inputs.numpy().astype(int) @ np.where(layers[0].weight, 1, -1).T
    trained = np.clip(np.floor(alpha * sums + beta), 0, 7)
    rounded = np.clip((layers[0].bias + sums) // layers[0].threshold, 0, 7)
    changed, count = bistable.changed(network.layers, network.maps, rule.activations(), inputs, 3)
    assert (changed, count) == ((trained != rounded).sum(), sums.size)
    assert changed > 0


def test_gradient_by_hand():
    """One unit, one input, K = 2: u = γ ((S − μ) / σ + β) passes where 0 ≤ u ≤ 4."""
    rule = Bistable(Structure((1, 1, 1), parse("1-2")), 2, ramp=0.0)
    with torch.no_grad():
        rule.weights[0].fill_(0.3)
        rule.biases[0].fill_(1.0)
        rule.sharpness[0].fill_(0.0)  # γ = 1
    inputs = torch.tensor([[0], [1], [2], [3]])
    labels = torch.tensor([0, 0, 1, 1])
    rule.backward(inputs, labels)
    # S = a, μ = 1.5, σ² = 1.25: u = −0.342, 0.553, 1.447, 2.342; values 0, 0, 1, 2
    u = (inputs[:, 0] - 1.5) / (1.25 + 1e-4) ** 0.5 + 1
    values = u.floor().clamp(0, 3).requires_grad_()
    weight = torch.where(rule.weights[1] >= 0, 1.0, -1.0).detach()
    sums = values[:, None] @ weight.T
    deviation = (sums.var(dim=0, correction=0).mean() + 1e-4).sqrt()
    logits = 4 * ((sums - sums.mean(dim=0)) / deviation + rule.biases[1].detach())
    torch.nn.functional.cross_entropy(logits, labels).backward()
    assert values.tolist() == [0, 0, 1, 2]
    passed = values.grad * torch.tensor([0.0, 1.0, 1.0, 1.0])  # the first is below 0
    torch.testing.assert_close(rule.biases[0].grad, passed.sum()[None])
    torch.testing.assert_close(rule.sharpness[0].grad, (passed * u).sum()[None])


def test_values_ramp_up_to_whole_numbers():
    """At first u − ½ within the range, at the end its floor; between them a mixture."""
    rule = rule_of("7-5", 2, ramp=0.5)
    seen = {}
    for share in (0.0, 0.25, 0.5, 1.0):
        rule.progress(share)
        u = torch.tensor([-1.0, 0.25, 1.75, 9.0])
        seen[share] = _quantised(u, 3, None if rule._whole else rule.hardness).tolist()
    assert seen[0.0] == [0.0, 0.0, 1.25, 3.0]
    assert seen[0.25] == [0.0, 0.0, 1.125, 3.0]
    assert seen[0.5] == seen[1.0] == [0.0, 0.0, 1.0, 3.0]


def test_a_maximum_before_the_quantiser_is_the_same():
    """Pooled before or after: a shortcut from the convolution keeps it from being pooled first."""
    inputs = inputs_of(3)
    fused = rule_of("4c3p1-m2-5", 3)
    fused.start(inputs)
    with torch.no_grad():
        first = fused._forward(inputs, 1.0)
    apart = Bistable(Structure(SHAPE, parse("4c3p1-m1-m2-5")), 3)
    apart.load_state_dict(fused.state_dict())
    with torch.no_grad():
        second = apart._forward(inputs, 1.0)
    torch.testing.assert_close(first, second)


def test_shares_may_be_learnt():
    """Labels as a share for each class, as a teacher gives them."""
    rule, inputs = rule_of("7-5", 3), inputs_of(3, 10)
    rule.start(inputs)
    labels = torch.arange(10) % 5
    rule.backward(inputs, labels)
    hard = [parameter.grad.clone() for parameter in rule.parameters()]
    rule.backward(inputs, torch.nn.functional.one_hot(labels, 5).float())
    for parameter, gradient in zip(rule.parameters(), hard, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)


def test_is_registered():
    assert RULES["bistable"] is Bistable
    assert Bistable.coding == "bistable"
