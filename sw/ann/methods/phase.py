"""Phase coding: a spike in phase k of a period of K stands for ``2^(K−1−k)`` parts of ``2^K − 1``
of the threshold, so that the most significant bit comes first and a period carries K bits.

Neurons fire as soon as their potential allows, on what they have heard so far. So a neuron that
should stay silent fires where positive input leads the negative one that cancels it; it also fires
too late where input lags. Both are made up for in later periods, on average. Source: Kim et al.,
"Deep neural networks with weighted spikes", Neurocomputing 2018.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from sw.ann.graph import Graph
from sw.ann.methods.method import Method, Spiking, Thresholds, full_scales

__all__ = ["Phase", "PhaseNeurons"]


@dataclass(frozen=True, kw_only=True)
class Phase(Method):
    """See above.

    Parameters
    ----------
    phases : int, 1 … 16
        K, steps of a period.
    percentile : float, 1 … 100
        Of a layer's activations: what spikes in all phases stand for. A neuron that
        clips its values itself has its own.
    per_channel : bool
        Each channel has its own threshold.
    start : float, 0 … below 1
        Potential before the first step, in units of the last phase's threshold; 0.5 rounds to
        nearest.
    coded : bool
        Pixels are spikes too, of K bits; else a pixel gives its value times the phase's share in
        each step.
    """

    phases: int = 4
    percentile: float = 99.9
    per_channel: bool = False
    start: float = 0.5
    coded: bool = False

    @property
    def period(self) -> int:
        return self.phases

    def share(self, step: int) -> float:
        """``2^(K−1−k) / (2^K − 1)`` with ``k = step mod K``."""
        return float(2 ** (self.phases - 1 - step % self.phases) / (2**self.phases - 1))

    def code(self, values: Tensor, step: int) -> Tensor | None:
        if not self.coded:
            return None
        number = (values * (2**self.phases - 1)).round().to(torch.int32)
        bit = (number >> (self.phases - 1 - step % self.phases)) & 1
        return bit.to(values) * self.share(step)

    def thresholds(self, graph: Graph, images: Tensor) -> Thresholds:
        return full_scales(graph, images, self.percentile, per_channel=self.per_channel)

    def neurons(self, threshold: Tensor) -> Spiking:
        return PhaseNeurons(self, threshold)


class PhaseNeurons:
    """A :class:`sw.ann.methods.method.Spiking`.

    Parameters
    ----------
    method : Phase
    threshold : Tensor
    """

    def __init__(self, method: Phase, threshold: Tensor) -> None:
        self._method, self._threshold = method, threshold
        self._potential: Tensor | None = None

    def step(self, current: Tensor, step: int) -> tuple[Tensor, Tensor]:
        if self._potential is None:
            self._potential = self._first(current)
        self._potential.add_(current)
        return self._speak(self._potential, step)

    def _first(self, current: Tensor) -> Tensor:
        """The potential before the first step."""
        method = self._method
        least = self._threshold * method.share(method.phases - 1)
        return torch.zeros_like(current) + method.start * least

    def _speak(self, potential: Tensor, step: int) -> tuple[Tensor, Tensor]:
        """Spikes of a step, and what they stand for, which is taken from ``potential``."""
        size = self._threshold * self._method.share(step)
        spikes = potential >= size
        value = spikes * size
        potential.sub_(value)
        return spikes, value
