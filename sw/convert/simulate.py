"""Runs a source step by step and decides as a network does (docs/spec.md, rule 5), in the source's
own arithmetic. NumPy only.
"""

from collections.abc import Callable

import numpy as np

from sw.encoder import Spikes
from sw.network import Network

__all__ = ["Stepper", "simulate"]

Stepper = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Called in each step with that step's spikes, counts int [B, N_in]: which outputs fire or have
fired, bool [B, N_out], and how far each is above its threshold, float [B, N_out].
"""


def simulate(spikes: Spikes, network: Network, step: Stepper) -> np.ndarray:
    """The class of each example, int [B]: of the outputs that fire first, the one that is furthest
    above its threshold; where none fires, of all outputs in the last step.
    """
    decided = np.full(spikes.count, -1)
    for time in range(network.steps):
        now = spikes.step == time
        counts = np.zeros((spikes.count, network.encoder.inputs), np.int64)
        np.add.at(counts, (spikes.image[now], spikes.unit[now]), 1)
        fires, margin = step(counts)
        new = (decided < 0) & fires.any(axis=1)
        decided[new] = np.where(fires, margin, -np.inf)[new].argmax(axis=1)
    silent = decided < 0
    decided[silent] = margin[silent].argmax(axis=1)
    return decided
