"""An ANN as a graph of five kinds of nodes: affine maps, sums, neurons, pooling, and its input.

A neuron is a ReLU, or a quantised activation in its place; but for max pooling all that is
nonlinear happens in neurons, and what is between them is affine. So a spiking network is the same
graph with other neurons, through which spikes of some size run instead of values.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from torch import Tensor

__all__ = ["INPUT", "Affine", "Graph", "Kind", "Neuron", "Node", "Pool", "Sum", "relu"]

INPUT = "input"
"""The name of what comes in: float [B, C, H, W] or [B, N], at least 0."""

Function: TypeAlias = Callable[[Tensor], Tensor]


@dataclass(frozen=True, kw_only=True, eq=False)
class Affine:
    """``linear(x) + bias``.

    Parameters
    ----------
    linear : function of Tensor
        Linear, each image by itself.
    bias : Tensor, or None
        Of the shape of an image's result, or one that is broadcast to it.
    """

    linear: Function
    bias: Tensor | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Sum:
    """The sum of all inputs: what a shortcut ends in."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Neuron:
    """``max(x, 0)``; with ``levels`` L and a ``ceiling`` λ, ``λ · clip(floor(x · L / λ + ½) / L, 0,
    1)`` (:class:`sw.ann.modules.QCFS`).

    Parameters
    ----------
    ceiling : float, above 0, or None
    levels : int, at least 1, or None
    """

    ceiling: float | None = None
    levels: int | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Pool:
    """Max pooling of values that are at least 0.

    Parameters
    ----------
    largest : function of Tensor
    """

    largest: Function


Kind: TypeAlias = Affine | Sum | Neuron | Pool


@dataclass(frozen=True, kw_only=True, eq=False)
class Node:
    """A value of the graph.

    Parameters
    ----------
    name : str
        Unlike all others.
    kind : Affine, Sum, Neuron or Pool
    inputs : tuple of str
        Names of nodes before this one, or :data:`INPUT`; of a Sum two or more, else one.
    shape : tuple of int
        Of an image's value.
    """

    name: str
    kind: Kind
    inputs: tuple[str, ...]
    shape: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Graph:
    """An ANN.

    Parameters
    ----------
    nodes : tuple of Node
        In an order in which they can be computed; the last one is the output, an Affine or a Sum of
        shape [classes].
    shape : tuple of int
        Of an image as it comes in.
    """

    nodes: tuple[Node, ...]
    shape: tuple[int, ...]
    _last: Mapping[str, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        last = {name: at for at, node in enumerate(self.nodes) for name in node.inputs}
        object.__setattr__(self, "_last", last)

    @property
    def neurons(self) -> tuple[Node, ...]:
        """Those that will spike, in order."""
        return tuple(node for node in self.nodes if isinstance(node.kind, Neuron))

    @property
    def classes(self) -> int:
        return self.nodes[-1].shape[0]

    def __getitem__(self, name: str) -> Node:
        return next(node for node in self.nodes if node.name == name)

    def walk(self, values: Tensor, compute: Callable[[Node, tuple[Tensor, ...]], Tensor]) -> Tensor:
        """The output, where ``compute`` gives each node's value of those of its inputs. A value is
        dropped when nobody needs it any more.
        """
        known = {INPUT: values}
        for at, node in enumerate(self.nodes):
            result = compute(node, tuple(known[name] for name in node.inputs))
            for name in {name for name in node.inputs if self._last[name] == at}:
                del known[name]
            known[node.name] = result
        return result

    def run(self, values: Tensor, neuron: Callable[[Node, Tensor], Tensor] | None = None) -> Tensor:
        """What the ANN answers to ``values`` [B, …]: [B, classes]. ``neuron`` stands in the
        place of :func:`relu`.
        """
        activation = neuron or relu

        def compute(node: Node, inputs: tuple[Tensor, ...]) -> Tensor:
            match node.kind:
                case Affine(linear=linear, bias=bias):
                    return linear(inputs[0]) if bias is None else linear(inputs[0]) + bias
                case Sum():
                    return sum(inputs[1:], inputs[0])
                case Pool(largest=largest):
                    return largest(inputs[0])
                case _:
                    return activation(node, inputs[0])

        return self.walk(values, compute)

    def activations(self, values: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """The value of each neuron for ``values``, by name, and the output."""
        found: dict[str, Tensor] = {}

        def keep(node: Node, potential: Tensor) -> Tensor:
            found[node.name] = relu(node, potential)
            return found[node.name]

        output = self.run(values, keep)
        return found, output


def relu(node: Node, potential: Tensor) -> Tensor:
    """What a neuron of the ANN makes of its ``potential``."""
    kind = node.kind
    if isinstance(kind, Neuron) and kind.ceiling is not None and kind.levels is not None:
        level = (potential * (kind.levels / kind.ceiling) + 0.5).floor().clamp(0, kind.levels)
        return level * (kind.ceiling / kind.levels)
    return potential.relu()
