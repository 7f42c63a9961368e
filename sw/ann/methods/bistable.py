"""Bistable neurons, after BSNN: a neuron has two states. It listens for one period of K steps, then
speaks in the next, most significant bit first, of the potential that the whole period has given.

So no spike is sent on half of the input: after one period a value is exact to K bits, and what is 0
stays silent. A twin register listens while the other speaks, so every period is heard and spoken. A
layer's answer comes a period after its input's; a *synchronous* neuron holds a shortcut back for as
many periods as the path beside it takes. What a period leaves of the potential goes into the next
one: each further period adds to the precision.

The idea is that of Li, Zeng and Zhao, "BSNN: Towards faster and better conversion of artificial
neural networks to spiking neural networks with bistable neurons", 2021 (arXiv 2105.12917); the
construction is ours, from its abstract. In integers, with
weights of one bit, it is docs/spec.md's third part.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from sw.ann.methods.method import Spiking
from sw.ann.methods.phase import Phase, PhaseNeurons

__all__ = ["Bistable", "BistableNeurons"]


@dataclass(frozen=True, kw_only=True)
class Bistable(Phase):
    """See above.

    Parameters
    ----------
    synchronous : bool
        Shortcuts have synchronous neurons.
    """

    waits = True

    synchronous: bool = True

    def neurons(self, threshold: Tensor) -> Spiking:
        return BistableNeurons(self, threshold)


class BistableNeurons(PhaseNeurons):
    """A :class:`sw.ann.methods.method.Spiking`."""

    _heard: Tensor | None = None

    def step(self, current: Tensor, step: int) -> tuple[Tensor, Tensor]:
        if self._potential is None or self._heard is None:
            self._potential, self._heard = self._first(current), torch.zeros_like(current)
        self._heard.add_(current)
        result = self._speak(self._potential, step)
        if (step + 1) % self._method.period == 0:  # the two states change places
            self._potential.add_(self._heard)
            self._heard.zero_()
        return result
