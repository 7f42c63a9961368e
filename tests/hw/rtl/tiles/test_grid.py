"""The banks of margins against a dictionary of places."""

import numpy as np
import pytest
from amaranth.back import rtlil
from exchange import cycle_by_cycle
from networks import map_network

from hw.rtl.tiles.grid import Grid
from hw.rtl.tiles.planner import plan_network
from hw.rtl.weights import row_word
from sw.encoder import LatencyEncoder

NOTHING = dict.fromkeys(("valid", "add", "fire", "preset"), 0)


class Model:
    """Margins by place, {(y, x): int [P]}; a unit that has fired is None."""

    def __init__(self, plan):
        self.plan = plan
        self.margins = {}

    def add(self, y, x, minus):
        """``minus`` are the weights of each target, bool [B_h, B_w, P]; all of them exist."""
        for a in range(self.plan.grid[0]):
            for b in range(self.plan.grid[1]):
                place = self.margins[y - a, x - b]
                for lane, value in enumerate(place):
                    if value is not None:
                        place[lane] = value + (-1 if minus[a, b, lane] else 1)

    def fires(self, down, across):
        """The lanes that fire in a row of all banks, as bits."""
        bits = at = 0
        for i in range(self.plan.grid[0]):
            for j in range(self.plan.grid[1]):
                place = self.margins[down * self.plan.grid[0] + i, across * self.plan.grid[1] + j]
                for lane, value in enumerate(place):
                    if value is not None and value >= 0:
                        bits |= 1 << at
                        place[lane] = None
                    at += 1
        return bits


def spike(plan, y, x):
    """The access of a spike whose last place is (y, x) and whose targets all exist."""
    (banks_down, banks_across), everything = plan.grid, [(1 << n) - 1 for n in plan.grid]
    return {
        **dict.fromkeys(("fire", "preset"), 0),
        "valid": 1,
        "add": 1,
        "down": y // banks_down,
        "bank_down": y % banks_down,
        "across": x // banks_across,
        "bank_across": x % banks_across,
        "enable_down": everything[0],
        "enable_across": everything[1],
    }


def whole_row(plan, down, across, **what):
    last = down * plan.grid[0] + plan.grid[0] - 1, across * plan.grid[1] + plan.grid[1] - 1
    return {**spike(plan, *last), "add": 0, **what}


@pytest.mark.parametrize(("text", "lanes"), [("3c3p1-2", 2), ("4c2x3-3", 4), ("5c1-4", 1)])
@pytest.mark.parametrize("idle", [0, 0.4])
def test_sums_of_any_places(rng, text, lanes, idle):
    plan = plan_network(map_network(rng, text, 4, LatencyEncoder(shape=(7, 8)), 1, 4), lanes)
    dut, model = Grid(plan), Model(plan)
    rows = [(d, a) for d in range(plan.rows(plan.layers[0])[0]) for a in range(2)]
    start = [int(value) for value in plan.starts[0]]
    places = [
        (y, x)
        for y in range(plan.grid[0] - 1, (rows[-1][0] + 1) * plan.grid[0])
        for x in range(plan.grid[1] - 1, 2 * plan.grid[1])
    ]
    for d, a in rows:
        for i in range(plan.grid[0]):
            for j in range(plan.grid[1]):
                model.margins[d * plan.grid[0] + i, a * plan.grid[1] + j] = [
                    None if value == plan.fired else value for value in start
                ]

    async def access(ctx, value, minus=0):
        ctx.set(dut.access, value)
        ctx.set(dut.minus, minus)
        await ctx.tick()
        ctx.set(dut.access, NOTHING)

    async def process(ctx):
        ctx.set(dut.advance, 1)
        ctx.set(dut.start, 0)
        for row in rows:
            await access(ctx, whole_row(plan, *row, preset=1))
        y, x = places[0]
        least, most = plan.layers[0].margins
        for _ in range(6):
            for _ in range(int(rng.integers(1, 5))):
                if rng.random() < 0.5:  # else once more the same place
                    y, x = places[rng.integers(len(places))]
                minus = rng.random((*plan.grid, lanes)) < 0.5
                await access(ctx, spike(plan, y, x), row_word(minus.reshape(-1)))
                model.add(y, x, minus)
                values = [v for place in model.margins.values() for v in place if v is not None]
                if min(values) == least or max(values) == most:
                    break  # more spikes than the layer can have
                if rng.random() < idle:
                    await ctx.tick()
            await ctx.tick()
            for row in rows:
                await access(ctx, whole_row(plan, *row, fire=1))
                assert ctx.get(dut.firing) == 1
                assert (ctx.get(dut.down), ctx.get(dut.across)) == row
                assert ctx.get(dut.fires) == model.fires(*row)
            await ctx.tick()

    cycle_by_cycle(dut, process)


def test_without_advance_all_stays(rng):
    plan = plan_network(map_network(rng, "2c2-1", 2, LatencyEncoder(shape=(4, 4)), -2, -1), 2)
    dut = Grid(plan)

    async def process(ctx):
        ctx.set(dut.advance, 1)
        ctx.set(dut.start, 0)
        ctx.set(dut.access, whole_row(plan, 0, 0, preset=1))
        await ctx.tick()
        ctx.set(dut.access, whole_row(plan, 0, 0, fire=1))
        await ctx.tick()
        ctx.set(dut.advance, 0)
        ctx.set(dut.access, whole_row(plan, 0, 1, preset=1))
        every = (1 << plan.banks * plan.lanes) - 1
        for _ in range(3):
            assert (ctx.get(dut.firing), ctx.get(dut.fires)) == (1, every)
            await ctx.tick()
        ctx.set(dut.advance, 1)
        ctx.set(dut.access, whole_row(plan, 0, 0, fire=1))
        await ctx.tick()
        await ctx.tick()
        assert (ctx.get(dut.firing), ctx.get(dut.fires)) == (1, 0)  # they have fired

    cycle_by_cycle(dut, process)


@pytest.mark.parametrize(("distributed", "style"), [(False, "block"), (True, "distributed")])
def test_what_the_banks_are_made_of(rng, distributed, style):
    network = map_network(rng, "3c2-2", 2, LatencyEncoder(shape=(4, 4)))
    dut = Grid(plan_network(network, 4, distributed=distributed))
    text = rtlil.convert(dut, emit_src=False)
    assert text.count(f'attribute \\ram_style "{style}"') == dut.fires.shape().width // 4 == 4


def test_what_was_read_is_shown(rng):
    plan = plan_network(map_network(rng, "3c2-2", 2, LatencyEncoder(shape=(4, 4)), 1, 3), 4)
    dut, width = Grid(plan), plan.margin_bits

    async def process(ctx):
        ctx.set(dut.advance, 1)
        ctx.set(dut.start, 0)
        ctx.set(dut.access, whole_row(plan, 0, 0, preset=1))
        await ctx.tick()
        ctx.set(dut.access, NOTHING)
        await ctx.tick()
        ctx.set(dut.access, whole_row(plan, 0, 0))
        await ctx.tick()
        ctx.set(dut.access, NOTHING)
        for _ in range(2):
            await ctx.tick()
            bits = ctx.get(dut.margins)
            values = [bits >> k * width & (1 << width) - 1 for k in range(plan.banks * plan.lanes)]
            signed = [value - (value >> width - 1 << width) for value in values]
            np.testing.assert_array_equal(signed, plan.starts[0].tolist() * plan.banks)

    cycle_by_cycle(dut, process)
