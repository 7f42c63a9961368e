"""What the kernels take of a rule: numbers and tensors. Needs no Triton, knows no rule.

A rule whose equations are those of ``sw/rules/bstdg.py`` fills these in and calls
:func:`sw.rules.kernels.fused.gradients`. Every layer is an object of its own, so that a layer of
another kind is another class here and the kernels that take it.
"""

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

__all__ = ["Dense", "Draws", "Settings"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What holds for all layers.

    Parameters
    ----------
    steps : int, 1 … 2¹⁵ − 1
        T.
    binary : bool
        Spikes meet the sign of a weight, not the weight itself.
    lead : float, steps
        δ.
    time_unit : float, steps
        β.
    margin_gain, later_gain : float
        λ and λ₂.
    later_from_start : bool
        The random step is drawn from 0 … T−1 instead of t* … T−1.
    smoothing : float, 0 … 1
        Label smoothing.
    silent_decay, fired_decay : float
        κ and κ'.
    """

    steps: int
    binary: bool
    lead: float
    time_unit: float
    margin_gain: float
    later_gain: float
    later_from_start: bool
    smoothing: float
    silent_decay: float
    fired_decay: float


class Dense(NamedTuple):
    """The parameters of a fully connected layer."""

    weight: Tensor  # latent w, float32 [N_out, N_in]
    threshold: Tensor  # θ, float32 [N_out]
    spread: Tensor  # s, float32 []


class Draws(NamedTuple):
    """The random numbers of one batch."""

    noise: list[Tensor]  # on each layer's thresholds, in units of its spread: [B, N] or [B, 1]
    later: Tensor  # 0 … 1, where the random step lies, [B, 1]
