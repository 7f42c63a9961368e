"""The neuron against a loop over steps, and the sign of zero wherever a sign is taken."""

import pytest
import torch

from sw.rules import RULES
from sw.rules.neuron import convolved, fire, sign, spiked
from sw.structure import Conv

BINARY = [rule for rule in RULES.values() if rule.binary]
AROUND_ZERO = torch.tensor([[-1.0, -1e-40, -0.0, 0.0, 1e-40, 1.0]])
SIGNS = [[-1.0, -1.0, 1.0, 1.0, 1.0, 1.0]]


def test_zero_counts_as_plus_one():
    assert sign(AROUND_ZERO).tolist() == SIGNS


@pytest.mark.parametrize("rule_of", BINARY, ids=lambda rule: rule.name)
def test_every_rule_answers_and_exports_with_the_same_signs(rule_of):
    rule = rule_of((6, 1), 4)
    rule.weights[0].data.copy_(AROUND_ZERO)
    ((weight, _),), (exported,) = rule.layers(), rule.export()
    assert weight.tolist() == SIGNS
    assert exported.weight.tolist() == [[False, False, True, True, True, True]]


def test_steps_and_counts_are_the_same_spikes():
    """Units that fire at 0, 2 and never; and one that fires twice, in steps 1 and 2."""
    expected = [[1, 0, 0], [1, 0, 0], [1, 1, 0]]
    assert spiked(torch.tensor([[0, 2, 3]]), 3)[0].tolist() == expected
    counts = torch.tensor([[[1, 0, 0], [0, 0, 0], [0, 1, 0]]], dtype=torch.int16)
    assert spiked(counts, 3)[0].tolist() == expected
    assert spiked(torch.tensor([[[0], [1], [1]]]), 3)[0].tolist() == [[0], [1], [2]]


@pytest.mark.smoke
def test_fires_at_the_first_step_that_reaches_the_threshold():
    potentials = torch.tensor([[0.0, 2.0, -1.0], [3.0, 1.0, -1.0], [1.0, 3.0, -1.0]])[None]
    assert fire(potentials, torch.tensor([3.0, 2.0, 0.0])).tolist() == [[1, 0, 3]]
    assert fire(potentials, -1.0).tolist() == [[0, 0, 0]]


@pytest.mark.parametrize("padding", [(1, 1, 1, 1), (0, 1, 2, 0)])
def test_a_convolution_of_one_channel_leaves_its_channels_innermost(padding):
    """And is right, by a loop over the places: images are a part of larger ones, two apart."""
    torch.manual_seed(0)
    images = torch.randint(0, 8, (3, 1, 5, 12)).float()[..., ::2]
    weight = torch.randn(2, 6).sign().requires_grad_()
    kind = Conv(channels=2, kernel=(2, 3), stride=(2, 1), padding=padding)
    result = convolved(images, weight, kind)
    assert result.is_contiguous(memory_format=torch.channels_last)
    top, bottom, left, right = padding
    padded = torch.zeros(3, 5 + top + bottom, 6 + left + right)
    padded[:, top : top + 5, left : left + 6] = images[:, 0]
    seen = torch.zeros(6)
    for row in range(result.shape[2]):
        for column in range(result.shape[3]):
            window = padded[:, 2 * row : 2 * row + 2, column : column + 3].flatten(1)
            assert torch.equal(result[:, :, row, column], window @ weight.detach().T)
            seen += window.sum(0)
    (gradient,) = torch.autograd.grad(result.sum(), weight)
    assert torch.equal(gradient, seen.expand(2, 6))
