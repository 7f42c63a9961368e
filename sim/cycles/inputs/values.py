"""The cycles of hw.rtl.inputs.values."""

import numpy as np

from hw.rtl.inputs.values import Values
from sw.encoder import Inputs

__all__ = ["taken"]


def taken(
    source: Values, inputs: Inputs, steps: int, spike_cycles: int, busy_with: None = None
) -> np.ndarray:
    """Cycles from the last pixel until its arrival is taken, int64 [B]: none waits."""
    return np.full(len(inputs), source.latency, np.int64)
