"""S4NN: real weights, units that are drawn anew, and that it learns."""

import pytest
import torch

from sw.cli import UserError
from sw.learn.presets import preset
from sw.learn.trainer import Trainer
from sw.rules import RULES
from sw.rules.s4nn import S4nn


def test_registered():
    assert RULES["s4nn"] is S4nn


def test_weights_start_from_nothing_to_their_range():
    rule = S4nn((50, 40, 30, 10), 16)
    for weight, top in zip(rule.weights, (5, 5, 48), strict=True):
        assert weight.min() >= 0
        assert 0.98 * top < weight.max() <= top


def fire_seldom(rule, batches):
    """Images of which unit 0 fires on each, unit 1 on one of a batch of 2,000, unit 2 never."""
    times = torch.zeros(2000, 2, dtype=torch.int64)
    times[1:, 1] = rule.steps
    for _ in range(batches):
        rule.backward(times, torch.zeros(2000, dtype=torch.int64))
        rule.constrain()


def test_units_that_hardly_fire_are_drawn_anew():
    torch.manual_seed(0)
    rule = S4nn((2, 3, 2), 8, patience=4000)
    before = torch.tensor([[200.0, 0.0], [-200.0, 400.0], [-200.0, 0.0]])
    with torch.no_grad():
        rule.weights[0].copy_(before)
    output = rule.weights[1].clone()
    fire_seldom(rule, 1)
    assert torch.equal(rule.weights[0], before)
    assert rule.fired0.tolist() == [2000, 1, 0]
    fire_seldom(rule, 1)
    weight = rule.weights[0]
    assert torch.equal(weight[0], before[0])
    assert (weight[1:] != before[1:]).all()
    assert ((weight[1:] >= 0) & (weight[1:] <= 5)).all()
    assert torch.equal(rule.weights[1], output)
    # and counting starts again
    assert (rule.images.item(), rule.fired0.tolist()) == (0, [0, 0, 0])


@pytest.mark.smoke
def test_answers_with_what_it_learns_with():
    torch.manual_seed(0)
    rule = S4nn((6, 5, 3), 16, threshold=10.0)
    times = torch.randint(0, 17, (20, 6))
    rule.start(times)
    expected = [float(rule.theta(0))] * 5, [10.0] * 3
    assert [threshold.tolist() for _, threshold in rule.layers()] == list(expected)
    for (weight, _), latent in zip(rule.layers(), rule.weights, strict=True):
        assert torch.equal(weight, latent)


def test_is_no_one_bit_network():
    with pytest.raises(UserError, match=r"'s4nn': its weights are real, so there is no 1-bit"):
        S4nn((2, 2), 4).export()


def test_learns(digits):
    settings = {"gap": 1.0, "patience": 3000}
    recipe = preset("digits", rule="s4nn", hidden=(100,), epochs=12, batch=32, settings=settings)
    trainer = Trainer(recipe, digits)
    trainer.fit()
    assert trainer.history[-1].validation_accuracy > 0.6
