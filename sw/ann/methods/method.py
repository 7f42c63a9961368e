"""What a method decides: the thresholds of an ANN's neurons, how values become spikes, and when.

Time goes in periods of so many steps. In step t a method gives the share s(t) of a value; the
shares of a period add up to 1. A spike of a neuron with the threshold v in step t stands for
v · s(t), and that is also what a potential must reach. So all methods are one simulation
(:mod:`sw.ann.simulate`) with different neurons.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict
from typing import ClassVar, Protocol, TypeAlias

from torch import Tensor

from sw.ann.graph import Graph, Neuron
from sw.rules.settings import check, settings_of

__all__ = ["Method", "Spiking", "Thresholds", "full_scales", "largest", "percentiles"]

Thresholds: TypeAlias = Mapping[str, Tensor]
"""Of each neuron of a graph, by name: a scalar, or one per channel that is broadcast."""

_DEAD = 1e-3  # least threshold of a channel, as a share of its layer's largest


class Spiking(Protocol):
    """Neurons of a layer, for one batch of images, with their potentials."""

    def step(self, current: Tensor, step: int) -> tuple[Tensor, Tensor]:
        """Spikes bool and what they stand for, both of the shape of ``current``, which came in
        this step, 0 … .
        """


class Method(ABC):
    """A way to code values in spikes. Subclasses are frozen dataclasses of settings, each named
    only.
    """

    waits: ClassVar[bool] = False
    """A neuron hears a whole period before it speaks: the next layer hears it a period later."""

    synchronous: bool = True
    """Of a method that waits: whether shortcuts are held back for as many periods as the path
    beside them takes."""

    def __post_init__(self) -> None:
        check(type(self).__name__, settings_of(type(self)), self.settings())

    def settings(self) -> dict[str, float]:
        """All settings, by name, as numbers: of truth values 0 and 1."""
        given = asdict(self)  # type: ignore[call-overload]  # subclasses are dataclasses
        return {name: int(v) if isinstance(v, bool) else v for name, v in given.items()}

    @property
    def period(self) -> int:
        """Steps."""
        return 1

    def share(self, step: int) -> float:
        """s of a step, 0 … ."""
        return 1.0

    def code(self, values: Tensor, step: int) -> Tensor | None:
        """What an input of ``values`` in 0 … 1 gives in a step, if that is not ``values · s``."""
        return None

    @abstractmethod
    def thresholds(self, graph: Graph, images: Tensor) -> Thresholds:
        """Found on ``images`` float [B, …] of the training set."""

    @abstractmethod
    def neurons(self, threshold: Tensor) -> Spiking:
        """Neurons of a layer, before the first step."""


def percentiles(
    graph: Graph, images: Tensor, percentile: float, *, per_channel: bool = False
) -> dict[str, Tensor]:
    """The ``percentile``, 0 … 100, of each neuron's activations; ``per_channel`` one per channel or
    unit.

    Source: Rueckauer et al., "Conversion of continuous-valued deep networks to efficient
    event-driven networks for image classification", Frontiers in Neuroscience 2017, section 2.2.2.
    """
    result = {}
    for name, values in graph.activations(images)[0].items():
        rows = values.transpose(0, 1).flatten(1) if per_channel else values.flatten()[None]
        place = max(1, round(rows.shape[1] * percentile / 100))
        found = rows.float().kthvalue(place, dim=1).values
        least = _DEAD * values.max().clamp(min=1e-6)
        found = found.clamp(min=float(least))
        result[name] = found.reshape(-1, *(1,) * (values.ndim - 2)) if per_channel else found[0]
    return result


def full_scales(
    graph: Graph, images: Tensor, percentile: float, *, per_channel: bool
) -> dict[str, Tensor]:
    """As :func:`percentiles`; but of a neuron that clips its values itself, where it does so."""
    result = percentiles(graph, images, percentile, per_channel=per_channel)
    for node in graph.neurons:
        if isinstance(node.kind, Neuron) and node.kind.ceiling is not None:
            result[node.name] = images.new_tensor(node.kind.ceiling)
    return result


def largest(graph: Graph, images: Tensor) -> dict[str, Tensor]:
    """The largest activation of each layer."""
    return percentiles(graph, images, 100.0)
