"""The memories of the bistable engine: what they are made of, as the RTL says it and as the
estimate of resources counts it.
"""

from collections.abc import Sequence

import numpy as np

from hw.rtl.bistable.plan import BistablePlan, Level
from hw.rtl.memories import BlockMemory, ConstantTables, SinglePortBlocks, weight_rom

__all__ = [
    "TABLES",
    "block_memories",
    "constants_width",
    "logic_bits",
    "single_port_memories",
    "steps_width",
    "weight_memory",
]

TABLES = ConstantTables(32)


def block_memories(plan: BistablePlan, *, loaded: bool) -> Sequence[BlockMemory]:
    """Those that are in block RAM in any case; of ``loaded`` weights none."""
    values = plan.input_values * plan.phases
    result = [BlockMemory(plan.inputs.words, values + plan.input_slot_bits + 1)]
    if len(plan.layers) > 1:
        result.append(BlockMemory(plan.list_words, plan.word_bits + plan.slot_bits + 1))
    if plan.pools:
        result.append(BlockMemory(plan.groups, plan.speaks * plan.pool_bits))
    if plan.held_words:
        result.append(BlockMemory(plan.held_words, plan.word_bits))
    if not loaded:
        result.append(weight_rom(plan.weights))
    return [*result, *TABLES.block_memories(_tables(plan))]


def single_port_memories(plan: BistablePlan, *, loaded: bool) -> Sequence[SinglePortBlocks]:
    """Those in SPRAM where the part has some, else in block RAM."""
    return [_loaded(plan)] if loaded else []


def weight_memory(plan: BistablePlan, *, loaded: bool) -> BlockMemory | SinglePortBlocks:
    """The one of them that holds the weights."""
    return _loaded(plan) if loaded else weight_rom(plan.weights)


def logic_bits(plan: BistablePlan) -> int:
    """Bits of the tables of constants that are logic."""
    return TABLES.logic_bits(_tables(plan))


def constants_width(plan: BistablePlan) -> int:
    """Bits of a word of thresholds and biases. Synthesis leaves out bits that are the same in all
    words.
    """
    width = 0
    for name, bits in (("threshold", plan.threshold_bits), ("bias", plan.bias_bits), ("shift", 8)):
        values = np.array([word[name] for word in plan.constants])
        differ = np.bitwise_or.reduce(values ^ values[0], axis=0) & ((1 << bits) - 1)
        width += sum(int(each).bit_count() for each in differ)
    return width


def steps_width(plan: BistablePlan) -> int:
    """Bits of what is added to a position."""
    return sum(plan.position_bits.values())


def _loaded(plan: BistablePlan) -> SinglePortBlocks:
    return SinglePortBlocks(plan.weight_rows, plan.weight_columns, bits=plan.weight_width)


def _tables(plan: BistablePlan) -> list[tuple[int, int]]:
    """Depth and width of each table of constants."""
    return [
        (plan.first_constants[-1], constants_width(plan)),
        (len(Level) * len(plan.layers), steps_width(plan)),
    ]
