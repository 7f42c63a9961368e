"""``s4nn``: full precision, one fixed threshold, relative targets; a published baseline.

S4NN, Kheradpisheh and Masquelier, "Temporal backpropagation for spiking neural networks with one
spike per neuron", International Journal of Neural Systems 2020, and the code that its authors
published. The equations are in ``sw/rules/relative.py``. Theirs: θ = 100, weights that start
uniform in 0 … 5 (hidden) and 0 … 48 (output), and that hidden units which fired on fewer than a
thousandth of the images of an epoch are drawn anew. They take γ = 3, rate 0.2, λ = 1e-6, T = 256,
784-400-10, a batch of one, and report the best of 100 epochs on test images, ties counted as right.

Ours: γ = 5, rate 0.5 and λ = 5e-6; that the epoch is the last 60,000 images, which is MNIST's; and
what ``sw/rules/relative.py`` names.

It is trained and measured in floating point and CANNOT be written as a network file.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from sw.rules.relative import RelativeTargets

__all__ = ["S4nn"]

_RARE = 0.001  # share of the images


class S4nn(RelativeTargets):
    """Relative targets with real weights.

    Parameters
    ----------
    patience : int, at least 1
        Images after which hidden units that hardly fired on them are drawn anew.
    """

    name = "s4nn"
    rate = 0.5
    binary = False
    images: Tensor

    def __init__(
        self,
        sizes: Sequence[int],
        steps: int,
        *,
        patience: int = 60_000,
        **settings: Any,
    ) -> None:
        super().__init__(sizes, steps, **settings)
        self.patience = patience
        self.register_buffer("images", torch.zeros((), dtype=torch.int64))
        for index, units in enumerate(self.sizes[1:-1]):
            self.register_buffer(f"fired{index}", torch.zeros(units, dtype=torch.int64))

    def used(self, index: int) -> tuple[Tensor, Tensor | float]:
        return self.weights[index], self.theta(index)

    def run(self, inputs: Tensor) -> list[Tensor]:
        fired = super().run(inputs)
        self.images += len(inputs)
        for index, times in enumerate(fired[1:-1]):
            self._fired(index).add_((times < self.steps).sum(dim=0))
        return fired

    @torch.no_grad()
    def constrain(self) -> None:
        """Draws units anew, when it is time."""
        due = self.images >= self.patience
        for index, weight in enumerate(self.weights[:-1]):
            rare = due & (self._fired(index) < _RARE * self.images)
            anew = self.ranges[index] * torch.rand_like(weight)
            weight.copy_(torch.where(rare[:, None], anew, weight))
            self._fired(index).mul_(~due)
        self.images.mul_(~due)

    @torch.no_grad()
    def layers(self) -> list[tuple[Tensor, Tensor]]:
        return [
            (weight.clone(), weight.new_ones(len(weight)) * self.theta(index))
            for index, weight in enumerate(self.weights)
        ]

    def _fired(self, index: int) -> Tensor:
        """On how many images each unit of hidden layer ``index`` has fired, [N]."""
        return getattr(self, f"fired{index}")
