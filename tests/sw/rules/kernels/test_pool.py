"""Pooling on a GPU against PyTorch's. Without a GPU Triton interprets the kernels on the CPU."""

import os

import pytest
import torch
from torch.nn.functional import max_pool2d

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
if DEVICE == "cpu":
    os.environ["TRITON_INTERPRET"] = "1"  # read when the kernels are defined
pytest.importorskip("triton", reason="Triton is made for Linux only")

from sw.rules.kernels import pool


@pytest.mark.parametrize("form", [torch.float32, torch.float16])
@pytest.mark.parametrize("window", [(2, 2), (1, 3), (3, 2), (7, 9), (1, 1)])
def test_equals_pytorch(window, form):
    """With equal values, of which the first counts, and with a rest that is dropped."""
    torch.manual_seed(sum(window))
    maps = (torch.randint(-5, 6, (3, 5, 7, 9)) / 4).to(form)
    plain = maps.float().requires_grad_()
    expected = max_pool2d(plain, window)
    gradient = torch.randint(-8, 9, expected.shape).to(form)
    expected.backward(gradient.float())
    moved = maps.to(DEVICE).contiguous(memory_format=torch.channels_last)
    best, place = pool.forward(moved, window)
    assert torch.equal(best.cpu().float(), expected.detach())
    assert best.is_contiguous(memory_format=torch.channels_last)
    back = pool.backward(gradient.to(DEVICE), place, 7, 9, window)
    assert back.dtype == form
    assert torch.equal(back.cpu().float(), plain.grad)
