"""The first layer by a table: every spike time against the golden model, and its cycles."""

import re

import numpy as np
import pytest
from exchange import cycle_by_cycle
from inferences import check
from networks import map_network
from samples import deep

from hw.rtl.tiles.first_table import FirstTable
from hw.rtl.tiles.planner import plan_network
from sw.cli import UserError
from sw.encoder import EventsEncoder, LatencyEncoder

# structure: shape, T, P, lowest and highest threshold
CASES = {
    "7c3p1-f2-4c3-3": ((8, 9), 4, 3, 1, 4),
    "5c3s2p1-3c2-4": ((7, 6), 4, 4, -1, 3),
    "6c2x4s1x2p1.0.2.1-f1x2-5": ((4, 9), 8, 5, 1, 3),
    "5c1x7p0.0.3.3-f1x3-4c1x2-3": ((1, 17), 2, 2, 1, 4),
    "4c2s3-f2-3": ((11, 12), 4, 4, 1, 2),
    "3c1-f3x1-2": ((7, 8), 1, 4, 0, 1),
    "4c3p2-f2-f2-4": ((9, 10), 4, 4, 0, 4),
}
OFTEN = ("7c3p1-f2-4c3-3", "6c2x4s1x2p1.0.2.1-f1x2-5", "3c1-f3x1-2")


@pytest.mark.parametrize("text", [*OFTEN, *deep(*(text for text in CASES if text not in OFTEN))])
def test_all_spike_times(rng, text):
    shape, steps, lanes, low, high = CASES[text]
    encoder = LatencyEncoder(shape=shape, silent_below=60)
    network = map_network(rng, text, steps, encoder, low, high)
    images = rng.integers(0, 256, (3, *shape), np.uint8)
    images[1] = np.where(rng.random(shape) < 0.3, 255, 0)
    images[2] = 0
    check(network, encoder.encode(images, steps), lanes=lanes, table=True)


@pytest.mark.parametrize(
    "settings", [{"idle": 0.5, "pause": 0.5}, {"restart_after": 41, "loaded": True}]
)
def test_stalls_and_a_restart(rng, settings):
    encoder = LatencyEncoder(shape=(6, 7), silent_below=60)
    network = map_network(rng, "6c3p1-f2-5c2-3", 4, encoder, 1, 4)
    images = rng.integers(0, 256, (2, 6, 7), np.uint8)
    check(network, encoder.encode(images, 4), lanes=4, table=True, **settings)


def test_the_table_by_hand(rng):
    """A kernel of two pixels, +1 and −1: of their four patterns V is 0, 1, −1, 0."""
    network = map_network(rng, "2c1x2-3", 2, LatencyEncoder(shape=(1, 4)))
    network.layers[0].weight[:] = [[1, 0], [1, 0]]
    network.layers[0].threshold[:] = 1, 0
    plan = plan_network(network, 2, loaded=True, table=True)
    assert plan.first.fires.tolist() == [[0, 1], [1, 1], [0, 0], [0, 1]]
    assert plan.first.spontaneous
    assert plan.first_row == 4
    assert plan.weights[:4, :2].tolist() == plan.first.fires.tolist()
    assert len(plan.weights) == 4 + 2 * 3  # and a row for each unit that the dense layer sees
    apart = plan_network(network, 2, table=True)  # the table has a memory of its own
    assert (apart.first_row, len(apart.weights)) == (0, 2 * 3)


def test_geometry_by_hand(rng):
    """4c3p1-f2 on 5 × 6: a window sees 4 × 4 pixels, the last one of a row the padding behind it.
    The fifth row of units is dropped by the pooling: its windows would end behind the padding.
    """
    network = map_network(rng, "4c3p1-f2-3", 4, LatencyEncoder(shape=(5, 6)))
    plan = plan_network(network, 4, table=True)
    first = plan.first
    assert (first.field, first.move, first.begin) == ((4, 4), (2, 2), (2, 2))
    assert (first.windows, first.span) == ((2, 3), (5, 7))
    assert first.taps[1] == [(y, x) for y in range(3) for x in range(1, 4)]
    assert plan.inputs.units.shape == (1, 2, 3, 4)
    assert plan.input_words == 4 * 2 * 3  # of each step one for each window
    assert plan.first_segment == 2 * 4
    assert plan.layers[0].index == 2


def seen_of(network, lanes, image):
    """Cycles from the first pixel to ``done``, and the entries: (tile, y, x, step, mask)."""
    plan = plan_network(network, lanes, table=True)
    dut = FirstTable(plan)
    times = network.encoder.times(image[None], network.steps).reshape(-1).tolist()
    segments, entries, cycles = {}, [], []

    async def process(ctx):
        sent = cycle = begun = 0
        while not ctx.get(dut.done):
            assert cycle < 500
            if sent < len(times):
                fires = times[sent] < network.steps
                item = {"unit": [0], "step": [times[sent] if fires else 0], "spike": fires}
                ctx.set(dut.arrivals.payload, {**item, "last": 0})
            ctx.set(dut.arrivals.valid, sent < len(times))
            if ctx.get(dut.arrivals.ready) and sent < len(times):
                begun = begun if sent else cycle
                sent += 1
            row = ctx.get(dut.pattern) if ctx.get(dut.read) else None
            segment = ctx.get(dut.segment)
            found = segments[segment] if ctx.get(dut.lookup) else None
            if ctx.get(dut.write_segment):
                segments[segment] = ctx.get(dut.position)
            if ctx.get(dut.entered.valid):
                names = ("tile", "y", "x", "step", "mask")
                entries.append(tuple(ctx.get(dut.entered[name]) for name in names))
            await ctx.tick()
            cycle += 1
            if row is not None:
                channels = enumerate(plan.first.fires[row].tolist())
                ctx.set(dut.fires, sum(fires << k for k, fires in channels))
            if found is not None:
                ctx.set(dut.found, found)
        cycles.append(cycle - begun)

    cycle_by_cycle(dut, process)
    return cycles[0], entries, segments


def test_cycles_and_entries_by_hand(rng):
    """3c1x2-f1x2 on 1 × 6: five places, two windows, of the pixels 0 to 2 and 2 to 4. Without a
    spike each takes a cycle. Pixel 1 in step 2 is seen by both places of the first window: one
    cycle for each of 4 steps, 2 more for this one, 2 for the places, and 2 for the entry. The first
    channel wants it on the right, the second on the left, the third twice. With P = 1 the two that
    fire are of two tiles.
    """
    network = map_network(rng, "3c1x2-f1x2-7", 4, LatencyEncoder(shape=(1, 6), silent_below=1))
    network.layers[0].weight[:] = [[0, 1], [1, 0], [1, 1]]
    network.layers[0].threshold[:] = 1, 1, 2
    image = np.zeros((1, 6), np.uint8)
    cycles, entries, segments = seen_of(network, 3, image)
    assert (cycles, entries) == (6 + 2 + 1, [])
    assert segments == {0: 0, 1: 0, 2: 2, 3: 2, 4: 4, 5: 4, 6: 6, 7: 6}
    image[0, 1] = 255 - 2 * 64  # step 2 of 4
    cycles, entries, segments = seen_of(network, 3, image)
    assert entries == [(0, 0, 0, 2, 0b011)]
    assert cycles == (6 + 2 + 1) - 1 + (4 + 2 + 2 + 2)
    assert segments[5] == segments[4] + 1
    assert seen_of(network, 1, image)[1] == [(0, 0, 0, 2, 1), (1, 0, 0, 2, 1)]


REFUSED = {
    "pixels through a convolution, layer 0 is 7": ("7-3", LatencyEncoder(shape=(4, 4))),
    "pixels through a convolution, layer 0 is 4c3": ("4c3-3", EventsEncoder(shape=(1, 4, 4))),
    "kernels of at most 9 pixels of one channel, layer 0 is 4c3": (
        "4c3-3",
        LatencyEncoder(shape=(2, 4, 4)),
    ),
    "kernels of at most 9 pixels of one channel, layer 0 is 4c5x2": (
        "4c5x2-3",
        LatencyEncoder(shape=(6, 6)),
    ),
    "a padding smaller than the kernel, layer 0 is 4c2p2": (
        "4c2p2-3",
        LatencyEncoder(shape=(4, 4)),
    ),
    "at most 18 channels, layer 0 is 19c3": ("19c3-3", LatencyEncoder(shape=(4, 4))),
    "images of more than one column": ("4c1-3", LatencyEncoder(shape=(4, 1))),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_refuses(rng, reason):
    text, encoder = REFUSED[reason]
    network = map_network(rng, text, 4, encoder)
    message = f"network 'random': a first layer as a table takes {reason}; take tiles without one"
    with pytest.raises(UserError, match=f"^{re.escape(message)}$"):
        plan_network(network, 2, table=True)


def test_refuses_more_entries_than_lists_hold(rng):
    network = map_network(rng, "9c1-9", 16, LatencyEncoder(shape=(24, 24)))
    line = r"takes at most 16,384 entries of its lists, not 82,945; take one without$"
    with pytest.raises(UserError, match=line):
        plan_network(network, 1, table=True)
