"""Early decision of bistable networks: when nothing that still comes can change the class.

Bits come most significant first. While the output layer listens and r phases are left, unit j has
heard ``P_j``, and to come are values ρ in 0 … 2^r − 1, which nobody knows yet. What they can take
from the lead of the class w over j is at most ::

    (2^r − 1) · D[w, j],   D[w, j] = Σ_i max(0, g_j b_ji − g_w b_wi) + gain of j's shortcut

a constant of the weights. The class is certain once ``P_w − P_j`` exceeds that for every j (or
equals it, where w has the lower index and wins a tie). So it is never another class than after the
last phase. NumPy and integers only.
"""

from collections.abc import Sequence

import numpy as np

from sw.network import Layer

__all__ = ["bound", "certain_phase"]


def bound(layer: Layer) -> np.ndarray:
    """D of an output layer, int64 [N, N], by class and other unit."""
    positive = layer.weight.astype(np.float64)  # counts of up to 2^53, exact
    gain = layer.gain.astype(np.int64)

    def together(ours: np.ndarray, others: np.ndarray) -> np.ndarray:
        """Inputs that have both, for each class and other unit."""
        return (ours @ others.T).astype(np.int64)

    difference = gain[None, :] - gain[:, None]  # g_j − g_w
    worst = (
        together(positive, positive) * np.maximum(difference, 0)
        + together(1 - positive, 1 - positive) * np.maximum(-difference, 0)
        + together(1 - positive, positive) * (gain[None, :] + gain[:, None])
    )
    if layer.kind.shortcut is not None:
        worst += layer.kind.shortcut.gain
    return worst


def certain_phase(heard: Sequence[np.ndarray], bound: np.ndarray) -> np.ndarray:
    """The phase, 0 … K − 1, from whose end on the class is certain, int64 [B].

    Parameters
    ----------
    heard : K arrays int [B, N]
        Potentials of the output units at the end of each phase.
    bound : int64 [N, N]
        :func:`bound` of the layer.
    """
    steps = len(heard)
    phase = np.full(len(heard[0]), steps - 1)
    for k in reversed(range(steps - 1)):
        potential = heard[k].astype(np.int64)
        best = potential.argmax(axis=1)
        lead = potential[np.arange(len(best)), best][:, None] - potential
        spare = lead - ((1 << (steps - 1 - k)) - 1) * bound[best]
        others = np.arange(potential.shape[1])[None, :]
        safe = (spare > 0) | ((spare == 0) & (others > best[:, None])) | (others == best[:, None])
        phase[safe.all(axis=1)] = k
    return phase
