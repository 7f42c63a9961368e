"""Lists of places: what is written against a plain loop, and read again."""

import pytest
from exchange import cycle_by_cycle, plain

from hw.rtl.bistable.layouts import EntryLayout
from hw.rtl.bistable.lists import ListMemory, ListWriter

ENTRY = EntryLayout(2, 3, 2)


def written(places, *, first, slots, pause):
    """(cycle, address, entry) of every write, for the words (values) of each place."""
    dut, result = ListWriter(address_bits=6, entry=ENTRY), []

    async def process(ctx):
        cycle = 0

        async def tick():
            nonlocal cycle
            if ctx.get(dut.write):
                result.append((cycle, ctx.get(dut.address), plain(ctx.get(dut.written))))
            await ctx.tick()
            cycle += 1

        ctx.set(dut.first, first)
        ctx.set(dut.slots, slots)
        ctx.set(dut.start, 1)
        await tick()
        ctx.set(dut.start, 0)
        for words in places:
            for slot, values in enumerate(words):
                ctx.set(dut.valid, 1)
                ctx.set(dut.values, values)
                ctx.set(dut.slot, slot)
                ctx.set(dut.place_ends, slot == len(words) - 1)
                await tick()
                ctx.set(dut.valid, 0)
                for _ in range(pause):
                    await tick()
        for _ in range(3):
            await tick()

    cycle_by_cycle(dut, process)
    return result


def expected(places, first, slots):
    """The entries by address: words with a value, or one without any."""
    entries = {}
    for place, words in enumerate(places):
        kept = [(slot, values) for slot, values in enumerate(words) if any(values)]
        kept = kept or [(None, [0, 0])]
        for index, (slot, values) in enumerate(kept):
            more = int(index < len(kept) - 1)
            entries[first + place * slots + index] = (slot, values, more)
    return entries


PLACES = {
    "all kept": [[[1, 2], [3, 4], [5, 6]], [[7, 1], [1, 0], [0, 1]]],
    "none": [[[0, 0], [0, 0]], [[0, 0]]],
    "first, middle, last": [
        [[0, 0], [1, 0], [2, 0]],
        [[1, 0], [0, 0], [2, 0]],
        [[1, 0], [2, 0], [0, 0]],
        [[0, 0], [3, 0], [0, 0]],
    ],
    "one word": [[[1, 1]], [[0, 0]], [[2, 2]], [[3, 3]]],
}


@pytest.mark.parametrize("name", PLACES)
@pytest.mark.parametrize("pause", [0, 2])
def test_writer(name, pause):
    places = PLACES[name]
    writes = written(places, first=5, slots=3, pause=pause)
    wanted = expected(places, 5, 3)
    assert sorted(address for _, address, _ in writes) == sorted(wanted)
    for _, address, entry in writes:
        slot, values, more = wanted[address]
        assert (entry["values"], entry["more"]) == (values, more)
        assert slot in (None, entry["slot"])


def test_the_last_entry_comes_a_cycle_after_the_last_word():
    (cycle, *_) = written([[[1, 1], [2, 2]]], first=0, slots=2, pause=0)[-1]
    assert cycle == 3  # start, two words, and the one after


def test_memory():
    dut = ListMemory(words=10, entry=ENTRY)

    async def process(ctx):
        for address in range(10):
            ctx.set(dut.write, 1)
            ctx.set(dut.write_address, address)
            ctx.set(dut.written, {"values": [address % 8, 1], "slot": address % 4, "more": 1})
            await ctx.tick()
        ctx.set(dut.write, 0)
        for address in (3, 9):
            ctx.set(dut.read, 1)
            ctx.set(dut.address, address)
            await ctx.tick()
            ctx.set(dut.read, 0)
            ctx.set(dut.address, 0)
            for _ in range(2):  # it stays
                entry = plain(ctx.get(dut.entry))
                assert entry == {"values": [address % 8, 1], "slot": address % 4, "more": 1}
                await ctx.tick()

    cycle_by_cycle(dut, process)
