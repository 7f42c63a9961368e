"""The memories of the tiles engine: what they are made of, as the RTL says it and as the estimate
of resources counts it.
"""

from collections.abc import Sequence

from hw.rtl.memories import (
    COLUMN,
    BlockMemory,
    ConstantTables,
    DistributedMemory,
    SinglePortBlocks,
    weight_rom,
)
from hw.rtl.tiles.plan import TilesPlan

__all__ = [
    "TABLES",
    "block_memories",
    "constant_bits",
    "distributed_memories",
    "single_port_memories",
    "weight_memory",
]

TABLES = ConstantTables(128)


def block_memories(plan: TilesPlan) -> Sequence[BlockMemory]:
    """Those that are in block RAM in any case; of weights that are loaded none."""
    result = [BlockMemory(2 << plan.segment_bits, (plan.list_words - 1).bit_length())]
    if not plan.distributed:
        result.append(BlockMemory(*_bank(plan), count=plan.banks))
    if any(plan.windows):
        windows = [(size - 1).bit_length() for size in plan.windows]
        result.append(BlockMemory(1 << sum(windows), plan.lanes + plan.tiles.bit_length()))
    if plan.first and plan.first.field[0] > 1:
        pixel = 1 + (plan.steps - 1).bit_length()
        result.append(BlockMemory(plan.first.shape[1], (plan.first.field[0] - 1) * pixel))
    if plan.entry_bits > COLUMN:
        result.append(BlockMemory(plan.list_words, plan.entry_bits))
    if not plan.loaded:
        result += map(weight_rom, [plan.weights, *([plan.first.fires] if plan.first else [])])
    return [*result, *TABLES.block_memories(_tables(plan))]


def distributed_memories(plan: TilesPlan) -> Sequence[DistributedMemory]:
    """Those in distributed RAM."""
    return [DistributedMemory(*_bank(plan), count=plan.banks)] if plan.distributed else []


def single_port_memories(plan: TilesPlan) -> Sequence[SinglePortBlocks]:
    """Those in SPRAM where the part has some, else in block RAM."""
    result = []
    if plan.entry_bits <= COLUMN:
        result.append(SinglePortBlocks(plan.list_words, 1, bits=plan.entry_bits))
    return [*result, _loaded(plan)] if plan.loaded else result


def weight_memory(plan: TilesPlan) -> BlockMemory | SinglePortBlocks:
    """The one of them that holds the weights."""
    return _loaded(plan) if plan.loaded else weight_rom(plan.weights)


def constant_bits(plan: TilesPlan) -> int:
    """Bits of the tables of constants that are logic."""
    return TABLES.logic_bits(_tables(plan))


def _bank(plan: TilesPlan) -> tuple[int, int]:
    """Depth and width of a bank of margins."""
    return plan.bank_rows, plan.lanes * plan.margin_bits


def _loaded(plan: TilesPlan) -> SinglePortBlocks:
    bits = plan.banks * plan.lanes
    return SinglePortBlocks(plan.weight_rows, plan.weight_columns, bits=bits)


def _tables(plan: TilesPlan) -> list[tuple[int, int]]:
    """Depth and width of each table of constants."""
    starts = len(plan.starts), plan.lanes * plan.margin_bits
    return [starts, _table(plan, 0), _table(plan, 1)]


def _table(plan: TilesPlan, way: int) -> tuple[int, int]:
    """Depth and width of the table of what a spike reaches down (0) or across (1)."""
    axes, _ = plan.axes(way)
    fields = (
        max(max(getattr(axis, name)) for axis in axes)
        for name in ("row", "bank", "enable", "position")
    )
    return len(axes) << plan.coordinate_bits[way], sum(most.bit_length() for most in fields)
