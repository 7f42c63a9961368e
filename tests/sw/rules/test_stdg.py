"""The full-precision parent: the same rule with real weights."""

import pytest
import torch

from sw.cli import UserError
from sw.learn.inference import run_layers
from sw.rules.bstdg import Bstdg
from sw.rules.stdg import Stdg

QUIET = {"hidden_noise": 0, "output_noise": 0, "later_gain": 0}


def pair(sizes, steps):
    """A binary rule, and the real one whose weights are its signs."""
    torch.manual_seed(sum(sizes))
    binary, real = (kind(sizes, steps, **QUIET) for kind in (Bstdg, Stdg))
    times = torch.randint(0, steps + 1, (30, sizes[0]))
    binary.start(times)
    state = binary.state_dict()
    for name in state:
        if name.startswith("weights"):
            state[name] = (state[name] >= 0).float() * 2 - 1
    real.load_state_dict(state)
    return binary, real, times


@pytest.mark.parametrize("sizes", [(6, 3), (8, 6, 3)])
def test_equals_bstdg_where_weights_are_signs(sizes):
    binary, real, times = pair(sizes, 8)
    labels = torch.randint(0, 3, (30,))
    for rule in (binary, real):
        rule.backward(times, labels)
    for one, other in zip(binary.parameters(), real.parameters(), strict=True):
        assert torch.equal(one.grad, other.grad)


def test_answers_with_real_weights_and_thresholds():
    """V = 0.4, then 0.7: only output 1, whose threshold is 0.6, fires, at step 1."""
    rule = Stdg((2, 2), 4)
    with torch.no_grad():
        rule.weights[0].copy_(torch.tensor([[0.4, 0.3], [0.4, 0.3]]))
        rule.thresholds[0].copy_(torch.tensor([0.8, 0.6]))
    answer = run_layers(rule.layers(), torch.tensor([[0, 1], [4, 4]]), 4)
    assert answer.times[0].tolist() == [[4, 1], [4, 4]]
    # without a spike the larger margin decides at the last step: −0.6 over −0.8
    assert answer.label.tolist() == [1, 1]
    assert answer.step.tolist() == [1, 3]
    assert answer.margin.tolist() == pytest.approx([0.1, -0.6])


@pytest.mark.smoke
def test_no_clipping():
    rule = Stdg((1, 1), 2)
    with torch.no_grad():
        rule.weights[0].fill_(3.0)
    rule.constrain()
    assert rule.weights[0].item() == 3


def test_is_no_one_bit_network():
    with pytest.raises(UserError, match=r"'stdg': its weights are real, so there is no 1-bit"):
        Stdg((2, 2), 4).export()
