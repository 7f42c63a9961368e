"""Potentials as bits: how far a margin ``V − θ`` can reach, and how it starts.

A potential is kept as its margin: then a unit has reached its threshold if the sign bit is clear.
V has the parity of the number of spikes so far, so engines may keep half of the margin only.
"""

import numpy as np
from amaranth.hdl import Shape, signed
from amaranth.utils import bits_for

from sw.network import Layer

__all__ = ["half_width", "halved", "margin_bounds", "margin_shapes"]


def margin_bounds(layer: Layer, most_spikes: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The lowest and the highest ``V − θ`` of each unit, int64 [N_out] each.

    Where each input fires at most once, V is between minus the number of −1 weights and the number
    of +1 weights. Where inputs may fire more often, ``most_spikes`` times in all, it is between
    minus that and that.
    """
    threshold = layer.threshold.astype(np.int64)
    if most_spikes is not None:
        return -most_spikes - threshold, most_spikes - threshold
    plus = layer.weight.sum(axis=1)
    return plus - layer.inputs - threshold, plus - threshold


def margin_shapes(layer: Layer, most_spikes: int | None = None) -> list[Shape]:
    """The narrowest shape per unit that holds every ``V − θ`` its own weights allow, exactly."""
    bounds = np.transpose(margin_bounds(layer, most_spikes)).tolist()
    return [signed(max(bits_for(bound, True) for bound in both)) for both in bounds]


def half_width(layer: Layer) -> int:
    """Bits that hold half of ``V − θ``, rounded down, of any unit, and one value less than all.

    Each input fires at most once.
    """
    lowest, highest = margin_bounds(layer)
    least, most = (int(bound) >> 1 for bound in (lowest.min(), highest.max()))
    return max(bits_for(most, True), bits_for(least - 1, True))


def halved(margin: int) -> tuple[int, int]:
    """Half of ``margin``, rounded down, and its lowest bit."""
    return margin >> 1, margin & 1
