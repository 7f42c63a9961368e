"""The bucket queue: any order in, time order out."""

import random
from itertools import groupby

import pytest
from exchange import PACES, cycle_by_cycle, exchange

from hw.orderer import BucketQueue

# units, steps, and for each image the step of each unit (the number of steps means never)
TABLE = {
    "one unit, one step": (1, 1, [[0], [1], [0]]),
    "one step": (5, 1, [[0, 0, 1, 0, 1]]),
    "one unit": (1, 4, [[0], [3], [2], [4]]),
    "all at once": (6, 8, [[2] * 6, [0] * 6, [7] * 6]),
    "all silent": (6, 8, [[8] * 6, [8] * 6]),
    "rising, falling": (5, 16, [[0, 4, 8, 11, 15], [15, 11, 8, 4, 0]]),
    "many": (40, 16, [[(7 * k * k + i) % 20 for k in range(40)] for i in range(4)]),
}


def arrivals_of(times, steps):
    return [
        {"unit": k, "step": min(t, steps - 1), "spike": t < steps, "last": k == len(times) - 1}
        for k, t in enumerate(times)
    ]


def visited(times, steps):
    """The units of each step that the events visit, in time order."""
    return {
        step: {k for k, t in enumerate(times) if t == step}
        for step in range(steps)
        if step in times or step in (0, steps - 1)
    }


def by_step(events):
    """Step and units of each run of events; checks how the events are marked."""
    result = {}
    for step, run in groupby(events, key=lambda event: event["step"]):
        run = list(run)
        assert step not in result, "a step comes twice"
        assert [event["last"] for event in run] == [False] * (len(run) - 1) + [True]
        assert all(event["spike"] for event in run) or len(run) == 1
        result[step] = {event["unit"] for event in run if event["spike"]}
        assert len(result[step]) == sum(event["spike"] for event in run)
    return result


@pytest.mark.parametrize(("idle", "pause"), PACES)
@pytest.mark.parametrize("name", TABLE)
def test_sorts(name, idle, pause):
    """Image after image, each finished in the cycle after its final event."""
    units, steps, images = TABLE[name]
    dut = BucketQueue(units=units, steps=steps)
    arrivals = [arrival for times in images for arrival in arrivals_of(times, steps)]
    chance = random.Random(units)
    sent, got = [0], [[]]

    async def process(ctx):
        offering = ready = False
        for _ in range(8000):
            if len(got) > len(images):
                return
            offering = sent[0] < len(arrivals) and (offering or chance.random() >= idle)
            ready = chance.random() >= pause
            ctx.set(dut.arrivals.valid, offering)
            if offering:
                ctx.set(dut.arrivals.payload, arrivals[sent[0]])
            ctx.set(dut.events.ready, ready)
            ended = bool(got[-1]) and got[-1][-1]["step"] == steps - 1 and got[-1][-1]["last"]
            ctx.set(dut.finish, ended)
            if ended:
                assert not ctx.get(dut.events.valid), "an event after the final one"
                got.append([])
            elif ready and ctx.get(dut.events.valid):
                event = ctx.get(dut.events.payload)
                got[-1].append({key: event[key] for key in ("unit", "step", "spike", "last")})
            if offering and ctx.get(dut.arrivals.ready):
                sent[0], offering = sent[0] + 1, False
            await ctx.tick()
        raise AssertionError(f"hangs after {sent[0]} arrivals")

    cycle_by_cycle(dut, process)
    assert [by_step(events) for events in got[:-1]] == [visited(t, steps) for t in images]


def test_first_event_after_three_cycles_then_one_a_cycle():
    times = [3, 0, 7, 3, 3, 0, 8, 5]
    dut = BucketQueue(units=8, steps=8)
    accepted, taken = exchange(dut, dut.arrivals, dut.events, arrivals_of(times, 8), 7)
    assert accepted == list(range(8))
    assert [item.cycle for item in taken] == [accepted[-1] + 3 + k for k in range(7)]
    assert by_step([item.value for item in taken]) == visited(times, 8)


def test_loads_one_image_ahead_and_no_further():
    times = [1, 2, 0]
    dut = BucketQueue(units=3, steps=4)
    arrivals = [arrival for _ in range(3) for arrival in arrivals_of(times, 4)]
    with pytest.raises(AssertionError, match="nothing moves after 6 items in, 4 out"):
        exchange(dut, dut.arrivals, dut.events, arrivals, 5)


@pytest.mark.parametrize("when", range(14))
def test_finish_drops_the_rest_at_any_time(when):
    """``when`` cycles after its first event, the first image ends; the second follows whole."""
    first, second = [0, 1, 2, 3, 3, 3, 5, 5], [7, 6, 8, 8, 2, 2, 2, 0]
    dut = BucketQueue(units=8, steps=8)
    arrivals = arrivals_of(first, 8) + arrivals_of(second, 8)
    events = []

    async def process(ctx):
        sent, begun, finished = 0, None, False
        ctx.set(dut.events.ready, 1)
        for cycle in range(80):
            ctx.set(dut.arrivals.valid, sent < len(arrivals))
            if sent < len(arrivals):
                ctx.set(dut.arrivals.payload, arrivals[sent])
            valid = ctx.get(dut.events.valid)
            if valid and begun is None:
                begun = cycle
            finish = begun is not None and cycle == begun + when
            ctx.set(dut.finish, finish)
            if valid and finished:
                event = ctx.get(dut.events.payload)
                events.append({key: event[key] for key in ("unit", "step", "spike", "last")})
            finished |= finish
            sent += ctx.get(dut.arrivals.valid) and ctx.get(dut.arrivals.ready)
            await ctx.tick()

    cycle_by_cycle(dut, process)
    assert by_step(events) == visited(second, 8)
