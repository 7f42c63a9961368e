"""What memories are made of."""

from hw.rtl.memories import BlockMemory, ConstantTables


def test_short_tables_are_logic():
    tables = ConstantTables(32)
    assert tables.attrs(32) == {"ram_style": "logic"}
    assert tables.attrs(33) == {"ram_style": "block"}
    assert tables.logic_bits([(32, 5), (33, 7), (2, 9)]) == 178
    assert tables.block_memories([(32, 5), (33, 7), (2, 9)]) == [BlockMemory(33, 7, constant=True)]
