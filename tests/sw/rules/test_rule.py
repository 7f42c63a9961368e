"""What the trainer relies on, of every registered rule: a new one is tested when registered."""

import copy

import pytest
import torch

from sw.learn.inference import run_layers
from sw.rules import RULES

SIZES, STEPS = (12, 9, 3), 8


@pytest.fixture(params=RULES.values(), ids=lambda rule: rule.name)
def started(request):
    """A rule at its start, with inputs and labels of a batch."""
    torch.manual_seed(0)
    rule = request.param(SIZES, STEPS)
    inputs = torch.randint(0, STEPS + 1, (40, 12))
    rule.start(inputs)
    return rule, inputs, torch.randint(0, 3, (40,))


def test_is_registered_under_its_name(started):
    rule, *_ = started
    assert RULES[rule.name] is type(rule)
    assert rule.rate > 0
    assert (rule.sizes, rule.steps) == (SIZES, STEPS)


def test_groups_hold_each_parameter_once(started):
    rule, *_ = started
    grouped = [id(parameter) for group in rule.groups() for parameter in group["params"]]
    assert sorted(grouped) == sorted(id(parameter) for parameter in rule.parameters())
    assert all(group["factor"] >= 0 for group in rule.groups())


def test_backward_sets_every_gradient(started):
    rule, inputs, labels = started
    rule.backward(inputs, labels)
    for parameter in rule.parameters():
        assert parameter.grad.shape == parameter.shape
        assert parameter.grad.isfinite().all()
    assert any(parameter.grad.any() for parameter in rule.parameters())


def test_a_step_changes_what_it_answers_with(started):
    rule, inputs, labels = started
    before = rule.layers()
    optimizer = rule.optimizer([{**g, "lr": torch.tensor(0.5)} for g in rule.groups()])
    rule.backward(inputs, labels)
    optimizer.step()
    rule.constrain()
    assert any(
        not torch.equal(a, b)
        for old, new in zip(before, rule.layers(), strict=True)
        for a, b in zip(old, new, strict=True)
    )


def test_layers_are_what_its_kind_says(started):
    rule, inputs, _ = started
    layers = rule.layers()
    assert [tuple(weight.shape) for weight, _ in layers] == [(9, 12), (3, 9)]
    for weight, threshold in layers:
        assert threshold.shape == weight.shape[:1]
        assert weight.dtype == torch.float32
        assert threshold.dtype == (torch.int32 if rule.binary else torch.float32)
        if rule.binary:
            assert (weight.abs() == 1).all()
    assert run_layers(layers, inputs, STEPS).label.shape == (40,)


def test_state_is_complete(started):
    """What a checkpoint keeps makes another rule of the same settings learn the same."""
    rule, inputs, labels = started
    other = type(rule)(SIZES, STEPS)
    other.load_state_dict(copy.deepcopy(rule.state_dict()))
    for one in (rule, other):
        torch.manual_seed(1)
        one.backward(inputs, labels)
    for mine, theirs in zip(rule.parameters(), other.parameters(), strict=True):
        assert torch.equal(mine.grad, theirs.grad)


@pytest.mark.parametrize(
    "started", [rule for rule in RULES.values() if rule.averages], indirect=True
)
def test_a_batch_is_the_mean_of_its_parts_where_it_says_so(started):
    """Several processes rely on it. Without noise, which the parts would draw anew."""
    rule, inputs, labels = started
    for name in {"hidden_noise", "output_noise", "later_gain"} & set(rule.settings()):
        setattr(rule, name, 0.0)
    gradients = []
    for rows in (slice(None), slice(0, 20), slice(20, 40)):
        rule.backward(inputs[rows], labels[rows])
        gradients.append([parameter.grad.clone() for parameter in rule.parameters()])
    for whole, *parts in zip(*gradients, strict=True):
        torch.testing.assert_close(whole, sum(parts) / 2)
