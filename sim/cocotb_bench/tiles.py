"""What the tiles engine shows in a cocotb test: units that fire, and entries of its lists."""

from collections.abc import Iterator
from typing import Any

from hw.rtl.tiles.layouts import EmittedLayout, FiredLayout
from hw.rtl.tiles.plan import SpikeMap, TilesPlan

__all__ = ["spikes_now"]


def spikes_now(plan: TilesPlan, block: Any) -> Iterator[tuple[int, int, int]]:
    """Layer of the network, unit and step of each spike that the engine ``block`` shows in this
    cycle, before and behind a pooling; none of the output layer.
    """
    fired = FiredLayout(plan).from_bits(block.fired.value.to_unsigned())
    if fired.valid and fired.layer < len(plan.layers) - 1:
        layer = plan.layers[fired.layer]
        for bit in _bits(fired.units):
            bank, lane = divmod(bit, plan.lanes)
            channel = fired.tile * plan.lanes + lane
            y = fired.down * plan.grid[0] + bank // plan.grid[1]
            x = fired.across * plan.grid[1] + bank % plan.grid[1]
            unit = (channel * layer.height + y) * layer.width + x
            if layer.dense:
                unit = fired.tile * plan.banks * plan.lanes + bit
            yield layer.index, unit, fired.step
    emitted = EmittedLayout(plan).from_bits(block.emitted.value.to_unsigned())
    if emitted.valid and plan.layers[emitted.layer].pools:
        behind = plan.layers[emitted.layer + 1].index - 1
        yield from _entry(behind, plan.layers[emitted.layer].outputs, emitted)
    if plan.first:
        entered = EmittedLayout(plan).from_bits(block.entered.value.to_unsigned())
        if entered.valid:
            yield from _entry(plan.first.index, plan.inputs, entered)


def _entry(layer: int, spikes: SpikeMap, entry: Any) -> Iterator[tuple[int, int, int]]:
    """The spikes of an entry of a list."""
    units = spikes.units[entry.tile, entry.y, entry.x]
    return ((layer, int(units[lane]), entry.step) for lane in _bits(entry.mask))


def _bits(word: int) -> Iterator[int]:
    """Those that are set."""
    return (bit for bit in range(word.bit_length()) if word >> bit & 1)
