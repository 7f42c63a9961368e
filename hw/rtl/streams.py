"""The streams between the blocks of the core: layouts of their payloads."""

from amaranth.hdl import signed
from amaranth.lib import data

from hw.rtl.banks import bank_rows
from hw.rtl.potentials import margin_shapes
from sw.network import Layer

__all__ = ["MarginsLayout", "ReachedLayout", "SpikeBeat"]


class SpikeBeat(data.StructLayout):
    """A beat of a layer's spikes in time order: at most one of each bank of units.

    Banks are those of hw/rtl/banks.py. A step is a run of beats with the same ``step``; the last of
    them has ``last`` set. A step without spikes is one beat without any. Steps may be skipped
    where nothing can change in them: all but the first and the final step of the window.

    Parameters
    ----------
    units : int
        Number of units of the layer that fires.
    steps : int
        T.
    banks : int, power of two
        E.

    Members
    -------
    row : array of range(ceil(units / banks)), one per bank
        The unit that fires; without meaning where the bank's bit of ``spike`` is clear.
    step : range(steps)
    spike : one bit per bank
        The bank has a spike.
    last : 1
        No further beat of this step follows.
    """

    def __init__(self, units: int, steps: int, banks: int = 1):
        rows = data.ArrayLayout(range(bank_rows(units, banks)), banks)
        super().__init__({"row": rows, "step": range(steps), "spike": banks, "last": 1})


class ReachedLayout(data.StructLayout):
    """What a hidden layer's engine gives at the end of a step.

    Members
    -------
    step : range(steps)
    reached : one bit per unit
        ``V >= θ``.
    """

    def __init__(self, layer: Layer, steps: int):
        super().__init__({"step": range(steps), "reached": layer.outputs})


class MarginsLayout(data.StructLayout):
    """What the output layer's engine gives at the end of a step.

    Parameters
    ----------
    layer : sw.network.Layer
    steps : int
        T.
    most_spikes : int, optional
        Spikes that reach the layer at most, where an input may fire more than once.

    Members
    -------
    step : range(steps)
    margin : array of signed
        ``V − θ`` of each unit; a clear sign bit means that the threshold is reached.
    """

    def __init__(self, layer: Layer, steps: int, most_spikes: int | None = None):
        width = max(shape.width for shape in margin_shapes(layer, most_spikes))
        super().__init__(
            {"step": range(steps), "margin": data.ArrayLayout(signed(width), layer.outputs)}
        )
