"""``bs4nn``: binary weights with one scale for each layer, relative targets; a published baseline.

BS4NN, Kheradpisheh, Mirsadeghi and Masquelier, "BS4NN: Binarized Spiking Neural Networks with
Temporal Coding and Learning", Neural Processing Letters 2022, and the code that its authors
published. The equations are in ``sw/rules/relative.py``, but that spikes meet ``α sign(w)``, α one
trained scale for each layer, while errors go back through the latent w itself::

    V_j(t) = Σ_i sign(w_ji) · 1[t_i ≤ t] > θ / α
    ∂L/∂α  = mean over i, j of Σ_images δ̂_j C_ji sign(w_ji)

V is an integer, so hardware gets the threshold ``floor(θ / α) + 1``, the same for all units of a
layer.
Theirs: θ = 100, α = 5 at the start, weights as S4NN starts them (all positive), no clipping, the
mean in ∂L/∂α and its rate, a tenth of the weights'. They take γ = 1, rate 0.1, λ = 0, T = 256,
784-600-10, a batch of one, and report the best of 200 epochs on test images, ties counted as right.

Ours: γ = 5, rate 0.5 and λ = 5e-6; S4NN's target where no output fires (theirs is T for all, so
that a network which falls silent never learns again); and what ``sw/rules/relative.py`` names.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sw.rules.neuron import sign
from sw.rules.relative import RelativeTargets
from sw.rules.rule import Group

__all__ = ["Bs4nn"]


class Bs4nn(RelativeTargets):
    """Relative targets with binary weights.

    Parameters
    ----------
    scale : float, above 0
        α at the start; with θ / α beyond the units of the layer before, no unit could ever fire.
    scale_factor : float, 0 … 10000
        Learning rate of α over that of weights.
    """

    name = "bs4nn"
    rate = 0.5

    def __init__(
        self,
        sizes: Sequence[int],
        steps: int,
        *,
        scale: float = 5.0,
        scale_factor: float = 0.1,
        **settings: Any,
    ) -> None:
        super().__init__(sizes, steps, **settings)
        self.scale_factor = scale_factor
        self.scales = nn.ParameterList(nn.Parameter(torch.tensor(scale)) for _ in self.weights)

    def groups(self) -> list[Group]:
        scales = {"params": list(self.scales), "factor": self.scale_factor}
        return [*super().groups(), scales]

    def used(self, index: int) -> tuple[Tensor, Tensor]:
        threshold = (self.theta(index) / self.scales[index]).floor() + 1
        return sign(self.weights[index]), threshold

    def learn(self, index: int, gradient: Tensor) -> None:
        super().learn(index, gradient)
        self.scales[index].grad = (gradient * sign(self.weights[index])).mean()

    @torch.no_grad()
    def constrain(self) -> None:
        for scale in self.scales:
            scale.clamp_(min=1e-3)  # a threshold stays positive

    @torch.no_grad()
    def layers(self) -> list[tuple[Tensor, Tensor]]:
        result = []
        for index in range(len(self.weights)):
            weight, threshold = self.used(index)
            result.append((weight, threshold.to(torch.int32).expand(len(weight)).clone()))
        return result
