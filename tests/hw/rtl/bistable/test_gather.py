"""Gather and Listen: parts in order, a cycle each, and their sums."""

import numpy as np
import pytest
from exchange import cycle_by_cycle, plain
from networks import bistable_network

from hw.rtl.bistable.gather import Gather, gap_of
from hw.rtl.bistable.listen import Listen, listen_latency
from hw.rtl.bistable.planner import plan_network

JOB = {"window_ends": 1, "tile_ends": 1, "layer_ends": 0}


def gathered(plan, places, entries, *, cycles=60):
    """What comes of ``places``, whose lists are ``entries`` by address: (cycle, part)."""
    dut, result = Gather(plan), []

    async def process(ctx):
        waiting, shown = list(places), None
        for cycle in range(cycles):
            ctx.set(dut.places.valid, bool(waiting))
            if waiting:
                ctx.set(dut.places.payload, waiting[0])
            if shown is not None:
                ctx.set(dut.entry, shown)
            part = plain(ctx.get(dut.part))
            if part["add"] or part["speak"]:
                result.append((cycle, part))
            if ctx.get(dut.read):
                shown = entries[ctx.get(dut.address)]
            if ctx.get(dut.places.ready) and waiting:
                waiting.pop(0)
            await ctx.tick()

    cycle_by_cycle(dut, process)
    return result


def place(address, row, *, inside=1, ends=0):
    return {"address": address, "row": row, "inside": inside, "ends": ends, "job": JOB}


@pytest.fixture
def plan(rng):
    """Of words of four values, one of which is listened to at a time."""
    return plan_network(bistable_network(rng, "8c1-8c1-3", 3, (8, 2, 4)), 4, 1)


def test_parts(plan):
    """Two places of one job: three values in two words, and none; then one beyond the map."""
    entries = {
        2: {"values": [0, 5, 0, 7], "slot": 0, "more": 1},
        3: {"values": [1, 0, 0, 0], "slot": 1, "more": 0},
        4: {"values": [0, 0, 0, 0], "slot": 0, "more": 0},
    }
    places = [place(2, 10), place(4, 12), place(9, 14, inside=0, ends=1)]
    seen = gathered(plan, places, entries)
    adds = [(cycle, part["values"], part["row"]) for cycle, part in seen if part["add"]]
    assert adds == [(2, [5], 4 * 10 + 1), (3, [7], 4 * 10 + 3), (4, [1], 4 * 11)]
    # A cycle for the word without a value, one for the place beyond the map, then the job ends.
    assert [cycle for cycle, part in seen if part["speak"]] == [7]


def test_jobs_wait_for_the_tile_before(plan):
    """Each has one value; the output layer's tiles are compared unit by unit."""
    entries = {0: {"values": [3, 0, 0, 0], "slot": 0, "more": 0}}
    seen = gathered(plan, [place(0, 0, ends=1)] * 5, entries)
    speaks = [cycle for cycle, part in seen if part["speak"]]
    assert np.diff(speaks).tolist() == [2] * 4
    assert gap_of(plan, 0, last_tile=True) == 1
    assert gap_of(plan, 2, last_tile=True) == 4


@pytest.mark.parametrize("listens", [1, 4])
def test_sums(rng, listens):
    """Two jobs of five parts each, one after the other, of whose lanes four speak at a time."""
    plan = plan_network(bistable_network(rng, "8-3", 3, (8, 8)), 8, listens)
    values = rng.integers(0, 8, (2, 5, listens))
    plus = rng.random((2, 5, 8, listens)) < 0.5
    parts = [
        (values[job, part], plus[job, part]) if part < 5 else None
        for job in range(2)
        for part in range(6)
    ]
    dut, seen = Listen(plan), []

    async def process(ctx):
        ctx.set(dut.next, 1)
        for cycle in range(len(parts) + 6):
            part = parts[cycle] if cycle < len(parts) else None
            before = parts[cycle - 1] if 0 < cycle <= len(parts) else None
            ctx.set(dut.part.add, part is not None)
            ctx.set(dut.part.speak, part is None and cycle < len(parts))
            if part is not None:
                ctx.set(dut.part.values, part[0].tolist())
            if before is not None:  # weights come a cycle later
                ctx.set(dut.plus, sum(int(bit) << k for k, bit in enumerate(before[1].flat)))
            seen.append((ctx.get(dut.ends), plain(ctx.get(dut.sums)), ctx.get(dut.total)))
            await ctx.tick()

    cycle_by_cycle(dut, process)
    ends = [cycle for cycle, (end, *_) in enumerate(seen) if end]
    assert ends == [5 + listen_latency(plan) - 1, 11 + listen_latency(plan) - 1]
    for job, end in enumerate(ends):
        sums = (plus[job] * values[job][:, None]).sum(axis=(0, 2)).tolist()
        assert seen[end + 1][1] + seen[end + 2][1] == sums
        assert seen[end + 1][2] == values[job].sum()
