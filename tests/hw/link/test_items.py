"""Items: bytes in, spikes and end marks out."""

import random

import pytest
from exchange import PACES, cycle_by_cycle, exchange, plain
from samples import deep

from hw.link import protocol
from hw.link.items import Items

END = protocol.ITEM.pack(protocol.END, 7)
SIZES = [(1, 1), (12, 8), (65535, 256), *deep((16, 16), (256, 11), (700, 16), (1024, 256))]


def random_items(units, steps, count):
    """Bytes of items, some of out-of-range units and steps, and what they are."""
    chance, content, expected = random.Random(units), b"", []
    for _ in range(count):
        unit = chance.choice((0, units - 1, units, protocol.END, chance.randrange(1 << 16)))
        step = chance.choice((0, steps - 1, min(steps, 255), chance.randrange(256)))
        content += protocol.ITEM.pack(unit, step)
        expected.append((unit, step) if unit < units and step < steps else None)
        if unit == protocol.END:
            expected[-1] = "end"
    return content, expected


def meaning(item, units):
    """What an item means, whatever its other fields hold."""
    if item["end"]:
        return "end"
    return None if item["unit"] == units else (item["unit"], item["step"])


@pytest.mark.parametrize(("units", "steps"), SIZES)
@pytest.mark.parametrize("idle", [0, 0.5])
def test_every_item_is_right_or_a_fault(units, steps, idle):
    content, expected = random_items(units, steps, 100)
    assert {None, "end"} < set(expected) or (units, steps) == (65535, 256)
    dut = Items(units=units, steps=steps)
    _, taken = exchange(dut, dut.bytes, dut.source, list(content), len(expected), idle=idle)
    assert [meaning(item.value, units) for item in taken] == expected


@pytest.mark.parametrize(("idle", "pause"), [(0, 0), (0, 0.9), (0.5, 0.5), *deep(*PACES)])
def test_an_item_waits_while_the_next_one_comes(idle, pause):
    """At random, until one is lost: all before it come, and none after it."""
    content, expected = random_items(12, 8, 60)
    dut = Items(units=12, steps=8)
    chance = random.Random(pause)
    got, ends, lost = [], 0, None

    async def process(ctx):
        nonlocal ends, lost
        sent = 0
        for cycle in range(4000):
            valid = sent < len(content) and chance.random() >= idle
            ctx.set(dut.bytes.valid, valid)
            ctx.set(dut.bytes.payload, content[sent] if valid else chance.randrange(256))
            ready = chance.random() >= pause
            ctx.set(dut.source.ready, ready)
            waits = ctx.get(dut.source.valid) and not ready
            whole = valid and sent % 3 == 2
            ends += ctx.get(dut.ends)
            assert ctx.get(dut.ends) <= whole
            if ctx.get(dut.source.valid) and ready:
                got.append(meaning(plain(ctx.get(dut.source.payload)), 12))
            if lost is None and whole and waits:
                lost = (cycle, sent // 3)
            sent += valid
            await ctx.tick()
            assert ctx.get(dut.overrun) == (lost is not None)

    cycle_by_cycle(dut, process)
    arrived = expected if lost is None else expected[: lost[1]]
    assert got == arrived
    assert ends == arrived.count("end")
    if not pause:
        assert lost is None
    if (idle, pause) == (0, 0.9):
        assert lost is not None


@pytest.mark.smoke
def test_latency():
    dut = Items(units=12, steps=8)
    content = protocol.ITEM.pack(3, 4) + END
    accepted, taken = exchange(dut, dut.bytes, dut.source, list(content), 2)
    assert accepted == list(range(6))
    assert [item.cycle for item in taken] == [3, 6]
