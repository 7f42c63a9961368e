"""Small ANNs for tests."""

from itertools import pairwise

import torch
from torch import nn

from sw.ann import reading
from sw.ann.architectures import activation_of, build
from sw.ann.modules import Normalise


def settled(module, seed=0):
    """``module`` with batch norms as if it had learnt, in evaluation."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(like, low, high):
        return low + (high - low) * torch.rand(like.shape, generator=generator)

    for part in module.modules():
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
            part.running_mean.copy_(uniform(part.running_mean, -0.3, 0.3))
            part.running_var.copy_(uniform(part.running_var, 0.3, 1.5))
            with torch.no_grad():
                part.weight.copy_(uniform(part.weight, 0.5, 1.5))
                part.bias.copy_(uniform(part.bias, -0.3, 0.3))
    return module.eval()


def ann(layers, shape=(1, 8, 8), classes=4, levels=0, seed=0):
    """A module of these layers."""
    torch.manual_seed(seed)
    normalise = Normalise([0.4] * shape[0], [0.3] * shape[0])
    return settled(build(layers, shape, classes, activation_of(levels), normalise), seed)


def dense(*layers, dtype=torch.float64):
    """The graph of (weights, biases, threshold), and its thresholds."""
    parts = []
    for weights, biases, _ in layers:
        linear = nn.Linear(len(weights[0]), len(weights)).to(dtype)
        with torch.no_grad():
            linear.weight.copy_(torch.tensor(weights, dtype=dtype))
            linear.bias.copy_(torch.tensor(biases, dtype=dtype))
        parts += [linear, nn.ReLU()]
    graph = reading.read(nn.Sequential(*parts[:-1]), (len(layers[0][0][0]), 1, 1))
    thresholds = {
        node.name: torch.tensor(layer[2], dtype=dtype)
        for node, layer in zip(graph.neurons, layers, strict=False)
    }
    return graph, thresholds


def random_layers(sizes, seed):
    """Layers as ``dense`` takes them, with random weights."""
    generator = torch.Generator().manual_seed(seed)
    return [
        (
            torch.randn(after, before, generator=generator, dtype=torch.float64).tolist(),
            (0.3 * torch.randn(after, generator=generator, dtype=torch.float64)).tolist(),
            0.6,
        )
        for before, after in pairwise(sizes)
    ]
