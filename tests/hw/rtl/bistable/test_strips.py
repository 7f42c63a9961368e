"""Strips against plain loops: what a row of the kernel looks at, at each of its places."""

import pytest
from exchange import cycle_by_cycle, plain
from networks import bistable_network

from hw.rtl.bistable.planner import plan_network
from hw.rtl.bistable.strips import Strips

# the first layer: shape of the image
CASES = {
    "3c3": (3, 5),
    "3c3p1": (3, 4),
    "3c5s2": (5, 9),
    "3c5s2p2": (3, 8),
    "3c2x3s1x2p0.0.1.3": (3, 7),
    "3c1x3s1x4": (2, 10),
    "3c2p1": (3, 2, 3),
    "3c3p1x2": (3, 1, 4),
}


@pytest.mark.parametrize("text", CASES)
@pytest.mark.parametrize("idle", [0, 2])
def test_words(rng, text, idle):
    network = bistable_network(rng, f"{text}-2", 3, CASES[text])
    plan = plan_network(network, 4, 1)
    channels, height, width = network.maps[0]
    values = rng.integers(1, 8, (2, height, width, channels))
    kind = network.layers[0].kind
    wanted = []
    for image in values:
        for row in image.tolist():
            for place in range(network.maps[1][2]):
                first = place * kind.stride[1] - kind.padding[2]
                own = [
                    value
                    for x in range(first, first + kind.kernel[1])
                    for value in (row[x] if 0 <= x < width else [0] * channels)
                ]
                own += [0] * (-len(own) % plan.input_values)
                words = range(0, len(own), plan.input_values)
                wanted += [
                    (number, own[word : word + plan.input_values], number == len(words) - 1)
                    for number, word in enumerate(words)
                ]
    dut, seen, latencies = Strips(plan), [], []

    async def process(ctx):
        for image in values:
            items, last, cycle = image.reshape(-1).tolist(), 0, 0
            sent, wait = 0, 0
            while not ctx.get(dut.full):
                assert cycle < 400, "it is never full"
                offers = sent < len(items) and wait == 0
                ctx.set(dut.arrivals.valid, offers)
                if offers:
                    item = {"unit": [0], "step": [7 - items[sent]], "spike": 1}
                    ctx.set(dut.arrivals.payload, {**item, "last": sent == len(items) - 1})
                if ctx.get(dut.valid):
                    word = plain(ctx.get(dut.values))
                    seen.append((ctx.get(dut.slot), word, bool(ctx.get(dut.place_ends))))
                wait = max(0, wait - 1)
                if offers and ctx.get(dut.arrivals.ready):
                    sent, last, wait = sent + 1, cycle, idle
                await ctx.tick()
                cycle += 1
            latencies.append(cycle - last)
            assert not ctx.get(dut.arrivals.ready)
            ctx.set(dut.arrivals.valid, 0)
            ctx.set(dut.release, 1)
            await ctx.tick()
            ctx.set(dut.release, 0)

    cycle_by_cycle(dut, process)
    assert seen == wanted
    assert latencies == [plan.input_latency] * 2


@pytest.mark.parametrize("text", ["3c3x1", "3c5", "3c1x2p0.0.2.0", "3"])
def test_where_there_are_none(rng, text):
    """One column; words that come faster than they are written; places beside the image."""
    network = bistable_network(rng, f"{text}-2", 3, (9, 9))
    assert plan_network(network, 4, 1).strip is None
    with pytest.raises(ValueError, match="Plan must have a strip"):
        Strips(plan_network(network, 4, 1))


def test_a_shortcut_from_the_input_needs_it_as_it_is(rng):
    network = bistable_network(rng, "8c3p1+1-3", 2, (8, 4, 4))
    assert plan_network(network, 4, 1).strip is None
