"""Constants of the layer that is computed."""

from collections.abc import Sequence

from amaranth.hdl import Array, Const, Value

__all__ = ["by_layer"]


def by_layer(layer: Value, values: Sequence[int]) -> Value:
    """Of ``values``, one per layer of the plan, that of ``layer``."""
    if len(set(values)) == 1:
        return Const(values[0])
    return Array(Const(value) for value in values)[layer]
