"""Integrate: potentials at the end of each step."""

from itertools import product

import numpy as np
import pytest
from exchange import PACES, cycle_by_cycle, exchange

from hw.rtl.engines.event_driven import Integrate, bank_depth
from sw.network import Layer

LIMITS = np.iinfo(np.int32)
THRESHOLDS = {
    "small": (3, -2, 0, 1, 5),
    "the largest": (LIMITS.max, LIMITS.max - 1, 0, 0, LIMITS.max),
    "the smallest": (LIMITS.min, LIMITS.min + 1, 0, 7, LIMITS.min),
}


def layer_of(rng, inputs=12, thresholds=(3, -2, 0, 1, 5)):
    weight = rng.random((len(thresholds), inputs)) < 0.5
    weight[0], weight[1] = True, False  # the widest and the lowest potential there can be
    return Layer(weight=weight, threshold=np.array(thresholds, np.int32))


def events_of(rng, layer, steps, banks=1):
    """Events of all inputs, each in a random step, and the margins after each visited step.

    A unit's bank may be empty in any event, as lists end and as a layer fires.
    """
    times = rng.integers(0, steps, layer.inputs)
    events, margins = [], []
    margin = -layer.threshold.astype(np.int64)
    for step in range(steps):
        units = np.flatnonzero(times == step)
        margin = margin + np.where(layer.weight[:, units], 1, -1).sum(axis=1)
        queues = [[int(unit) for unit in units if unit % banks == bank] for bank in range(banks)]
        while any(queues):
            taken = [
                queue.pop() if queue and (banks == 1 or rng.random() < 0.7) else None
                for queue in queues
            ]
            events.append(event_of(taken, step, last=not any(queues)))
        if not len(units) and step in (0, steps - 1):
            events.append(event_of([None] * banks, step, last=True))
        if events[-1]["step"] == step:
            margins.append((step, margin.tolist()))
    return events, margins


def event_of(units, step, last):
    """An event of these units, one per bank; None is an empty slot."""
    return {
        "row": [0 if unit is None else unit // len(units) for unit in units],
        "step": step,
        "spike": sum((unit is not None) << bank for bank, unit in enumerate(units)),
        "last": last,
    }


@pytest.mark.parametrize(("idle", "pause"), PACES)
@pytest.mark.parametrize("name", THRESHOLDS)
def test_sums_exactly(rng, name, idle, pause):
    layer = layer_of(rng, thresholds=THRESHOLDS[name])
    for banks, margins in product((1, 2, 4), (True, False)):
        events, expected = events_of(rng, layer, 8, banks)
        dut = Integrate(layer=layer, steps=8, margins=margins, banks=banks)
        check(dut, layer, events, expected, idle=idle, pause=pause)


@pytest.mark.parametrize(("inputs", "banks", "depth"), [(510, 2, 255), (508, 2, 256), (7, 4, 4)])
def test_empty_slots_of_a_bank_with_and_without_fillers(rng, inputs, banks, depth):
    """Fillers are rows of the memory unless they would double it."""
    assert bank_depth(inputs, banks) == depth
    layer = layer_of(rng, inputs=inputs)
    for margins in (True, False):
        events, expected = events_of(rng, layer, 4, banks)
        dut = Integrate(layer=layer, steps=4, margins=margins, banks=banks)
        check(dut, layer, events, expected)


def check(dut, layer, events, expected, **pace):
    """What comes out at the end of each step is what is expected."""
    _, taken = run_after_restart(dut, events, len(expected), **pace)
    for item, (step, margin) in zip(taken, expected, strict=True):
        assert item.value["step"] == step
        if "margin" in item.value:
            assert item.value["margin"] == margin
        else:
            reached = [item.value["reached"] >> j & 1 for j in range(layer.outputs)]
            assert reached == [value >= 0 for value in margin]


def run_after_restart(dut, events, count, **pace):
    """An exchange whose first cycle presets the potentials; an event in it would be dropped."""

    def before(ctx, cycle):
        ctx.set(dut.restart, cycle == 0)

    nothing = {**events[0], "spike": 0, "last": 0}
    return exchange(
        dut, dut.events, dut.potentials, [nothing, *events], count, before=before, **pace
    )


def test_potentials_two_cycles_after_the_last_event_of_a_step(rng):
    layer = layer_of(rng)
    events, expected = events_of(rng, layer, 4)
    dut = Integrate(layer=layer, steps=4, margins=True)
    accepted, taken = run_after_restart(dut, events, len(expected))
    assert accepted == list(range(len(events) + 1))
    ends = [cycle for cycle, event in zip(accepted[1:], events, strict=True) if event["last"]]
    assert [item.cycle for item in taken] == [cycle + 2 for cycle in ends]


@pytest.mark.parametrize("banks", [1, 2, 4])
@pytest.mark.parametrize("when", range(8))
def test_restart_at_any_time(rng, when, banks):
    """``when`` cycles into an inference a new one begins; nothing is left of the old one."""
    layer = layer_of(rng)
    old, _ = events_of(rng, layer, 4, banks)
    new, expected = events_of(rng, layer, 4, banks)
    dut = Integrate(layer=layer, steps=4, margins=True, banks=banks)
    seen = []

    async def process(ctx):
        ctx.set(dut.potentials.ready, 1)
        ctx.set(dut.restart, 1)
        await ctx.tick()
        for events, cycles in ((old, when), (new, len(new) + 2)):
            ctx.set(dut.restart, 0)
            for cycle in range(cycles):
                ctx.set(dut.events.valid, cycle < len(events))
                if cycle < len(events):
                    ctx.set(dut.events.payload, events[cycle])
                if events is new and ctx.get(dut.potentials.valid):
                    value = ctx.get(dut.potentials.payload)
                    seen.append((value["step"], [value["margin"][j] for j in range(5)]))
                await ctx.tick()
            ctx.set(dut.restart, 1)
            await ctx.tick()  # an event that is accepted in this cycle belongs to the old one
        ctx.set(dut.restart, 0)

    cycle_by_cycle(dut, process)
    assert seen == expected
