"""The time-parallel rule against finite differences and automatic differentiation, and how it folds
into thresholds.
"""

import pytest
import torch
from torch.nn import functional

from sw.learn.inference import answer
from sw.rules.neuron import spiked
from sw.rules.straight import latched
from sw.rules.surrogate import Surrogate
from sw.structure import Conv, First, Structure, parse

INTEGER = {"integer": True, "shared_deviation": True, "gap": 0.1}
CONV = "1x6x6-3c3p1-f2-4c3s2p1.0.0.1-5-3"
POOLED = "2x9x8-f2x1-5c2x3-f2-3"


def rule_and_times(sizes, steps, **settings):
    """With a structure or the sizes of a dense network."""
    torch.manual_seed(steps)
    rule = Surrogate(structure(sizes), steps, **settings)
    times = torch.randint(0, steps + 1, (40, rule.sizes[0]))
    rule.start(times)
    return rule, times


def structure(text):
    if not isinstance(text, str):
        return text
    first, layers = text.split("-", 1)
    return Structure(tuple(map(int, first.split("x"))), parse(layers))


@pytest.mark.parametrize("settings", [{}, {"gap": 0.1}, INTEGER, {**INTEGER, "positive": True}])
@pytest.mark.parametrize("sizes", [(6, 3), (12, 9, 3), (12, 9, 8, 3), CONV, POOLED])
def test_what_it_learns_with_is_what_hardware_computes(sizes, settings):
    """After start, the running averages are the batch's: the folded layers fire as f does."""
    rule, times = rule_and_times(sizes, 8, **settings)
    rule.offset.fill_(0.3 if "gap" in settings else 0.0)
    fired = latched(rule._forward(times, 1.0))
    answered, *_ = answer(rule.layers(), spiked(times, 8), rule.structure)
    assert torch.equal(fired, spiked(answered[-1], 8))
    assert 0 < fired.mean() < 1
    if settings.get("positive"):
        assert all((threshold >= 1).all() for _, threshold in rule.layers()[:-1])


def test_bias_gradient_of_the_margin_part_by_finite_differences():
    """Of one layer, cross-entropy of u(t*) is smooth in β as long as no spike time moves."""
    rule, times = rule_and_times((6, 3), 4, gain=0.0, margin_gain=1.0)
    labels = torch.randint(0, 3, (40,))
    rule.backward(times, labels)

    def loss():
        with torch.no_grad():
            u = rule._forward(times, 0.0)
        step = (latched(u).amax(dim=2) < 0.5).sum(dim=1).clamp(max=3)
        at = u[torch.arange(40), step].double()
        return torch.nn.functional.cross_entropy(at, labels), step

    expected = []
    for unit in range(3):
        values = []
        for sign in (1, -1):
            with torch.no_grad():
                rule.biases[0][unit] += sign * 1e-3
            value, step = loss()
            values.append(value)
            with torch.no_grad():
                rule.biases[0][unit] -= sign * 1e-3
            assert torch.equal(step, loss()[1])
        expected.append((values[0] - values[1]) / 2e-3)
    torch.testing.assert_close(
        rule.biases[0].grad.double(), torch.stack(expected), rtol=1e-2, atol=1e-4
    )


def plain(structure, parameters, times, steps):
    """u of the output layer, by automatic differentiation alone, in float64."""
    spikes = (times[:, None] <= torch.arange(steps)[:, None]).double()
    u, weights = spikes - 0.5, iter(parameters)
    for kind, before in zip(structure.kinds, structure.maps, strict=False):
        if isinstance(kind, First):
            rows, columns = kind.kernel
            windows = u.view(-1, *before).unfold(2, rows, rows).unfold(3, columns, columns)
            u = first_largest(windows.flatten(4)).view(len(times), steps, -1)
        else:
            weight, bias = next(weights)
            sign = torch.where(weight >= 0, 1.0, -1.0).double() + weight - weight.detach()
            if isinstance(kind, Conv):
                top, bottom, left, right = kind.padding
                maps = functional.pad(spikes.view(-1, *before), (left, right, top, bottom))
                filters = sign.view(len(sign), before[0], *kind.kernel)
                v = functional.conv2d(maps, filters, stride=kind.stride)
            else:
                v = (spikes @ sign.T).view(-1, len(sign), 1, 1)
            unbiased = structure.dense or kind is structure.kinds[-1]
            deviation, mean = torch.std_mean(v, (0, 2, 3), keepdim=True, correction=unbiased)
            u = (v - mean) / deviation + bias[:, None, None]
            u = u.reshape(len(times), steps, -1)
        spikes = torch.stack([spike(first_largest(u[:, : t + 1], 1)) for t in range(steps)], dim=1)
    return u


def first_largest(values, dim=-1):
    """The largest; of equal ones the first gets the gradient."""
    largest = values == values.amax(dim, keepdim=True)
    return values.gather(dim, largest.int().argmax(dim, keepdim=True)).squeeze(dim)


def spike(u):
    slope = (1 - u.abs()).clamp(min=0).detach()
    return (u >= 0).double() + slope * (u - u.detach())


@pytest.mark.parametrize("text", [CONV, POOLED, "5x1x1-7-3"])
def test_gradients_by_automatic_differentiation(text):
    rule, times = rule_and_times(text, 4, gain=0.0, later_gain=0.0, end_gain=1.0, margin_gain=0.0)
    labels = torch.randint(0, 3, (40,))
    rule.backward(times, labels)
    copies = [
        (w.detach().double().requires_grad_(), b.detach().double().requires_grad_())
        for w, b in zip(rule.weights, rule.biases, strict=True)
    ]
    u = plain(rule.structure, copies, times, 4)
    functional.cross_entropy(u[:, -1], labels).backward()
    for index, (weight, bias) in enumerate(copies):
        for own, expected in ((rule.weights[index], weight), (rule.biases[index], bias)):
            assert expected.grad.abs().max() > 1e-3
            torch.testing.assert_close(own.grad.double(), expected.grad, rtol=1e-3, atol=1e-5)


@pytest.mark.smoke
def test_triangle():
    u = torch.tensor([[[-1.5, -0.5, 0.0, 0.25, 2.0]]], requires_grad=True)
    spikes = latched(u)
    spikes.sum().backward()
    assert spikes.flatten().tolist() == [0, 0, 1, 1, 1]
    assert u.grad.flatten().tolist() == [0, 0.5, 1, 0.75, 0]


def test_the_latch_gives_its_gradient_to_the_first_of_equals():
    values = torch.tensor([[[-0.5], [0.5], [0.5], [-0.25]]], requires_grad=True)
    fired = latched(values)
    assert fired.flatten().tolist() == [0, 1, 1, 1]
    fired.sum().backward()
    assert values.grad.flatten().tolist() == [0.5, 1.5, 0, 0]


def test_straight_through_and_clip():
    rule, times = rule_and_times((6, 3), 4)
    rule.backward(times, torch.randint(0, 3, (40,)))
    assert all(p.grad.abs().sum() > 0 for p in rule.parameters())
    with torch.no_grad():
        rule.weights[0].fill_(2.0)
    rule.constrain()
    assert (rule.weights[0] == 1).all()


def test_signs_are_annealed():
    """Half of the epochs k grows from 2 to 8, so by 2 in a quarter of all; then signs."""
    rule, _ = rule_and_times((6, 3), 4, anneal_share=0.5, anneal_from=2.0, anneal_to=8.0)
    weight = rule.weights[0]
    for share, k in ((0.0, 2.0), (0.25, 4.0)):
        rule.progress(share)
        torch.testing.assert_close(rule._signs(weight), torch.tanh(k * weight))
    rule.progress(0.5)
    assert rule._signs(weight).unique().tolist() == [-1, 1]
    assert rule.layers()[0][0].unique().tolist() == [-1, 1]
    rule._signs(weight).sum().backward()
    assert (weight.grad == 1).all()


def test_the_common_offset_delays_a_decision_that_is_worse_than_the_end():
    """Raised where the cross-entropy at the decision exceeds that at the end by more than the gap,
    else lowered; a higher one raises the thresholds of the outputs, and theirs only.
    """
    for gap, way in ((1e-6, 1), (100.0, -1)):
        rule, times = rule_and_times((12, 9, 3), 8, gap=gap, start_bias=2.0)
        labels = torch.randint(0, 3, (40,))
        for _ in range(3):
            rule.backward(times, labels)
        assert rule.offset.item() == pytest.approx(0.03 * way)
    before = rule.layers()
    rule.offset.fill_(3.0)
    (_, hidden), (_, output) = rule.layers()
    assert torch.equal(hidden, before[0][1])
    assert (output > before[1][1]).all()


def test_calibration_averages_over_batches():
    rule, _ = rule_and_times((12, 3), 8)
    batches = [torch.randint(0, 9, (50, 12)) for _ in range(3)]
    for done, batch in enumerate(batches):
        rule.calibrate(batch, 1 / (done + 1))
    means = [(spiked(batch, 8) @ rule.layers()[0][0].T).mean(dim=(0, 1)) for batch in batches]
    torch.testing.assert_close(rule.mean0, torch.stack(means).mean(dim=0))


def test_noise_moves_hidden_units_only():
    rule, times = rule_and_times(CONV, 4)
    same, other = rule._forward(times, 0.0), rule._forward(times, 0.0, noise=0.5)
    assert not torch.equal(same, other)
    rule, times = rule_and_times((12, 3), 4)
    assert torch.equal(rule._forward(times, 0.0), rule._forward(times, 0.0, noise=0.5))


def test_half_precision_is_nearly_the_same(monkeypatch):
    """Of maps on a GPU; here by PyTorch on the CPU. Sums are exact, gradients rounded."""
    settings = {**INTEGER, "anneal_share": 0.7, "end_gain": 1.0, "start_bias": 0.0}
    found = {}
    for half in (False, True):
        monkeypatch.setattr(Surrogate, "_half", half)
        rule, times = rule_and_times("3x9x9-8c3p1-f2-8c3-5-3", 4, **settings)
        rule.backward(times, torch.randint(0, 3, (40,)))
        found[half] = [p.grad for p in rule.parameters()], rule.layers()
    (whole, layers), (rounded, same) = found[False], found[True]
    for one, other in zip(whole, rounded, strict=True):
        assert one.norm() > 0
        assert (one - other).norm() < 0.1 * one.norm()
    for one, other in zip(layers, same, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
