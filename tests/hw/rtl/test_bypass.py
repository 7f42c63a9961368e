"""The bypass: time order in, beats with marked steps out."""

import random
from itertools import groupby

import pytest
from exchange import PACES, cycle_by_cycle, exchange, plain

from hw.rtl.bypass import Bypass

END = {"unit": 0, "step": 0, "end": 1}

# units, steps, and for each inference its spikes (step, unit)
TABLE = {
    "one unit, one step": (1, 1, [[(0, 0)], [], [(0, 0), (0, 0)]]),
    "nothing": (3, 4, [[], []]),
    "the first step": (5, 6, [[(0, 4), (0, 1), (0, 4)], [(0, 2)]]),
    "the final step": (5, 6, [[(5, 4)], [(5, 0), (5, 0)]]),
    "in between": (5, 6, [[(2, 1), (2, 3), (4, 1), (4, 1)]]),
    "every step": (4, 3, [[(0, 1), (1, 1), (2, 1)], [(0, 1), (0, 3), (2, 0)]]),
}


def items_of(spikes):
    return [*({"unit": unit, "step": step, "end": 0} for step, unit in spikes), END]


def by_step(beats):
    """Step and units of each run of beats; checks how the beats are marked."""
    result = []
    for step, run in groupby(beats, key=lambda beat: beat["step"]):
        run = list(run)
        assert [beat["last"] for beat in run] == [0] * (len(run) - 1) + [1]
        assert len(run) == 1 or all(beat["spike"] for beat in run)
        result.append((step, [beat["row"][0] for beat in run if beat["spike"]]))
    return result


def visited(spikes, steps):
    """The steps that the beats visit, each with its units."""
    return [
        (step, [unit for t, unit in spikes if t == step])
        for step in range(steps)
        if step in (0, steps - 1, *(t for t, _ in spikes))
    ]


@pytest.mark.parametrize(("idle", "pause"), PACES)
@pytest.mark.parametrize("name", TABLE)
def test_marks_the_steps(name, idle, pause):
    """Inference after inference, each finished in the cycle after its final beat."""
    units, steps, inferences = TABLE[name]
    dut = Bypass(units=units, steps=steps, most_spikes=9)
    got, faults = converse(dut, inferences, steps, idle=idle, pause=pause)
    assert [by_step(beats) for beats in got] == [visited(each, steps) for each in inferences]
    assert not any(faults)


def converse(dut, inferences, steps, *, idle=0.0, pause=0.0):
    """The beats of each inference, and the fault as it ended."""
    items = [item for spikes in inferences for item in items_of(spikes)]
    chance = random.Random(len(items))
    got, faults = [[]], []

    async def process(ctx):
        sent, offering = 0, False
        for _ in range(4000):
            if len(got) > len(inferences):
                return
            offering = sent < len(items) and (offering or chance.random() >= idle)
            ready = chance.random() >= pause
            ctx.set(dut.source.valid, offering)
            if offering:
                ctx.set(dut.source.payload, items[sent])
            ctx.set(dut.beats.ready, ready)
            ended = bool(got[-1]) and got[-1][-1]["step"] == steps - 1 and got[-1][-1]["last"]
            ctx.set(dut.finish, bool(ended))
            if ended:
                faults.append(ctx.get(dut.fault))
                got.append([])
            elif ready and ctx.get(dut.beats.valid):
                got[-1].append(plain(ctx.get(dut.beats.payload)))
            if offering and ctx.get(dut.source.ready):
                sent, offering = sent + 1, False
            await ctx.tick()
        raise AssertionError(f"hangs after {sent} items")

    cycle_by_cycle(dut, process)
    return got[:-1], faults


@pytest.mark.smoke
def test_a_spike_a_cycle():
    spikes = [(0, 3), (0, 3), (1, 0), (4, 2), (4, 1)]
    dut = Bypass(units=4, steps=8, most_spikes=9)
    accepted, taken = exchange(dut, dut.source, dut.beats, items_of(spikes), 6)
    assert accepted == list(range(6))
    assert [item.cycle for item in taken] == [dut.latency + k for k in range(6)]
    assert by_step([item.value for item in taken]) == visited(spikes, 8)


@pytest.mark.parametrize("when", range(14))
def test_finish_drops_the_rest_at_any_time(when):
    first, second = [(0, 1), (2, 3), (2, 0), (3, 1), (6, 2)], [(1, 2), (1, 2), (5, 0)]
    items = items_of(first) + items_of(second)
    dut = Bypass(units=4, steps=8, most_spikes=9)
    beats = []

    async def process(ctx):
        sent, finished = 0, False
        ctx.set(dut.beats.ready, 1)
        for cycle in range(60):
            ctx.set(dut.source.valid, sent < len(items))
            if sent < len(items):
                ctx.set(dut.source.payload, items[sent])
            finish = cycle == when + 1
            ctx.set(dut.finish, finish)
            if finished and ctx.get(dut.beats.valid):
                beats.append(plain(ctx.get(dut.beats.payload)))
            finished |= finish
            sent += ctx.get(dut.source.valid) and ctx.get(dut.source.ready)
            await ctx.tick()

    cycle_by_cycle(dut, process)
    assert by_step(beats) == visited(second, 8)


BROKEN = {
    "a step back": [(3, 1), (2, 0), (4, 1)],
    "a unit that is not there": [(1, 6), (2, 0)],
    "a step that is not there": [(1, 0), (6, 0), (6, 1)],
    "too many": [(1, 0)] * 10,
}
# A source writes the first unit that is none for what it cannot write.
CASES = [*((name, 5) for name in BROKEN), *(("no unit", units) for units in (3, 4, 5, 8))]


@pytest.mark.parametrize(("name", "units"), CASES)
def test_a_fault_ends_the_inference_and_only_that(name, units):
    good, broken = [(0, 1), (2, 2)], BROKEN.get(name, [(1, units), (3, 0)])
    dut = Bypass(units=units, steps=6, most_spikes=9)
    got, faults = converse(dut, [good, broken, good], 6)
    assert faults == [0, 1, 0]
    assert [by_step(beats) for beats in (got[0], got[2])] == [visited(good, 6)] * 2
    # What came before the fault may have been passed on, and the final step is sent.
    assert got[1][-1]["step"] == 5
    assert sum(beat["spike"] for beat in got[1]) <= 9


def test_as_many_as_there_is_room_for():
    dut = Bypass(units=5, steps=6, most_spikes=9)
    got, faults = converse(dut, [[(1, 0)] * 9], 6)
    assert by_step(got[0]) == visited([(1, 0)] * 9, 6)
    assert faults == [0]
