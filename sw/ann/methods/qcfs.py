"""QCFS: rate coding of an ANN that was trained with quantised activations, a reference.

The ANN's activation is quantised, clipped and shifted (:class:`sw.ann.modules.QCFS`), with a learnt
ceiling λ. Its neurons integrate and fire with the threshold λ, from a potential of half of it, so
that after as many steps as there were levels the expected error is 0.

Source: Bu et al., "Optimal ANN-SNN conversion for high-accuracy and ultra-low-latency spiking
neural networks", ICLR 2022 (arXiv 2303.04347).
"""

from dataclasses import dataclass

from torch import Tensor

from sw.ann.graph import Graph, Neuron
from sw.ann.methods.method import Method, Spiking, Thresholds
from sw.ann.methods.rate import IntegrateAndFire
from sw.cli import UserError

__all__ = ["Quantised"]


@dataclass(frozen=True, kw_only=True)
class Quantised(Method):
    """See above.

    Parameters
    ----------
    start : float, 0 … below 1
        Potential before the first step, as a share of the threshold.
    """

    start: float = 0.5

    def thresholds(self, graph: Graph, images: Tensor) -> Thresholds:
        result = {}
        for node in graph.neurons:
            if not isinstance(node.kind, Neuron) or node.kind.ceiling is None:
                raise UserError(
                    f"{node.name}: a ReLU, and method qcfs needs its own activation; train with "
                    "sw.train_ann --levels 8, or take another --method"
                )
            result[node.name] = images.new_tensor(node.kind.ceiling)
        return result

    def neurons(self, threshold: Tensor) -> Spiking:
        return IntegrateAndFire(threshold, self.start)
