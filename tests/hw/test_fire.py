"""Fire: each unit once, lowest index first, at the end of a step."""

import random

import numpy as np
import pytest
from exchange import PACES, cycle_by_cycle, exchange

from hw.fire import Fire
from sw.network import Layer


def fire_of(units, steps=16):
    layer = Layer(weight=np.ones((units, 3), bool), threshold=np.ones(units, np.int32))
    return Fire(layer=layer, steps=steps)


def potentials_of(units, seed, density):
    """Random potentials of 8 steps; units may fall below their threshold again."""
    chance = random.Random(seed)
    reached = [sum((chance.random() < density) << unit for unit in range(units)) for _ in range(8)]
    return [{"step": 2 * step, "reached": value} for step, value in enumerate(reached)]


def expected_events(units, potentials):
    fired, result = 0, []
    for item in potentials:
        new = [unit for unit in range(units) if (item["reached"] & ~fired) >> unit & 1]
        fired |= item["reached"]
        for unit in new or [None]:
            last = unit is None or unit == new[-1]
            result.append((item["step"], unit, last))
    return result


def told(item):
    """Step, unit (None without a spike), and whether it is the step's last event."""
    value = item.value
    return (value["step"], value["unit"] if value["spike"] else None, bool(value["last"]))


@pytest.mark.parametrize(("idle", "pause"), PACES)
@pytest.mark.parametrize("units", [1, 2, 3, 5, 16, 17, 40])
def test_sends_each_unit_once(units, idle, pause):
    for density in (0.05, 0.4, 1):
        potentials = potentials_of(units, units, density)
        expected = expected_events(units, potentials)
        dut = fire_of(units)
        _, taken = exchange(
            dut, dut.potentials, dut.spikes, potentials, len(expected), idle=idle, pause=pause
        )
        assert [told(item) for item in taken] == expected


def test_first_event_after_three_cycles_and_a_step_every_three():
    dut = fire_of(40)
    potentials = [{"step": step, "reached": 1 << 7 * step % 40} for step in range(6)]
    accepted, taken = exchange(dut, dut.potentials, dut.spikes, potentials, 6)
    assert Fire.latency == 3
    assert accepted == [3 * k for k in range(6)]
    assert [item.cycle for item in taken] == [cycle + Fire.latency for cycle in accepted]


def test_a_spike_a_cycle():
    dut = fire_of(40)
    _, taken = exchange(dut, dut.potentials, dut.spikes, [{"step": 5, "reached": 2**40 - 1}], 40)
    assert [item.cycle for item in taken] == [Fire.latency + k for k in range(40)]


@pytest.mark.parametrize("when", range(1, 16))
def test_restart_at_any_time(when):
    """``when`` cycles into an inference a new one begins: nobody has fired."""
    units = 20
    old, new = potentials_of(units, 1, 0.4), potentials_of(units, 2, 0.2)
    dut, seen = fire_of(units), []

    async def process(ctx):
        ctx.set(dut.spikes.ready, 1)
        for potentials, cycles in ((old, when), (new, 80)):
            sent = 0
            for _ in range(cycles):
                ctx.set(dut.potentials.valid, sent < len(potentials))
                if sent < len(potentials):
                    ctx.set(dut.potentials.payload, potentials[sent])
                sent += ctx.get(dut.potentials.valid) and ctx.get(dut.potentials.ready)
                if potentials is new and ctx.get(dut.spikes.valid):
                    event = ctx.get(dut.spikes.payload)
                    unit = event["unit"] if event["spike"] else None
                    seen.append((event["step"], unit, bool(event["last"])))
                await ctx.tick()
            ctx.set(dut.potentials.valid, 0)
            ctx.set(dut.restart, 1)
            await ctx.tick()
            ctx.set(dut.restart, 0)

    cycle_by_cycle(dut, process)
    assert seen == expected_events(units, new)
