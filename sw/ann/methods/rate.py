"""Rate coding: a value is the share of steps in which a neuron fires.

Integrate-and-fire neurons with a soft reset (the threshold is subtracted, so that no charge is
lost), thresholds balanced by a percentile of the ANN's activations. Sources: Diehl et al.,
"Fast-classifying, high-accuracy spiking deep networks through weight and threshold balancing",
IJCNN 2015; Rueckauer et al. 2017 (percentile, soft reset).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from sw.ann.graph import Graph
from sw.ann.methods.method import Method, Spiking, Thresholds, full_scales

__all__ = ["IntegrateAndFire", "Rate"]


@dataclass(frozen=True, kw_only=True)
class Rate(Method):
    """See above.

    Parameters
    ----------
    percentile : float, 1 … 100
        Of a layer's activations: what a spike in every step stands for.
    per_channel : bool
        Each channel has its own threshold.
    start : float, 0 … below 1
        Potential before the first step, as a share of the threshold; 0.5 rounds to nearest.
    """

    percentile: float = 99.9
    per_channel: bool = False
    start: float = 0.0

    def thresholds(self, graph: Graph, images: Tensor) -> Thresholds:
        return full_scales(graph, images, self.percentile, per_channel=self.per_channel)

    def neurons(self, threshold: Tensor) -> Spiking:
        return IntegrateAndFire(threshold, self.start)


class IntegrateAndFire:
    """A :class:`sw.ann.methods.method.Spiking`: no leak, and a soft reset.

    Parameters
    ----------
    threshold : Tensor
    start : float
        As :class:`Rate` has it.
    """

    def __init__(self, threshold: Tensor, start: float) -> None:
        self._threshold, self._start = threshold, start
        self._potential: Tensor | None = None

    def step(self, current: Tensor, step: int) -> tuple[Tensor, Tensor]:
        if self._potential is None:
            self._potential = torch.zeros_like(current) + self._start * self._threshold
        potential = self._potential.add_(current)
        spikes = potential >= self._threshold
        value = spikes * self._threshold
        potential.sub_(value)
        return spikes, value
