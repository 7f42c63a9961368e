"""The walk through a layer's loops against plain loops over places."""

import pytest
from exchange import cycle_by_cycle, plain
from networks import bistable_network

from hw.rtl.bistable.planner import plan_network
from hw.rtl.bistable.walk import Walk

CASES = {
    "5c3p1-m2-6c3s2p1-a2x1-7-3": (2, 9, 8),
    "9c2x3s1x2p0.1.2.0-10c1-m3x2-4": (1, 8, 9),
    "6c3p1-6c3p1+1-6c1+1-m2-3": (6, 4, 4),
    "12-9-3": (5, 4),
}


def loops(plan):
    """(layer, address, row, inside, ends, window, tile, layer ends, past) of every place."""
    result, rows = [], 0
    for number, layer in enumerate(plan.layers):
        (high, wide), (down, across), (top, left) = layer.kernel, layer.stride, layer.before
        inputs, slots, own = layer.inputs, layer.inputs.slots, []
        words = -(-layer.channels // plan.speaks)
        for py in range(layer.outputs.height):
            for px in range(layer.outputs.width):
                for tile in range(plan.tiles(layer)):
                    for wy in range(layer.window[0]):
                        for wx in range(layer.window[1]):
                            y, x = py * layer.window[0] + wy, px * layer.window[1] + wx
                            past = None
                            if layer.past is not None:
                                past = (y * layer.width + x) * words + tile * plan.groups
                                past += layer.past
                            for ky in range(high):
                                for kx in range(wide):
                                    v, u = y * down + ky - top, x * across + kx - left
                                    inside = 0 <= v < inputs.height and 0 <= u < inputs.width
                                    address = layer.reads + (v * inputs.width + u) * slots
                                    row = rows + (tile * high * wide + ky * wide + kx) * slots
                                    ends = (ky, kx) == (high - 1, wide - 1)
                                    window = (wy + 1, wx + 1) == layer.window
                                    last = tile == plan.tiles(layer) - 1
                                    place = (py + 1, px + 1)
                                    whole = place == (layer.outputs.height, layer.outputs.width)
                                    own.append(
                                        {
                                            "address": address if inside else None,
                                            "row": row,
                                            "inside": inside,
                                            "ends": ends,
                                            "past": past,
                                            "window_ends": ends and window,
                                            "tile_ends": last,
                                            "layer_ends": ends and window and last and whole,
                                        }
                                    )
        rows += plan.tiles(layer) * high * wide * slots
        result += [(number, each) for each in own]
    return result


def walked(plan, pause, times):
    dut, result = Walk(plan), []

    async def process(ctx):
        for _ in range(times):
            for number in range(len(plan.layers)):
                ctx.set(dut.layer, number)
                await ctx.tick().repeat(2)
                ctx.set(dut.go, 1)
                await ctx.tick()
                ctx.set(dut.go, 0)
                cycle, since, done = 1, 0, False
                while not done:
                    since += 1
                    assert since < 20, "no place comes"
                    ready = cycle % (pause + 1) == 0
                    ctx.set(dut.places.ready, ready)
                    if ctx.get(dut.places.valid) and ready:
                        place = plain(ctx.get(dut.places.payload))
                        result.append((number, place, cycle))
                        since, done = 0, bool(place["job"]["layer_ends"])
                    await ctx.tick()
                    cycle += 1
                ctx.set(dut.places.ready, 0)

    cycle_by_cycle(dut, process)
    return result


@pytest.mark.parametrize("text", CASES)
@pytest.mark.parametrize("pause", [0, 1])
def test_places(rng, text, pause):
    network = bistable_network(rng, text, 2, CASES[text])
    plan = plan_network(network, 4, 1)
    expected = loops(plan)
    seen = walked(plan, pause, times=2)
    assert len(seen) == 2 * len(expected)
    for (number, place, _), (layer, wanted) in zip(seen, expected * 2, strict=True):
        got = {**place, **place["job"]}
        if wanted["address"] is None:
            got["address"] = None
        if not plan.held_words or wanted["past"] is None:
            got["past"] = wanted["past"]
        if not wanted["ends"]:
            wanted = {**wanted, **{name: got[name] for name in place["job"] if name != "past"}}
        assert (number, {name: got[name] for name in wanted}) == (layer, wanted)


def test_a_place_per_cycle(rng):
    plan = plan_network(bistable_network(rng, "5c3p1-m2-3", 2, (4, 4)), 4, 1)
    cycles = [cycle for number, _, cycle in walked(plan, 0, times=1) if number == 0]
    assert cycles == list(range(3, 3 + 16 * 3 * 2))  # rows of the kernel
