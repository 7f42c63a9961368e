"""Intake: words of an image's values, and that no more is taken until it is released."""

import pytest
from exchange import cycle_by_cycle, plain
from networks import bistable_network

from hw.rtl.bistable.intake import Intake
from hw.rtl.bistable.planner import plan_network

CASES = {
    "one channel": ("3c1-2", (2, 3), 1),
    "three channels": ("3c1-2", (3, 2, 2), 3),
    "more channels than a word": ("3c1-2", (6, 2, 2), 6),
    "dense": ("3-2", (3, 3), 9),
}


@pytest.mark.parametrize("name", CASES)
def test_words(rng, name):
    text, shape, channels = CASES[name]
    plan = plan_network(bistable_network(rng, text, 3, shape), 4, 1)
    values = rng.integers(0, 8, (1, *shape)[-3] * shape[-1] * shape[-2]).tolist()
    dut, words, full = Intake(plan), [], []

    async def image(ctx):
        sent, last = 0, 0
        for cycle in range(60):
            offers = sent < len(values)
            ctx.set(dut.arrivals.valid, 1)
            if offers:
                item = {"unit": [0], "step": [7 - values[sent]], "spike": 1}
                ctx.set(dut.arrivals.payload, {**item, "last": sent == len(values) - 1})
            assert ctx.get(dut.arrivals.ready) == offers
            if ctx.get(dut.valid):
                words.append(
                    (ctx.get(dut.slot), plain(ctx.get(dut.values)), ctx.get(dut.place_ends))
                )
            if ctx.get(dut.full):
                full.append(cycle - last)
                break
            if offers:
                sent, last = sent + 1, cycle
            await ctx.tick()
        ctx.set(dut.arrivals.valid, 0)
        ctx.set(dut.release, 1)
        await ctx.tick()
        ctx.set(dut.release, 0)
        assert not ctx.get(dut.full)

    async def process(ctx):
        await image(ctx)
        await image(ctx)

    cycle_by_cycle(dut, process)
    wide = plan.input_values
    wanted = []
    for start in range(0, len(values), channels):
        place = values[start : start + channels]
        for first in range(0, channels, wide):
            word = place[first : first + wide]
            word += [0] * (wide - len(word))
            wanted.append((first // wide, word, int(first + wide >= channels)))
    assert words == wanted * 2
    assert full == [2, 2]
