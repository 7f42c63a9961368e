"""How an input becomes the first list: places of pixels and events, and the sort by steps."""

import numpy as np
import pytest
from exchange import cycle_by_cycle, exchange
from networks import map_network

from hw.rtl.tiles.locate import Locate
from hw.rtl.tiles.planner import plan_network
from hw.rtl.tiles.raster import Raster
from hw.rtl.tiles.sort import Sort
from sw.encoder import EventsEncoder, LatencyEncoder

SHAPES = [
    *(((1, 4, 5), 1), ((3, 4, 5), 4), ((5, 2, 3), 2), ((2, 1, 9), 1), ((7, 1, 1), 4)),
    *(((7, 2, 3), 3), ((9, 3, 2), 5)),
]


def expected(plan, unit):
    """Where the plan has the unit."""
    _, y, x, lane = np.argwhere(plan.inputs.units == unit)[0].tolist()
    return y, x, lane


@pytest.mark.parametrize(("shape", "lanes"), SHAPES)
def test_pixels_in_the_order_of_bytes(rng, shape, lanes):
    channels, height, width = shape
    plan = plan_network(map_network(rng, "3", 4, LatencyEncoder(shape=shape)), lanes)
    order = [
        c * height * width + y * width + x
        for y in range(height)
        for x in range(width)
        for c in range(channels)
    ]
    image = [
        {"unit": [0], "step": [3], "spike": 1, "last": index == len(order) - 1}
        for index in range(len(order))
    ]
    dut = Raster(plan)
    _, taken = exchange(dut, dut.arrivals, dut.placed, 2 * image, 2 * len(order), pause=0.3)
    for item, unit in zip(taken, 2 * order, strict=True):
        assert (item.value["y"], item.value["x"], item.value["lane"]) == expected(plan, unit)


@pytest.mark.parametrize(("shape", "lanes"), SHAPES)
def test_events_of_all_units(rng, shape, lanes):
    encoder = EventsEncoder(shape=shape)
    plan = plan_network(map_network(rng, "3", 4, encoder), lanes, 50)
    units = rng.permutation(encoder.channels).tolist()
    beats = [{"row": [unit], "step": 2, "spike": 1, "last": 0} for unit in units]
    beats.append({"row": [0], "step": 3, "spike": 0, "last": 1})
    dut = Locate(plan)
    accepted, taken = exchange(dut, dut.beats, dut.placed, beats, len(beats))
    for item, unit in zip(taken, units, strict=False):
        assert (item.value["y"], item.value["x"], item.value["lane"]) == expected(plan, unit)
        assert (item.value["step"], item.value["spike"], item.value["last"]) == (2, 1, 0)
    assert (taken[-1].value["spike"], taken[-1].value["last"]) == (0, 1)
    divisions = (shape[0] - 1).bit_length() + (shape[1] - 1).bit_length()
    assert taken[0].cycle - accepted[0] == dut.latency + divisions


@pytest.mark.parametrize("fires", [0, 0.5, 1])
@pytest.mark.parametrize("steps", [1, 4])
def test_sort(rng, steps, fires):
    """The even list has the spikes of step 0, then those of step 1, …; the table says where."""
    encoder = LatencyEncoder(shape=(5, 4))
    plan = plan_network(map_network(rng, "3", steps, encoder), 2)
    dut = Sort(plan)
    lists, table, segments = {}, {}, {}
    units = [
        {"x": u % 4, "y": u // 4, "lane": u % 2, "step": int(rng.integers(steps))}
        for u in range(20)
    ]
    spikes = (rng.random(20) < fires).tolist()

    async def process(ctx):
        sent, cycle, last = 0, 0, 0
        while not ctx.get(dut.done):
            assert cycle < 300
            ctx.set(dut.placed.valid, sent < 20)
            if sent < 20:
                item = {**units[sent], "spike": spikes[sent], "last": sent == 19}
                ctx.set(dut.placed.payload, item)
            key, segment = (ctx.get(dut.odd), ctx.get(dut.index)), ctx.get(dut.segment)
            found = table.get(segment) if ctx.get(dut.lookup) else None
            read = lists.get(key) if ctx.get(dut.read) else None
            assert not (ctx.get(dut.read) and ctx.get(dut.write))
            if ctx.get(dut.write):
                lists[key] = ctx.get(dut.word)
            if ctx.get(dut.write_segment):
                table[segment] = ctx.get(dut.position)
            if sent < 20 and ctx.get(dut.placed.ready):
                sent, last = sent + 1, cycle
            await ctx.tick()
            cycle += 1
            if found is not None:
                ctx.set(dut.found, found)
            if read is not None:
                ctx.set(dut.data, read)
        count = ctx.get(dut.count)
        assert count == sum(spikes)
        segments.update(table)
        busy = 2 * steps + (2 + 2 * count if count else 0) + spikes[19]
        assert cycle - last == busy + 1

    cycle_by_cycle(dut, process)
    for step in range(steps):
        found = sorted(lists[0, k] for k in range(segments[step], segments[step + 1]))
        x_bits = plan.coordinate_bits[1]
        own = [u for u, spike in zip(units, spikes, strict=True) if spike and u["step"] == step]
        words = [1 << u["lane"] | u["x"] << 2 | u["y"] << 2 + x_bits for u in own]
        assert found == sorted(words)
    assert segments[0] == 0
