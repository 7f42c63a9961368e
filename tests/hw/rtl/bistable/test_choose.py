"""Choose: the largest potential, the lowest of equal ones, and how far the next one is."""

import pytest
from exchange import cycle_by_cycle, plain
from networks import bistable_network

from hw.rtl.bistable.choose import Choose, choose_latency
from hw.rtl.bistable.planner import plan_network

CASES = {
    "first": [9, 3, 4, 8, 1, 0],
    "last": [1, 2, 3, 4, 5, 6],
    "a tie": [1, 7, 2, 7, 7, 0],
    "second before": [1, 5, 9, 2, 2, 2],
    "second behind": [1, 9, 2, 2, 5, 2],
    "falling": [-1, -2, -3, -4, -5, -6],
    "one output": [-4],
    "two outputs": [-4, -2],
    "exactly a word": [0, -1, 3, 2],
}


@pytest.mark.parametrize("scale", [1, 4])
@pytest.mark.parametrize("name", CASES)
def test_chosen(rng, name, scale):
    potentials = CASES[name]
    network = bistable_network(rng, f"5-{len(potentials)}", 3, (4, 4))
    network.layers[0].gain[:] = 8
    network.layers[1].gain[:] = 8 // scale
    plan = plan_network(network, 4, 1)
    assert plan.layers[-1].scale == scale
    dut, seen = Choose(plan), []

    async def process(ctx):
        ctx.set(dut.result.ready, 0)
        spare = -len(potentials) % 4
        padded = [scale * n for n in potentials] + [0] * spare
        for repeat in range(2):
            begun = None
            for cycle in range(choose_latency(plan) + 4):
                first = cycle if cycle % 4 == 0 and cycle < len(potentials) else None
                ctx.set(dut.potentials.valid, first is not None)
                if first is not None:
                    ctx.set(dut.potentials.potentials, padded[first : first + 4])
                if ctx.get(dut.decided):
                    assert ctx.get(dut.free) == 0
                if ctx.get(dut.result.valid) and begun is None:
                    begun = cycle
                await ctx.tick()
            assert not ctx.get(dut.free)
            seen.append((begun, plain(ctx.get(dut.result.payload))))
            ctx.set(dut.result.ready, 1)
            await ctx.tick()
            ctx.set(dut.result.ready, 0)
            assert ctx.get(dut.free)
            assert not ctx.get(dut.result.valid), repeat

    cycle_by_cycle(dut, process)
    best, *others = sorted(potentials, reverse=True)
    wanted = {
        "label": potentials.index(best),
        "step": 5,
        "margin": best - others[0] if others else 0,
    }
    assert seen == [(choose_latency(plan), wanted)] * 2
