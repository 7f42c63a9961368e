"""The Triton kernels against plain PyTorch. Without a GPU Triton interprets them on the CPU."""

import os
from itertools import chain

import pytest
import torch

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
if DEVICE == "cpu":
    os.environ["TRITON_INTERPRET"] = "1"  # read when the kernels are defined
pytest.importorskip("triton", reason="Triton is made for Linux only")

from sw.rules.bstdg import Bstdg
from sw.rules.kernels import by_spike, by_step, fused
from sw.rules.neuron import sign
from sw.rules.stdg import Stdg

# On a GPU matrix products are the plain path's, in full precision unless told otherwise
CLOSE = {"rtol": 1e-4, "atol": 1e-5}


@pytest.fixture
def only_by_spike(monkeypatch):
    """Also what by_step would do."""
    monkeypatch.setattr(by_step, "_STEPS", 0)


@pytest.fixture(params=["by_spike", "by_step"])
def equal(request):
    """Holds gradients against the plain path's, by either of the two ways."""
    if request.param == "by_spike":
        request.getfixturevalue("only_by_spike")
    return equal_but_for_rounding


def equal_but_for_rounding(mine, theirs):
    """Errors are rounded to 11 bits, in each layer again, and what is added up may cancel."""
    for a, b in zip(chain(*mine), chain(*theirs), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-5 + 4e-3 * b.abs().max().item())


def batch(sizes, steps, images):
    torch.manual_seed(sum(sizes) + steps)
    inputs = torch.randint(0, steps + 1, (images, sizes[0]), device=DEVICE)
    return inputs, torch.randint(0, sizes[-1], (images,), device=DEVICE)


SHAPES = [
    ((6, 3), 1, 3),
    ((20, 9, 4), 32, 2),
    ((20, 9, 4), 4, 40),
    ((140, 130, 5), 16, 3),
    ((140, 130, 21), 11, 9),
    ((33, 70, 140, 5), 8, 5),
]
# Interpreted, a program costs the same whatever it holds: layers of one block and a bit
FEW_PROGRAMS = [
    ((6, 3), 1, 2),
    ((20, 9, 4), 32, 2),
    ((20, 9, 4), 4, 5),
    ((70, 66, 21), 11, 2),
    ((33, 20, 66, 5), 8, 2),
]


@pytest.mark.parametrize(("sizes", "steps", "images"), SHAPES)
def test_gradients_equal_plain(sizes, steps, images):
    compare(Bstdg(sizes, steps, smoothing=0.1), images, equal_but_for_rounding)


@pytest.mark.parametrize(
    ("sizes", "steps", "images"),
    [*FEW_PROGRAMS, *(pytest.param(*shape, marks=pytest.mark.deep) for shape in SHAPES)],
)
@pytest.mark.usefixtures("only_by_spike")
def test_gradients_by_spike_equal_plain(sizes, steps, images):
    compare(Bstdg(sizes, steps, smoothing=0.1), images, equal_but_for_rounding)


def test_many_steps():
    compare(Bstdg((20, 9, 4), 256, smoothing=0.1), 3, equal_but_for_rounding)


def test_errors_that_grow_from_layer_to_layer(equal):
    """Beyond 65,504, where float16 ends, if they were not made smaller."""
    compare(Bstdg((20, 120, 120, 10), 2, margin_gain=60000.0), 2, equal)


@pytest.mark.parametrize(("sizes", "steps"), [((6, 3), 1), ((20, 9, 4), 256), ((70, 65, 5), 16)])
def test_real_weights(sizes, steps):
    compare(Stdg(sizes, steps, smoothing=0.1), 2, equal_but_for_rounding)


def compare(rule, images, equal):
    inputs, labels = batch(rule.sizes, rule.steps, images)
    rule.to(DEVICE)
    rule.start(inputs)
    draws = rule.draw(len(inputs))
    mine, theirs = (
        gradients(inputs, labels, draws)
        for gradients in (
            lambda *batch: fused.gradients(*rule.for_kernels(), *batch),
            rule.gradients,
        )
    )
    equal(mine, theirs)
    assert any(weight.any() for weight, _ in mine)


@pytest.mark.smoke
def test_zero_counts_as_plus_one():
    """As in the plain path, in either way."""
    latent = torch.tensor([[-1.0, -1e-30, -0.0, 0.0, 1e-30, 1.0]], device=DEVICE)
    assert torch.equal(by_step._signs_of(latent)[:1, :6].float(), sign(latent))
    rows = torch.empty(6, 1, dtype=torch.int8, device=DEVICE)
    by_spike._rows[(1, 1)](latent, rows, 1, 6, BINARY=True, BLOCK_OUT=32, BLOCK_IN=64)
    assert torch.equal(rows.T.float(), sign(latent))


EDGES = {
    "fires without input": (-3.0, -0.5),
    "a threshold of nothing": (0.0, 0.0),
    "nobody fires": (50.0, 60.0),
}


@pytest.mark.parametrize(("low", "high"), EDGES.values(), ids=EDGES)
@pytest.mark.parametrize("silent", [False, True])
@pytest.mark.parametrize("way", [by_spike, by_step])
def test_forward_at_the_edges(low, high, silent, way):
    """Spike times and effective steps are equal, not only close; also without any input."""
    inputs, _ = batch((33, 20, 5), 8, 4)
    if silent:
        inputs.fill_(8)
    rule = Bstdg((33, 20, 5), 8, later_from_start=True).to(DEVICE)
    rule.start(inputs)
    for threshold in rule.thresholds:
        threshold.data.uniform_(low, high)
    draws = rule.draw(len(inputs))
    layers, _ = rule._forward(inputs, draws)
    settings, network = rule.for_kernels()
    arrived = inputs.short()
    for layer, parameters, noise in zip(layers, network, draws.noise, strict=True):
        mine = way.forward(settings, parameters, arrived, noise)
        real = slice(len(layer.times[0]))
        assert torch.equal(mine.times[:, real], layer.times.short())
        assert torch.equal(mine.effective[:, real], layer.effective.short())
        torch.testing.assert_close(mine.margin[:, real], layer.margin, **CLOSE)
        arrived = mine.times


@pytest.mark.parametrize(("low", "high"), EDGES.values(), ids=EDGES)
@pytest.mark.parametrize("later_from_start", [False, True])
def test_gradients_at_the_edges(low, high, later_from_start, equal):
    inputs, labels = batch((33, 20, 5), 8, 4)
    rule = Bstdg((33, 20, 5), 8, later_from_start=later_from_start).to(DEVICE)
    rule.start(inputs)
    for threshold in rule.thresholds:
        threshold.data.uniform_(low, high)
    draws = rule.draw(len(inputs))
    mine = fused.gradients(*rule.for_kernels(), inputs, labels, draws)
    equal(mine, rule.gradients(inputs, labels, draws))


@pytest.mark.parametrize(
    ("sizes", "steps", "rule_of", "suits"),
    [
        ((5, 4, 128), 32, Bstdg, True),
        ((5, 4, 129), 32, Bstdg, False),
        ((5, 4, 128), 33, Bstdg, False),
        ((5, 4, 128), 32, Stdg, False),
    ],
)
def test_what_products_are_for(sizes, steps, rule_of, suits):
    settings, network = rule_of(sizes, steps).for_kernels()
    assert by_step.suits(settings, len(network[-1].weight)) is suits


def test_shares_of_each_class(equal):
    """Labels may be shares; those of one class each give the same gradients."""
    inputs, labels = batch((9, 7, 3), 8, 5)
    rule = Bstdg((9, 7, 3), 8).to(DEVICE)
    rule.start(inputs)
    draws = rule.draw(5)
    sure = torch.nn.functional.one_hot(labels, 3).float()
    for gradients in (rule.gradients, lambda *batch: fused.gradients(*rule.for_kernels(), *batch)):
        mine, theirs = (gradients(inputs, given, draws) for given in (sure, labels))
        equal(mine, theirs)
    unsure = (sure + 1) / 4
    mine = fused.gradients(*rule.for_kernels(), inputs, unsure, draws)
    equal(mine, rule.gradients(inputs, unsure, draws))


def test_more_inputs_than_a_kernel_sorts(monkeypatch):
    inputs, _ = batch((40, 3), 8, 5)
    alone = by_spike._ordered(inputs)
    monkeypatch.setattr(by_spike, "_SORTED", 16)
    assert torch.equal(by_spike._ordered(inputs), alone)
    step, unit = alone // by_spike._UNIT, alone % by_spike._UNIT
    assert torch.equal(step.long(), inputs.gather(1, unit.long()))
    assert (alone[:, 1:] > alone[:, :-1]).all()


@pytest.mark.parametrize(("steps_of_products", "images"), [(0, 7), (32, 130)])
def test_more_images_than_shares(monkeypatch, steps_of_products, images):
    """The sum over images is made in parts, the last of which is not full."""
    monkeypatch.setattr(by_step, "_STEPS", steps_of_products)
    compare(Bstdg((5, 40, 3), 4), images, equal_but_for_rounding)


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
        for _ in range(5):
            for p in parameters:
                p.grad = torch.randn(p.shape, generator=generator).to(DEVICE)
            optimizer.step()
        runs.append((parameters, optimizer.state_dict()["state"]))
    torch.testing.assert_close(runs[0], runs[1], rtol=1e-5, atol=1e-5)
