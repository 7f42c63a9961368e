"""The bucket queue: any order in, time order out."""

import random
from itertools import groupby

import pytest
from exchange import PACES, Simulation, cycle_by_cycle, exchange, plain

from hw.rtl.orderer import BucketQueue

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


def arrivals_of(times, steps, lanes=1):
    """Arrivals of ``lanes`` units each; the last one may hold fewer."""
    result = []
    for start in range(0, len(times), lanes):
        units = range(start, min(start + lanes, len(times)))
        spare = [0] * (lanes - len(units))
        result.append(
            {
                "unit": [*units, *spare],
                "step": [*(min(times[k], steps - 1) for k in units), *spare],
                "spike": sum((times[k] < steps) << lane for lane, k in enumerate(units)),
                "last": units[-1] == len(times) - 1,
            }
        )
    return result


def visited(times, steps):
    """The units of each step that the beats visit, in time order."""
    return {
        step: {k for k, t in enumerate(times) if t == step}
        for step in range(steps)
        if step in times or step in (0, steps - 1)
    }


def by_step(beats):
    """Step and units of each run of beats; checks how the beats are marked."""
    result = {}
    for step, run in groupby(beats, key=lambda beat: beat["step"]):
        run = list(run)
        assert step not in result, "a step comes twice"
        assert [beat["last"] for beat in run] == [False] * (len(run) - 1) + [True]
        # Only a beat that ends a step may be without a spike.
        assert all(beat["spike"] for beat in run[:-1])
        assert run[-1]["spike"] or len(run) == 1 or step == 0
        units = [
            row * len(beat["row"]) + bank
            for beat in run
            for bank, row in enumerate(beat["row"])
            if beat["spike"] >> bank & 1
        ]
        result[step] = set(units)
        assert len(result[step]) == len(units)
    return result


# banks, lanes, and how often the block after it takes what comes
SHAPES = [
    *((1, 1, 1), (2, 1, 1), (2, 2, 1), (4, 2, 1), (4, 4, 1)),
    *((1, 1, 0.5), (2, 2, 0.2), (1, 1, 0)),
]


@pytest.mark.parametrize("name", TABLE)
@pytest.mark.parametrize(("banks", "lanes", "accept"), SHAPES)
def test_sorts(name, banks, lanes, accept):
    """Images in a row, each finished in the cycle after its final beat, for all stall patterns."""
    units, steps, images = TABLE[name]
    dut = BucketQueue(units=units, steps=steps, banks=banks, lanes=lanes)
    simulation = Simulation(dut)
    arrivals = [arrival for times in images for arrival in arrivals_of(times, steps, lanes)]
    expected = [visited(times, steps) for times in images]
    for idle, pause in PACES:
        stalls = {"accept": accept, "idle": idle, "pause": pause}
        got = stream(simulation, dut, arrivals, len(images), final=steps - 1, **stalls)
        assert [by_step(beats) for beats in got] == expected, (idle, pause)


def stream(simulation, dut, arrivals, count, *, final, accept, idle, pause):
    """The beats of each of ``count`` images, whose final step is ``final``."""
    chance = random.Random(len(arrivals))
    sent, got = [0], [[]]

    async def process(ctx):
        offering = ready = False
        for _ in range(8000):
            if len(got) > count:
                return
            offering = sent[0] < len(arrivals) and (offering or chance.random() >= idle)
            accepts = chance.random() < accept
            # What goes out as it comes is not held back where the block after it takes it.
            at_once = accepts and (not got[-1] or got[-1][-1]["step"] == 0)
            ready = at_once or chance.random() >= pause
            ctx.set(dut.can_accept, accepts)
            ctx.set(dut.arrivals.valid, offering)
            if offering:
                ctx.set(dut.arrivals.payload, arrivals[sent[0]])
            ctx.set(dut.beats.ready, ready)
            ended = bool(got[-1]) and got[-1][-1]["step"] == final and got[-1][-1]["last"]
            ctx.set(dut.finish, ended)
            if ended:
                assert not ctx.get(dut.beats.valid), "a beat after the final one"
                got.append([])
            elif ready and ctx.get(dut.beats.valid):
                got[-1].append(plain(ctx.get(dut.beats.payload)))
            if offering and ctx.get(dut.arrivals.ready):
                sent[0], offering = sent[0] + 1, False
            await ctx.tick()
        raise AssertionError(f"hangs after {sent[0]} arrivals")

    cycle_by_cycle(simulation, process)
    return got[:-1]


@pytest.mark.smoke
def test_step_0_goes_out_as_it_comes_then_an_event_a_cycle():
    times = [3, 0, 7, 3, 3, 0, 8, 5]
    dut = BucketQueue(units=8, steps=8)
    accepted, taken = exchange(dut, dut.arrivals, dut.beats, arrivals_of(times, 8), 8)
    assert accepted == list(range(8))
    first = [item.cycle for item in taken if item.value["step"] == 0]
    assert first == [accepted[k] + dut.latency for k in (1, 5, 7)]
    assert [item.cycle for item in taken[3:]] == [
        accepted[-1] + dut.list_latency + k for k in range(5)
    ]
    assert by_step([item.value for item in taken]) == visited(times, 8)


def test_without_room_step_0_goes_by_its_list():
    times = [3, 0, 7, 3, 3, 0, 8, 5]
    dut = BucketQueue(units=8, steps=8)
    accepted, taken = exchange(
        dut,
        dut.arrivals,
        dut.beats,
        arrivals_of(times, 8),
        7,
        before=lambda ctx, cycle: ctx.set(dut.can_accept, 0),
    )
    assert [item.cycle for item in taken] == [accepted[-1] + dut.list_latency + k for k in range(7)]
    assert by_step([item.value for item in taken]) == visited(times, 8)


def test_a_spike_of_each_bank_a_cycle():
    times = [1, 1, 1, 1, 1, 2, 1, 2]  # units of bank 0, bank 1, bank 0, …
    dut = BucketQueue(units=8, steps=4, banks=2)
    accepted, taken = exchange(dut, dut.arrivals, dut.beats, arrivals_of(times, 4), 1 + 4 + 2 + 1)
    assert [item.value["spike"] for item in taken] == [0, 3, 3, 1, 1, 2, 2, 0]
    assert [item.cycle for item in taken[1:]] == [
        accepted[-1] + dut.list_latency + k for k in range(7)
    ]


def test_lanes_load_at_once():
    times = [2, 0, 1, 1, 3, 2, 2, 1]
    dut = BucketQueue(units=8, steps=4, banks=4, lanes=4)
    accepted, taken = exchange(dut, dut.arrivals, dut.beats, arrivals_of(times, 4, lanes=4), 6)
    assert accepted == [0, 1]
    assert by_step([item.value for item in taken]) == visited(times, 4)


def test_loads_one_image_ahead_and_no_further():
    times = [1, 2, 0]
    dut = BucketQueue(units=3, steps=4)
    arrivals = [arrival for _ in range(3) for arrival in arrivals_of(times, 4)]
    with pytest.raises(AssertionError, match="nothing moves after 6 items in, 4 out"):
        exchange(dut, dut.arrivals, dut.beats, arrivals, 5)


@pytest.mark.parametrize("when", range(14))
def test_finish_drops_the_rest_at_any_time(when):
    """``when`` cycles after its first beat, the first image ends; the second follows whole."""
    first, second = [0, 1, 2, 3, 3, 3, 5, 5], [7, 6, 8, 8, 2, 2, 2, 0]
    dut = BucketQueue(units=8, steps=8)
    arrivals = arrivals_of(first, 8) + arrivals_of(second, 8)
    beats = []

    async def process(ctx):
        sent, begun, finished = 0, None, False
        ctx.set(dut.beats.ready, 1)
        for cycle in range(80):
            ctx.set(dut.arrivals.valid, sent < len(arrivals))
            if sent < len(arrivals):
                ctx.set(dut.arrivals.payload, arrivals[sent])
            valid = ctx.get(dut.beats.valid)
            # A decision follows the end of step 0, when the image has come.
            if valid and begun is None and ctx.get(dut.beats.payload.last):
                begun = cycle + 2
            finish = begun is not None and cycle == begun + when
            ctx.set(dut.finish, finish)
            if valid and finished:
                beats.append(plain(ctx.get(dut.beats.payload)))
            finished |= finish
            sent += ctx.get(dut.arrivals.valid) and ctx.get(dut.arrivals.ready)
            await ctx.tick()

    cycle_by_cycle(dut, process)
    assert by_step(beats) == visited(second, 8)
