"""``stdg``: the full-precision parent of ``bstdg``, to show what 1-bit weights cost.

STDG (BioCAS 2023) by the authors of BSTDG; only its abstract was available to us, so this is the
rule of ``sw/rules/bstdg.py`` word for word, but that spikes meet the latent weight itself::

    V_j(t) = Σ_i w_ji · 1[t_i ≤ t]        h_i = Σ_j w_ji Σ_t g_j(t) · 1[e_i ≤ t]

Weights are not clipped and thresholds stay real. It is trained and measured in floating point and
CANNOT be written as a network file: hardware has 1-bit weights only.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from sw.rules.bstdg import Bstdg

__all__ = ["Stdg"]


class Stdg(Bstdg):
    """``Bstdg`` with real weights. Its settings are the same; a potential's spread is about a
    sixth of the binary one's (weights start in ±0.3), and so is the rate of thresholds.
    """

    name = "stdg"
    maps = False
    rate = 0.003
    binary = False

    def __init__(
        self,
        sizes: Sequence[int],
        steps: int,
        *,
        threshold_factor: float = 10.0,
        **settings: Any,
    ) -> None:
        super().__init__(sizes, steps, threshold_factor=threshold_factor, **settings)

    def used(self, weight: Tensor) -> Tensor:
        return weight

    def constrain(self) -> None:
        pass

    @torch.no_grad()
    def layers(self) -> list[tuple[Tensor, Tensor]]:
        return [(w.clone(), t.clone()) for w, t in zip(self.weights, self.thresholds, strict=True)]
