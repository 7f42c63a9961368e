"""The Triton kernels on maps against plain PyTorch. Without a GPU Triton interprets them."""

import os
from itertools import chain

import pytest
import torch

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
if DEVICE == "cpu":
    os.environ["TRITON_INTERPRET"] = "1"  # read when the kernels are defined
pytest.importorskip("triton", reason="Triton is made for Linux only")

from sw.rules.bstdg import Bstdg
from sw.rules.kernels import maps
from sw.structure import Structure, parse


@pytest.mark.parametrize(
    "text", ["6c3p1-f2-4c2-3", "4c3s2p1.0.0.1-f2x3-3c2x1-5-3", "5c2-f3-3"], ids=str
)
@pytest.mark.parametrize("steps", [1, 4, 11])  # 11 are walked in chunks of eight
@pytest.mark.parametrize("from_start", [False, True])
def test_equal_plain(text, steps, from_start):
    torch.manual_seed(steps)
    rule = Bstdg(Structure((1, 12, 11), parse(text)), steps, later_from_start=from_start)
    rule = rule.to(DEVICE)
    inputs = torch.randint(0, steps + 1, (9, 132), device=DEVICE).short()
    labels = torch.arange(9, device=DEVICE) % 3
    rule.start(inputs)
    draws = rule.draw(9)
    found, traces = rule._gradients_on_maps(inputs, labels, draws, fused=True)
    wanted, expected = rule._gradients_on_maps(inputs, labels, draws)
    for mine, theirs in zip(traces, expected, strict=True):
        assert torch.equal(mine.times, theirs.times)
        torch.testing.assert_close(mine.mean, theirs.mean, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(mine.spread, theirs.spread, rtol=1e-4, atol=1e-5)
        for seen, other in zip(mine.seen, theirs.seen, strict=True):
            assert torch.equal(seen.place, other.place)
            torch.testing.assert_close(seen.margin, other.margin)
    for mine, theirs in zip(chain(*found), chain(*wanted), strict=True):
        share = 1e-5 if DEVICE == "cpu" else 2e-2  # of bfloat16
        close = share * theirs.abs().max().item()
        torch.testing.assert_close(mine, theirs, rtol=share, atol=close)


@pytest.mark.parametrize("programs", [1, 3, 1000])
def test_moments_by_shares(programs, monkeypatch):
    monkeypatch.setattr(maps, "_PROGRAMS", programs)
    torch.manual_seed(0)
    values = torch.randint(-9, 10, (3, 7, 11, 5, 300), device=DEVICE).half()
    total, squares = maps.moments(values)
    exact = values.double().flatten(0, 3)
    assert torch.equal(total.double(), exact.sum(dim=0))  # small integers
    assert torch.equal(squares.double(), exact.square().sum(dim=0))
