"""BS4NN: signs and one scale for each layer."""

import math

import pytest
import torch

from sw.learn.inference import answer
from sw.learn.presets import preset
from sw.learn.trainer import Trainer
from sw.rules import RULES
from sw.rules.bs4nn import Bs4nn
from sw.rules.neuron import spiked


def network(steps, weights, levels, **settings):
    """Without decay; ``levels`` are θ / α of the layers, with α = 1."""
    sizes = [len(weights[0][0]), *(len(weight) for weight in weights)]
    rule = Bs4nn(sizes, steps, threshold=levels[-1], scale=1.0, decay=0.0, **settings)
    with torch.no_grad():
        rule.level.fill_(levels[0])
        for index, weight in enumerate(weights):
            rule.weights[index].copy_(torch.tensor(weight))
    return rule


def test_registered():
    assert RULES["bs4nn"] is Bs4nn


@pytest.mark.parametrize(("scale", "threshold"), [(5.0, 21), (3.0, 34), (40.0, 3), (200.0, 1)])
def test_threshold_is_the_whole_number_above(scale, threshold):
    """V > 100 / α for whole V."""
    rule = Bs4nn((4, 3), 8, scale=scale)
    layer, *_ = rule.export()
    levels = layer.threshold
    assert layer.weight.all()  # weights start above 0
    assert (levels.tolist(), levels.dtype) == ([threshold] * 3, "int32")


@pytest.mark.parametrize("sizes", [(9, 3), (16, 12, 3), (16, 12, 10, 3)], ids=str)
def test_what_it_learns_with_is_what_hardware_computes(sizes):
    torch.manual_seed(sum(sizes))
    rule = Bs4nn(sizes, 16, threshold=8.0)
    with torch.no_grad():
        for weight in rule.weights:
            weight.uniform_(-1, 2)
    times = torch.randint(0, 17, (40, sizes[0]))
    answered, *_ = answer(rule.layers(), spiked(times, 16))
    for mine, theirs in zip(rule.run(times)[1:], answered, strict=True):
        assert torch.equal(mine, theirs)


@pytest.mark.smoke
def test_gradients_by_hand():
    """T = 8, gap 2, label 1, inputs at 0 and 2. Hidden 0 fires at step 0, hidden 1 never.

    Output 0 fires at step 0, output 1 never: targets 2 and 0, δ = (2, −8) / 8, δ̂ = (1, −4) / √17,
    both caused by hidden 0, which alone gets an error, of size 1 and for the input at 0. Signs of
    its weights are + for output 0, − for output 1; α gets the mean over four weights.
    """
    rule = network(8, [[[0.3, 0.1], [-0.4, 0.6]], [[0.2, 0.9], [-0.5, 0.7]]], (0.5, 0.5), gap=2.0)
    times = torch.tensor([[0, 2]])
    assert [layer.tolist() for layer in rule.run(times)[1:]] == [[[0, 8]], [[0, 8]]]
    rule.backward(times, torch.tensor([1]))
    norm = math.sqrt(17)
    torch.testing.assert_close(rule.weights[1].grad, torch.tensor([[1.0, 0], [-4, 0]]) / norm)
    torch.testing.assert_close(rule.weights[0].grad, torch.tensor([[1.0, 0], [0, 0]]))
    torch.testing.assert_close(rule.scales[1].grad, torch.tensor((1 + 4) / norm / 4))
    torch.testing.assert_close(rule.scales[0].grad, torch.tensor(1 / 4))


def test_error_goes_back_through_latent_weights():
    """Two hidden units fire in step 0 and meet +1 each, but share an error as 0.2 to 0.6."""
    rule = network(8, [[[1.0], [1.0]], [[0.2, 0.6], [-1.0, -1.0]]], (0.5, 0.5), gap=2.0)
    rule.backward(torch.tensor([[0]]), torch.tensor([1]))
    # δ = (2, −8) / 8: (0.2 + 4, 0.6 + 4)
    expected = torch.nn.functional.normalize(torch.tensor([[4.2], [4.6]]), dim=0)
    torch.testing.assert_close(rule.weights[0].grad, expected)


def test_rates_and_range():
    rule = Bs4nn((4, 3), 8, scale_factor=0.25)
    weights, scales = rule.groups()
    assert (weights["factor"], scales["factor"]) == (1, 0.25)
    with torch.no_grad():
        rule.scales[0].fill_(-1.0)
        rule.weights[0].fill_(-7.0)
    rule.constrain()
    assert rule.scales[0].item() > 0
    assert (rule.weights[0] == -7).all()


def test_learns(digits):
    recipe = preset("digits", rule="bs4nn", hidden=(100,), epochs=12, batch=32)
    trainer = Trainer(recipe, digits)
    trainer.fit()
    assert trainer.history[-1].validation_accuracy > 0.6
