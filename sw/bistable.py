"""Bistable networks (docs/spec.md, third part): the bounds that their layers must keep.

A unit's potential is ``U = c + g · Σ b a + gain of the shortcut · a``, of values a in
0 … 2^K − 1. NumPy only.
"""

import numpy as np

from sw import limits
from sw.structure import Conv, Dense, Kind, Map, Pooling

__all__ = ["highest", "layer_fault", "reach"]


def highest(steps: int) -> int:
    """The largest value of K = ``steps`` bits."""
    return (1 << steps) - 1


def reach(
    kind: Dense | Conv, inputs: Map, steps: int, *, bias: np.ndarray, gain: np.ndarray
) -> np.ndarray:
    """What the potential of each unit or channel never exceeds, of either sign: int64 [rows].

    Parameters
    ----------
    inputs : Map
        Of the layer.
    steps : int
        K.
    bias, gain : int [rows]
        c and g.
    """
    _, fan_in = kind.weights(inputs)
    past = kind.shortcut.gain if kind.shortcut is not None else 0
    summed = gain.astype(np.int64) * fan_in + past
    return np.abs(bias.astype(np.int64)) + summed * highest(steps)


def layer_fault(
    kind: Kind,
    inputs: Map,
    steps: int,
    *,
    threshold: np.ndarray,
    bias: np.ndarray,
    gain: np.ndarray,
    last: bool,
) -> str | None:
    """What is wrong with a layer of a bistable network, as a message; None if nothing is.

    Parameters
    ----------
    inputs : Map
        Of the layer.
    steps : int
        K.
    threshold, bias, gain : int32 [rows]
        θ, c and g of each unit or channel.
    last : bool
        It is the last layer, whose thresholds are 1.
    """
    if isinstance(kind, Pooling):
        return None
    if (low := threshold < 1).any():
        return f"thresholds must be at least 1, not {threshold[low][0]}"
    if last and (other := threshold != 1).any():
        return f"thresholds of the last layer must be 1, not {threshold[other][0]}"
    if (odd := (gain < 1) | (gain & (gain - 1) != 0)).any():
        return f"gains must be powers of two, not {gain[odd][0]}"
    most = reach(kind, inputs, steps, bias=bias, gain=gain)
    # A unit that speaks compares with θ · 2^(K − 1) first
    largest = max(int(most.max()), int(threshold.max()) << (steps - 1))
    if largest > limits.POTENTIAL:
        return (
            f"potentials may reach {largest:,} with {steps} steps, beyond 31 bits; take fewer "
            "steps, fewer inputs or smaller gains"
        )
    return None
