"""One neuron, step by step: what comes in and what it sends, by several methods."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from sw.ann.graph import Graph, Node
from sw.ann.methods import Method, Thresholds
from sw.ann.simulate import Batch

__all__ = ["Trace", "follow", "misled"]


@dataclass(frozen=True, kw_only=True)
class Trace:
    """A neuron in each step.

    Parameters
    ----------
    current, spoken : tuple of float
        What is added to its potential, and what its spike stands for, 0 without one.
    period : int, steps
        Of the method.
    """

    current: tuple[float, ...]
    spoken: tuple[float, ...]
    period: int


@torch.no_grad()
def misled(
    graph: Graph, method: Method, thresholds: Thresholds, values: Tensor, steps: int
) -> tuple[Node, int]:
    """The layer and the unit (its index in the flattened layer) that should be silent for the image
    ``values`` [1, …] and says most by ``method``: the worst spikes of an inactivated neuron.
    """
    activations, _ = graph.activations(values)
    said = {name: torch.zeros_like(value) for name, value in activations.items()}

    def spiked(node: Node, spikes: Tensor, value: Tensor) -> None:
        said[node.name] += value

    run = Batch(graph, method, thresholds, values)
    for _ in range(steps):
        run.advance(spiked)
    wrong = {
        name: (value * (activations[name] <= 0) / thresholds[name]).flatten()
        for name, value in said.items()
    }
    name = max(wrong, key=lambda each: float(wrong[each].max()))
    return graph[name], int(wrong[name].argmax())


@torch.no_grad()
def follow(
    graph: Graph,
    methods: Mapping[str, tuple[Method, Thresholds]],
    values: Tensor,
    node: Node,
    unit: int,
    steps: int,
) -> dict[str, Trace]:
    """The neuron ``unit`` of the layer ``node``, for the image ``values`` [1, …]."""
    return {
        name: _follow(graph, method, thresholds, values, node, unit, steps)
        for name, (method, thresholds) in methods.items()
    }


def _follow(
    graph: Graph,
    method: Method,
    thresholds: Thresholds,
    values: Tensor,
    node: Node,
    unit: int,
    steps: int,
) -> Trace:
    current: list[float] = []
    spoken: list[float] = []

    def spiked(layer: Node, spikes: Tensor, value: Tensor) -> None:
        if layer.name == node.name:
            spoken.append(float(value.flatten()[unit]))

    def heard(layer: Node, value: Tensor) -> None:
        if layer.name == node.name:
            current.append(float(value.flatten()[unit]))

    run = Batch(graph, method, thresholds, values, heard=heard)
    for _ in range(steps):
        run.advance(spiked)
    return Trace(current=tuple(current), spoken=tuple(spoken), period=method.period)
