"""Constants of the layer that is computed."""

from collections.abc import Sequence

from amaranth.hdl import Array, Const, Module, Signal, Value

__all__ = ["by_layer"]


def by_layer(m: Module, layer: Value, values: Sequence[int]) -> Value:
    """Of ``values``, one per layer of the plan, that of ``layer``; a cycle after ``layer`` changes,
    so that comparisons do not wait for it.
    """
    if len(set(values)) == 1:
        return Const(values[0])
    value = Signal(range(min(0, *values), max(values) + 1), init=values[0])
    m.d.sync += value.eq(Array(values)[layer])
    return value
