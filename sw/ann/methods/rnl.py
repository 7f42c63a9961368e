"""Rate coding with the Rate Norm Layer: thresholds are learnt for a fast answer.

A rate is ``r = clamp(relu(x) / v, 0, 1)`` with ``v = running maximum · σ(p)``. First p is such that
nothing is clipped; then p of each layer is trained, weights fixed, on ``1 − cos`` of the network's
outputs with and without the clipping, plus λ times the mean over layers of ``Ω = Σr / (‖r‖² + ε)``,
which bounds how long rates take to settle. A lower threshold makes higher rates, which settle
sooner, and clips more.

Source: Ding et al., "Optimal ANN-SNN conversion for fast and accurate inference in deep spiking
neural networks", IJCAI 2021 (arXiv 2105.11654).
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from sw.ann.graph import Graph, Node, relu
from sw.ann.methods.method import Method, Spiking, Thresholds, largest
from sw.ann.methods.rate import IntegrateAndFire

__all__ = ["RateNorm", "fit_term"]

_EPSILON = 1e-6
_OPEN = 4.0  # p at the start: σ(4) is 0.98
_BATCH = 100


@dataclass(frozen=True, kw_only=True)
class RateNorm(Method):
    """See above.

    Parameters
    ----------
    weight : float, at least 0
        λ, of the term Ω.
    updates : int, at least 1
        Steps of the optimizer (Adam) that train p.
    rate : float, 0 … 1000
        Its learning rate.
    start : float, 0 … below 1
        Potential before the first step, as a share of the threshold.
    """

    weight: float = 0.001
    updates: int = 200
    rate: float = 0.05
    start: float = 0.0

    def thresholds(self, graph: Graph, images: Tensor) -> Thresholds:
        by_name = largest(graph, images)
        names, most = list(by_name), torch.stack(list(by_name.values()))
        with torch.enable_grad():
            share = torch.full_like(most, _OPEN).requires_grad_()
            optimizer = torch.optim.Adam([share], lr=self.rate)
            for update in range(self.updates):
                first = update * _BATCH % max(1, len(images) - _BATCH + 1)
                loss = self._loss(graph, images[first : first + _BATCH], names, most, share)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        found = (most * share.sigmoid()).detach()
        return dict(zip(names, found.unbind(), strict=True))

    def neurons(self, threshold: Tensor) -> Spiking:
        return IntegrateAndFire(threshold, self.start)

    def _loss(
        self, graph: Graph, images: Tensor, names: list[str], most: Tensor, share: Tensor
    ) -> Tensor:
        terms = []
        scales = dict(zip(names, (most * share.sigmoid()).unbind(), strict=True))

        def clipped(node: Node, potential: Tensor) -> Tensor:
            scale = scales[node.name]
            rate = (relu(node, potential) / scale).clamp(0, 1)
            terms.append(fit_term(rate))
            return rate * scale

        with torch.no_grad():
            wanted = graph.run(images)
        found = graph.run(images, clipped)
        distance = 1 - cosine_similarity(found, wanted, dim=1)
        return distance.mean() + self.weight * torch.stack(terms).mean()


def fit_term(rates: Tensor) -> Tensor:
    """Ω of a layer's ``rates`` [B, …], 0 … 1: the mean over images of ``Σr / (‖r‖² + ε)``."""
    flat = rates.flatten(1)
    return (flat.sum(dim=1) / (flat.square().sum(dim=1) + _EPSILON)).mean()
