"""A module's graph: batch norms fold, forwards of any style are read, what cannot be is refused."""

import copy

import pytest
import torch
from nets import ann, settled
from torch import nn
from torch.nn import functional

from sw.ann import reading
from sw.ann.graph import Affine, Neuron, Pool, Sum
from sw.cli import UserError

SHAPE = (2, 8, 8)


def images(count=5):
    return torch.rand(count, *SHAPE, generator=torch.Generator().manual_seed(0))


def kinds(graph):
    return [type(node.kind) for node in graph.nodes]


def settled_chain(*modules):
    torch.manual_seed(0)
    return settled(nn.Sequential(*modules))


@pytest.mark.parametrize("bias", [False, True])
def test_batch_norm_folds_by_the_formula(bias):
    """γ (w x + b − μ) / √(σ² + ε) + β, unit by unit."""
    linear, norm = nn.Linear(128, 6, bias=bias), nn.BatchNorm1d(6)
    module = settled_chain(nn.Flatten(), linear, norm, nn.ReLU(), nn.Linear(6, 3))
    graph = reading.read(module, SHAPE)
    assert kinds(graph) == [Affine, Affine, Neuron, Affine]
    (values,) = graph.activations(images())[0].values()
    module.requires_grad_(False)
    for image, row in zip(images().flatten(1), values.detach(), strict=True):
        for unit in range(6):
            potential = linear.weight[unit] @ image + (linear.bias[unit] if bias else 0)
            above = potential - norm.running_mean[unit]
            scaled = norm.weight[unit] * above / (norm.running_var[unit] + norm.eps) ** 0.5
            wanted = max(float(scaled + norm.bias[unit]), 0)
            assert float(row[unit]) == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize(
    "layers", ["6c3p1,m2,8c3s2,12", "6c3p1,a2,r6,r8s2,g", "4c5p2,m2,r4,d50,10", "12,7"]
)
@pytest.mark.parametrize("levels", [0, 4])
def test_a_graph_is_its_module(layers, levels):
    module = ann(layers, SHAPE, levels=levels)
    graph = reading.read(module, SHAPE)
    with torch.no_grad():
        assert torch.allclose(graph.run(images()), module(images()), atol=1e-5)
    before = module.state_dict()
    assert all(torch.equal(each, before[name]) for name, each in module.state_dict().items())
    assert not any("norm" in node.name for node in graph.nodes if node.name != "normalise")


@pytest.mark.parametrize("seed", [4, 5])
def test_rounding_does_not_refuse_quantised_anns(seed):
    """VGG16 with QCFS was refused: of many sums in 32 bits some lie on the other side of
    a step once batch norm is folded.
    """
    shape = (3, 32, 32)
    module = ann("64c3p1,64c3p1,m2,64c3p1,64c3p1,32", shape, classes=10, levels=100, seed=seed)
    before = copy.deepcopy(module.state_dict())
    reading.read(module, shape)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


class Functional(nn.Module):
    """As many people write a ResNet: one ReLU for all, views by sizes, functions."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(2, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.conv = nn.Conv2d(4, 4, 3, padding=1, bias=False)
        self.relu = nn.ReLU(inplace=True)
        self.last = nn.Linear(16, 3)

    def forward(self, x):
        x = functional.max_pool2d(self.norm(self.stem(x)), 2)
        x = self.relu(x)
        y = self.relu(self.conv(x))
        x += y
        x = functional.avg_pool2d(functional.relu(x), kernel_size=2)
        x = functional.dropout(x.view(x.size(0), -1), 0.5, self.training)
        return self.last(x)


class PreActivation(nn.Module):
    """Batch norm after a sum, where nothing is left to fold it into."""

    def __init__(self):
        super().__init__()
        self.stem, self.conv = nn.Conv2d(2, 4, 3), nn.Conv2d(4, 4, 3, padding=1)
        self.norms = nn.ModuleList(nn.BatchNorm2d(4) for _ in range(2))
        self.last = nn.Linear(4, 3)

    def forward(self, x):
        x = self.stem(x)
        x = self.conv(self.norms[0](x).relu()) + x
        return self.last(torch.relu(self.norms[1](x)).mean(dim=(2, 3)))


@pytest.mark.parametrize("kind", [Functional, PreActivation])
def test_forwards_of_other_styles(kind):
    torch.manual_seed(1)
    module = settled(kind())
    graph = reading.read(module, SHAPE)
    assert kinds(graph).count(Sum) == 1
    with torch.no_grad():
        assert torch.allclose(graph.run(images()), module(images()), atol=1e-5)


def test_pooling_before_a_neuron_comes_after_it():
    """max and ReLU change places, so that spikes are pooled."""
    module = settled_chain(
        nn.Conv2d(2, 4, 3),
        nn.BatchNorm2d(4),
        nn.MaxPool2d(2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(36, 3),
    )
    graph = reading.read(module, SHAPE)
    assert kinds(graph) == [Affine, Neuron, Pool, Affine, Affine]
    assert graph.neurons[0].shape == (4, 6, 6)
    with torch.no_grad():
        assert torch.allclose(graph.run(images()), module(images()), atol=1e-5)


def test_a_module_of_flat_images():
    module = settled_chain(nn.Linear(128, 5), nn.ReLU(), nn.Linear(5, 3))
    assert reading.read(module, SHAPE).shape == (128,)


class Branching(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x


class Constant(nn.Module):
    def __init__(self):
        super().__init__()
        self.level = nn.Parameter(torch.ones(1))

    def forward(self, x):
        return x + self.level


def head(*modules, channels=4, size=36):
    return nn.Sequential(
        nn.Conv2d(2, channels, 3), *modules, nn.Flatten(), nn.Linear(channels * size, 3)
    )


def filled(value):
    """An ANN with this weight before its first neurons, which infinity leaves at 0."""
    module = head(nn.ReLU())
    nn.init.constant_(module[0].weight, value)
    return module


@pytest.mark.parametrize(
    ("module", "line"),
    [
        (head(nn.Tanh()), r"1 \(Tanh\): a neuron's value is a count .* train with ReLU"),
        (head(nn.LeakyReLU()), r"1 \(LeakyReLU\): .* train with ReLU"),
        (head(nn.GroupNorm(2, 4), nn.ReLU()), r"1 \(GroupNorm\): .* take BatchNorm2d"),
        (
            head(nn.BatchNorm2d(4, track_running_stats=False), nn.ReLU()),
            r"1 \(BatchNorm2d\): keeps no running statistics, so it cannot be folded",
        ),
        (head(nn.MaxPool2d(1)), r"_1 \(max pooling\): of values that may be negative; put a ReLU"),
        (head(), "the module has no ReLU, .* train one with ReLU"),
        (filled(float("nan")), "Sequential: has weights, .* not finite; train it again"),
        (filled(float("-inf")), "Sequential: has weights, .* not finite; train it again"),
        (filled(3e38), "Sequential: has weights, or gives outputs, that are not finite"),
        (
            head(nn.ReLU(), Branching()),
            r"Sequential: its forward cannot be traced .* without branches",
        ),
        (head(nn.ReLU(), Constant()), r"2.level: a parameter that its forward uses itself"),
        (
            nn.Sequential(nn.Flatten(), nn.Linear(128, 3), nn.ReLU()),
            "_2: no layer after the last activation",
        ),
        (
            nn.Sequential(
                nn.Flatten(), nn.Linear(128, 9), nn.ReLU(), nn.Linear(9, 3), nn.Softmax(1)
            ),
            r"4 \(Softmax\): .* leave it out",
        ),
        (
            nn.Sequential(
                nn.Conv2d(2, 4, 3, padding=1, padding_mode="circular"),
                nn.ReLU(),
                nn.Flatten(),
                nn.Linear(256, 3),
            ),
            r"0 \(Conv2d\): pads with circular",
        ),
        (
            nn.Sequential(nn.Flatten(), nn.Linear(784, 3)),
            r"Sequential: does not take images of 2 × 8 × 8 .* name the data set",
        ),
        (
            nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU()),
            r"does not give a row of outputs for each image",
        ),
    ],
)
def test_refusals(module, line):
    with pytest.raises(UserError, match=line) as error:
        reading.read(module, SHAPE)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("forward", "line"),
    [
        (lambda c, x: c(x).relu() * 2, r"mul \(mul\): mul cannot be converted"),
        (lambda c, x: torch.sigmoid(c(x)), r"sigmoid \(sigmoid\): .* train with ReLU"),
        (lambda c, x: c(x).relu() + 1, r"add \(add\): adds a constant"),
        (lambda c, x: torch.add(c(x).relu(), x, alpha=2), r"add \(add\): adds a multiple"),
        (lambda c, x: torch.cat([c(x).relu(), x], dim=1), r"cat \(cat\): "),
        (lambda c, x: c(x).relu().mean(dim=1, keepdim=True), r"mean \(mean\): a mean over 1"),
    ],
)
def test_refusals_of_functions(forward, line):
    class Module(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.last = nn.Conv2d(2, 2, 3, padding=1), nn.LazyLinear(3)

        def forward(self, x):
            return self.last(forward(self.conv, x).flatten(1))

    module = Module()
    module(images())
    with pytest.raises(UserError, match=line) as error:
        reading.read(module, SHAPE)
    assert "\n" not in str(error.value)
