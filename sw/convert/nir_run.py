"""Runs a chain of NIR nodes by their equations, see ``docs/own_network.md``. NumPy only."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from sw.convert.simulate import Stepper

__all__ = ["stepper"]


def stepper(chain: Sequence[tuple[str, Any]], latched: bool) -> Stepper:
    """Simulates the graph by NIR's equations with Δt = 1, in float64."""
    potentials: dict[str, np.ndarray] = {}
    fired: dict[str, np.ndarray] = {}
    last = chain[-1][0]

    def step(spikes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        values = spikes.astype(np.float64)
        for key, node in chain:
            if type(node).__name__ in ("Linear", "Affine"):
                values = values @ np.asarray(node.weight, np.float64).T
                values = values + getattr(node, "bias", 0.0)
            elif type(node).__name__ == "Scale":
                values = values * np.ravel(node.scale)
            else:
                before = potentials.get(key, 0.0) + node.r.astype(np.float64) * values
                spike = before > node.v_threshold
                potentials[key] = np.where(spike, node.v_reset, before)
                seen = fired.get(key, np.zeros_like(spike))
                fired[key] = seen | spike
                values = (spike & ~seen if latched and key != last else spike).astype(np.float64)
        return fired[last], before - node.v_threshold

    return step
