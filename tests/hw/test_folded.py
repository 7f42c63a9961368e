"""Folded: each unit once, as integrate and fire together, whatever the number of lanes."""

from itertools import groupby

import numpy as np
import pytest
from exchange import PACES, cycle_by_cycle, plain
from samples import unfinished  # noqa: F401
from test_integrate import LIMITS, event_of, events_of

from hw.folded import Folded, lane_width
from sw.network import Layer

# units, lanes
SHAPES = [(2, 1), (5, 1), (5, 2), (5, 3), (9, 4), (24, 8), (25, 8)]


def layer_of(rng, units, inputs=20, low=-2, high=4):
    weight = rng.random((units, inputs)) < 0.5
    return Layer(weight=weight, threshold=rng.integers(low, high, units).astype(np.int32))


def steps_of(layer, margins):
    """The units that fire in each step that the events visit."""
    fired, result = np.zeros(layer.outputs, bool), []
    for step, margin in margins:
        reached = np.array(margin) >= 0
        result.append((step, np.flatnonzero(reached & ~fired).tolist()))
        fired |= reached
    return result


def run(dut, inferences, *, idle=0.0, pause=0.0, whens=None):
    """Events of inference after inference, a restart before each; the spikes of the last, and the
    cycles of what went in and came out. ``whens`` is how long the others last.
    """
    chance = np.random.default_rng(1)
    accepted, seen = [], []

    async def process(ctx):
        cycle = 0
        for index, events in enumerate(inferences):
            ctx.set(dut.restart, 1)
            ctx.set(dut.events.valid, 0)
            await ctx.tick()
            ctx.set(dut.restart, 0)
            accepted.clear()
            seen.clear()
            sent, offering, cycle = 0, False, 0
            final = index == len(inferences) - 1
            limit = 6000 if final else whens[index]
            want = sum(bool(event["last"]) for event in events)
            while cycle < limit:
                if final and sum(event["last"] for _, event in seen) == want:
                    return
                offering = sent < len(events) and (offering or chance.random() >= idle)
                ctx.set(dut.events.valid, offering)
                if offering:
                    ctx.set(dut.events.payload, events[sent])
                ctx.set(dut.spikes.ready, chance.random() >= pause)
                if ctx.get(dut.spikes.valid) and ctx.get(dut.spikes.ready):
                    seen.append((cycle, plain(ctx.get(dut.spikes.payload))))
                if offering and ctx.get(dut.events.ready):
                    accepted.append(cycle)
                    sent, offering = sent + 1, False
                await ctx.tick()
                cycle += 1
        raise AssertionError(f"hangs after {sent} events in, {len(seen)} out")

    cycle_by_cycle(dut, process)
    return accepted, seen


def by_step(seen):
    """Step and units of each run of events; checks that an event without a spike ends it."""
    result = []
    for step, group in groupby((event for _, event in seen), key=lambda event: event["step"]):
        *spikes, end = group
        assert (end["last"], end["spike"]) == (1, 0)
        assert all(event["spike"] and not event["last"] for event in spikes)
        result.append((step, [event["row"][0] for event in spikes]))
    return result


@pytest.mark.parametrize(("idle", "pause"), PACES)
@pytest.mark.parametrize(("units", "lanes"), SHAPES)
def test_each_unit_fires_once(rng, units, lanes, idle, pause):
    layer = layer_of(rng, units)
    events, margins = events_of(rng, layer, 8)
    dut = Folded(layer=layer, steps=8, lanes=lanes)
    _, seen = run(dut, [events], idle=idle, pause=pause)
    assert by_step(seen) == steps_of(layer, margins)


@pytest.mark.parametrize("limit", ["max", "min"])
def test_thresholds_of_32_bits(rng, limit):
    layer = layer_of(rng, 6)
    layer.threshold[[0, 3]] = getattr(LIMITS, limit)
    layer.weight[0] = limit == "min"
    layer.weight[3] = limit != "min"
    events, margins = events_of(rng, layer, 4)
    _, seen = run(Folded(layer=layer, steps=4, lanes=2), [events])
    assert by_step(seen) == steps_of(layer, margins)


def test_a_value_is_left_for_units_that_have_fired():
    """V − θ of −8 … 7 takes 4 bits, and all their values."""
    weight = np.array([[True] * 7 + [False] * 8])
    assert lane_width(Layer(weight=weight, threshold=np.zeros(1, np.int32))) == 5
    assert lane_width(Layer(weight=weight[:, 1:], threshold=np.ones(1, np.int32))) == 5
    assert lane_width(Layer(weight=weight[:, :14], threshold=np.zeros(1, np.int32))) == 4


def test_the_cycles_of_a_pass(rng):
    """An event every K cycles, the step's first spike 3 cycles after, its end K + 2."""
    layer = layer_of(rng, 24, inputs=6, low=50, high=60)
    dut = Folded(layer=layer, steps=4, lanes=8)
    assert dut.chunks == 3
    events = [event_of([unit], 0, last=unit == 5) for unit in range(6)]
    events.append(event_of([None], 3, last=True))
    accepted, seen = run(dut, [events])
    assert accepted[:6] == [3 * k for k in range(6)]
    assert [cycle for cycle, _ in seen] == [accepted[5] + 5, accepted[6] + 5]
    assert accepted[6] == seen[0][0] + 1
    layer.threshold[[0, 9]] = -50
    accepted, seen = run(Folded(layer=layer, steps=4, lanes=8), [events])
    assert [cycle for cycle, _ in seen[:3]] == [accepted[5] + 3, accepted[5] + 4, accepted[5] + 5]
    assert by_step(seen) == [(0, [0, 9]), (3, [])]


@pytest.mark.parametrize("when", range(0, 40, 3))
def test_restart_at_any_time(rng, when):
    layer = layer_of(rng, 9)
    old, _ = events_of(rng, layer, 4)
    new, margins = events_of(rng, layer, 4)
    dut = Folded(layer=layer, steps=4, lanes=4)
    _, seen = run(dut, [old, new], whens=[when])
    assert by_step(seen) == steps_of(layer, margins)


@pytest.mark.usefixtures("unfinished")
@pytest.mark.parametrize("lanes", [0, 4, 6])
def test_refuses_a_pass_of_one_chunk(rng, lanes):
    with pytest.raises(ValueError, match=f"^Lanes must be at most half of 6, not {lanes}$"):
        Folded(layer=layer_of(rng, 6), steps=4, lanes=lanes)
