"""``sstdp``: relative targets and a spike-timing window, full precision; a published baseline.

SSTDP, Liu et al., "SSTDP: Supervised Spike Timing Dependent Plasticity for Efficient Spiking Neural
Network Training", Frontiers in Neuroscience 2021, and the code that its authors published. It is
S4NN (``sw/rules/s4nn.py``) in batches, where a weight learns by when its two spikes came::

    C_ji = a · exp(−(t_j − t_i) / ρ)     if t_i ≤ t_j, strengthened as a cause
         = −b · exp(−(t_i − t_j) / ρ)    if t_i > t_j, weakened as none

with ρ = ∞ for a window without edges. The error goes back as in S4NN, along causes alone. Theirs,
in the script for MNIST: a = 1, b = 0, ρ = ∞, γ = 5, λ = 1e-6, T = 255, 784-400-10, batch 64 and
rate 10 on the mean of the batch, which is 0.16 for an image; ties counted as right. So there it
differs from S4NN in γ and the batch only, and with our γ for S4NN not at all.

Ours: a = 1 throughout, since it scales the rate; b and ρ as settings; rate 0.5 and λ = 5e-6; and
what ``sw/rules/relative.py`` names. It CANNOT be written as a network file.
"""

import math
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from sw.rules.s4nn import S4nn
from sw.rules.timing import Window

__all__ = ["Sstdp"]


class Sstdp(S4nn):
    """S4NN with a window.

    Parameters
    ----------
    lobe : float, at least 0
        b, height of the negative side.
    width : float, steps, above 0
        ρ, decay of the window.
    """

    name = "sstdp"

    def __init__(
        self,
        sizes: Sequence[int],
        steps: int,
        *,
        lobe: float = 0.0,
        width: float = math.inf,
        **settings: Any,
    ) -> None:
        super().__init__(sizes, steps, **settings)
        self.window = Window(lobe, width)

    def strength(self, before: Tensor, after: Tensor) -> Tensor:
        return self.window.strength(before, after, caused=super().strength(before, after))
