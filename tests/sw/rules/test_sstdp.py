"""SSTDP: what its window adds to S4NN."""

import math

import pytest
import torch

from sw.rules import RULES
from sw.rules.s4nn import S4nn
from sw.rules.sstdp import Sstdp


def gradients(rule, weights, times, labels):
    with torch.no_grad():
        for parameter, weight in zip(rule.weights, weights, strict=True):
            parameter.copy_(weight)
    rule.backward(times, labels)
    return [parameter.grad for parameter in rule.weights]


def example(sizes, steps, images):
    torch.manual_seed(sum(sizes))
    shapes = zip(sizes[1:], sizes[:-1], strict=True)
    weights = [torch.empty(shape).uniform_(-2, 4) for shape in shapes]
    return weights, torch.randint(0, steps + 1, (images, sizes[0])), torch.randint(0, 3, (images,))


def test_registered():
    assert RULES["sstdp"] is Sstdp


def test_is_s4nn_where_the_window_has_no_edges():
    sizes, settings = (8, 6, 3), {"gap": 4.0, "threshold": 4.0, "decay": 0.01}
    case = example(sizes, 32, 20)
    theirs = gradients(S4nn(sizes, 32, **settings), *case)
    for mine, other in zip(gradients(Sstdp(sizes, 32, **settings), *case), theirs, strict=True):
        assert mine.any()
        torch.testing.assert_close(mine, other)


@pytest.mark.smoke
def test_window_by_hand():
    """Spikes at 0, 3, 5 and never; the unit fires at 3 and its target, the first spike, is now."""
    rule = Sstdp((4, 2), 8, gap=2.0, lobe=0.25, width=2.0, decay=0.0, threshold=1.0)
    rule.level.fill_(1.0)
    weights = [torch.tensor([[0.5, 0.5, 0.0, 0.0], [0.6, 0.6, 0.0, 0.0]])]
    (found,) = gradients(rule, weights, torch.tensor([[0, 3, 5, 8]]), torch.tensor([0]))
    # both fire at step 3, so that the other's target is 5: δ̂ = (0, 1)
    window = [math.exp(-3 / 2), 1, -0.25 * math.exp(-2 / 2), -0.25 * math.exp(-5 / 2)]
    torch.testing.assert_close(found, torch.tensor([[0.0] * 4, window]))


def test_error_goes_back_along_causes_alone():
    """A window on the last layer leaves the error that the layer before gets as it was."""
    sizes, settings = (8, 6, 3), {"gap": 4.0, "threshold": 4.0, "decay": 0.0}
    weights, times, labels = example(sizes, 32, 1)
    plain = gradients(S4nn(sizes, 32, **settings), weights, times, labels)[0]
    windowed = gradients(Sstdp(sizes, 32, lobe=0.5, **settings), weights, times, labels)[0]
    caused = plain != 0
    assert caused.any()
    torch.testing.assert_close(windowed[caused], plain[caused])
