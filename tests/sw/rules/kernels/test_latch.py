"""The latch's kernels against plain PyTorch. Without a GPU Triton interprets them on the CPU."""

import os

import pytest
import torch

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
if DEVICE == "cpu":
    os.environ["TRITON_INTERPRET"] = "1"  # read when the kernels are defined
pytest.importorskip("triton", reason="Triton is made for Linux only")

from sw.rules.kernels import latch
from sw.rules.straight import latched

CHANNELS_LAST = (0, 1, 3, 4, 2)


@pytest.mark.parametrize("form", [torch.float32, torch.float16])
@pytest.mark.parametrize("shape", [(3, 4, 10), (2, 1, 5), (2, 7, 1500), (2, 4, 3, 5, 6)])
def test_equals_the_plain_latch(shape, form):
    """With equal potentials, where the first counts; also on maps whose channels lie innermost."""
    torch.manual_seed(len(shape))
    potential = (torch.randint(-9, 9, shape) / 8).to(form)
    gradient = torch.randint(-8, 9, shape).to(form)
    plain = potential.clone().requires_grad_()
    fired = latched(plain)
    fired.backward(gradient)
    potential, gradient = potential.to(DEVICE), gradient.to(DEVICE)
    if len(shape) == 5:
        order = [CHANNELS_LAST.index(axis) for axis in range(5)]
        potential = potential.permute(CHANNELS_LAST).contiguous().permute(order)
    own, best = latch.forward(potential)
    assert torch.equal(own.cpu(), fired.detach())
    assert torch.equal(best, potential.cummax(dim=1).values)
    assert own.stride() == best.stride() == potential.stride()
    assert torch.equal(latch.backward(gradient, best).cpu(), plain.grad)


def test_a_layout_with_gaps():
    potential = torch.randn(4, 3, 5, device=DEVICE).transpose(0, 1)[:, ::2]
    fired, best = latch.forward(potential)
    assert torch.equal(best, potential.cummax(dim=1).values)
    assert torch.equal(fired, (best >= 0).float())
    gradient = torch.ones_like(potential)
    assert latch.backward(gradient, best).shape == potential.shape
