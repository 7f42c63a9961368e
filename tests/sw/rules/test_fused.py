"""The Triton kernels against plain PyTorch. Without a GPU Triton interprets them on the CPU."""

import os

import pytest
import torch

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
if DEVICE == "cpu":
    os.environ["TRITON_INTERPRET"] = "1"  # read when the kernels are defined
pytest.importorskip("triton", reason="Triton is made for Linux only")

from sw.rules import fused
from sw.rules.bstdg import Bstdg
from sw.rules.stdg import Stdg

# On a GPU matrix products are the plain path's, in full precision unless told otherwise
CLOSE = {"rtol": 1e-4, "atol": 1e-5}


def batch(sizes, steps, images):
    torch.manual_seed(sum(sizes) + steps)
    inputs = torch.randint(0, steps + 1, (images, sizes[0]), device=DEVICE)
    return inputs, torch.randint(0, sizes[-1], (images,), device=DEVICE)


@pytest.mark.parametrize("rule_of", [Bstdg, Stdg])
@pytest.mark.parametrize(
    ("sizes", "steps"), [((6, 3), 1), ((20, 9, 4), 256), ((20, 9, 4), 4), ((140, 130, 5), 16)]
)
def test_gradients_equal_plain(rule_of, sizes, steps):
    inputs, labels = batch(sizes, steps, 3)
    rule = rule_of(sizes, steps, smoothing=0.1).to(DEVICE)
    rule.start(inputs)
    draws = rule.draw(len(inputs))
    mine, theirs = (
        gradients(inputs, labels, draws)
        for gradients in (lambda *batch: fused.gradients(rule, *batch), rule.gradients)
    )
    torch.testing.assert_close(mine, theirs, **CLOSE)
    assert any(weight.any() for weight, _ in mine)


EDGES = {
    "fires without input": (-3.0, -0.5),
    "a threshold of nothing": (0.0, 0.0),
    "nobody fires": (50.0, 60.0),
}


@pytest.mark.parametrize(("low", "high"), EDGES.values(), ids=EDGES)
@pytest.mark.parametrize("silent", [False, True])
def test_forward_at_the_edges(low, high, silent):
    """Spike times and effective steps are equal, not only close; also without any input."""
    inputs, labels = batch((33, 20, 5), 8, 4)
    if silent:
        inputs.fill_(8)
    rule = Bstdg((33, 20, 5), 8, later_from_start=True).to(DEVICE)
    rule.start(inputs)
    for threshold in rule.thresholds:
        threshold.data.uniform_(low, high)
    draws = rule.draw(len(inputs))
    layers, _ = rule._forward(inputs, draws)
    arrived = inputs
    for index, layer in enumerate(layers):
        mine = fused._forward(rule, index, arrived, draws.noise[index])
        assert torch.equal(mine.times, layer.times.int())
        assert torch.equal(mine.effective, layer.effective.int())
        torch.testing.assert_close(mine.margin, layer.margin, **CLOSE)
        arrived = mine.times
    mine = fused.gradients(rule, inputs, labels, draws)
    torch.testing.assert_close(mine, rule.gradients(inputs, labels, draws), **CLOSE)


def test_shares_of_each_class():
    """Labels may be shares; those of one class each give the same gradients, bit for bit."""
    inputs, labels = batch((9, 7, 3), 8, 5)
    rule = Bstdg((9, 7, 3), 8).to(DEVICE)
    rule.start(inputs)
    draws = rule.draw(5)
    sure = torch.nn.functional.one_hot(labels, 3).float()
    for gradients in (rule.gradients, lambda *batch: fused.gradients(rule, *batch)):
        mine, theirs = (gradients(inputs, given, draws) for given in (sure, labels))
        torch.testing.assert_close(mine, theirs, rtol=0, atol=0)
    unsure = (sure + 1) / 4
    mine = fused.gradients(rule, inputs, unsure, draws)
    torch.testing.assert_close(mine, rule.gradients(inputs, unsure, draws), **CLOSE)


def test_more_inputs_than_a_kernel_sorts(monkeypatch):
    inputs, _ = batch((40, 3), 8, 5)
    alone = fused._ordered(inputs)
    monkeypatch.setattr(fused, "_SORTED", 16)
    assert torch.equal(fused._ordered(inputs), alone)
    step, unit = alone // fused._UNIT, alone % fused._UNIT
    assert torch.equal(step.long(), inputs.gather(1, unit.long()))
    assert (alone[:, 1:] > alone[:, :-1]).all()


def test_more_images_than_shares():
    """The sum over images is made in parts, the last of which is not full."""
    inputs, labels = batch((5, 40, 3), 4, 21)
    rule = Bstdg((5, 40, 3), 4).to(DEVICE)
    rule.start(inputs)
    draws = rule.draw(21)
    mine = fused.gradients(rule, inputs, labels, draws)
    torch.testing.assert_close(mine, rule.gradients(inputs, labels, draws), **CLOSE)


def test_adam_equals_pytorchs():
    torch.manual_seed(0)
    runs = []
    for adam in (fused.Adam, torch.optim.Adam):
        generator = torch.Generator().manual_seed(1)
        parameters = [torch.ones(3, 700, device=DEVICE), torch.zeros(5, device=DEVICE)]
        groups = [
            {"params": [p], "lr": torch.tensor(rate, device=DEVICE)}
            for p, rate in zip(parameters, (0.1, 2.0), strict=True)
        ]
        optimizer = adam(groups, eps=1e-10, capturable=DEVICE == "cuda")
        for _ in range(20):
            for p in parameters:
                p.grad = torch.randn(p.shape, generator=generator).to(DEVICE)
            optimizer.step()
        runs.append((parameters, optimizer.state_dict()["state"]))
    torch.testing.assert_close(runs[0], runs[1], rtol=1e-5, atol=1e-5)
