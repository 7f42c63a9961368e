"""What the tiles engine shows in a cocotb test: units that fire, and entries of its lists."""

from collections.abc import Iterator
from typing import Any

from hw.rtl.tiles.layouts import EmittedLayout, FiredLayout
from hw.rtl.tiles.plan import TilesPlan

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
        units = plan.layers[emitted.layer].outputs.units[emitted.tile, emitted.y, emitted.x]
        for lane in _bits(emitted.mask):
            yield behind, int(units[lane]), emitted.step


def _bits(word: int) -> Iterator[int]:
    """Those that are set."""
    return (bit for bit in range(word.bit_length()) if word >> bit & 1)
