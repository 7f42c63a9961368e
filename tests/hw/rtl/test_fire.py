"""Fire: each unit once, lowest index first, at the end of a step."""

import random
from itertools import product, zip_longest

import numpy as np
import pytest
from exchange import PACES, cycle_by_cycle, exchange, plain

from hw.rtl.fire import Fire
from sw.network import Layer


def fire_of(units, steps=16, banks=1):
    layer = Layer(weight=np.ones((units, 3), bool), threshold=np.ones(units, np.int32))
    return Fire(layer=layer, steps=steps, banks=banks)


def potentials_of(units, seed, density):
    """Random potentials of 8 steps; units may fall below their threshold again."""
    chance = random.Random(seed)
    reached = [sum((chance.random() < density) << unit for unit in range(units)) for _ in range(8)]
    return [{"step": 2 * step, "reached": value} for step, value in enumerate(reached)]


def expected_beats(units, potentials, banks=1):
    """Step, unit of each bank (None without a spike), and whether it is the step's last beat."""
    fired, result = 0, []
    for item in potentials:
        new = [unit for unit in range(units) if (item["reached"] & ~fired) >> unit & 1]
        fired |= item["reached"]
        queues = [[unit for unit in new if unit % banks == bank] for bank in range(banks)]
        beats = list(zip_longest(*queues)) or [(None,) * banks]
        result += [(item["step"], beat, beat is beats[-1]) for beat in beats]
    return result


def beat_of(value):
    """The same of what came."""
    banks = len(value["row"])
    beat = tuple(
        value["row"][bank] * banks + bank if value["spike"] >> bank & 1 else None
        for bank in range(banks)
    )
    return value["step"], beat, bool(value["last"])


@pytest.mark.parametrize(("idle", "pause"), PACES)
@pytest.mark.parametrize("units", [1, 2, 3, 5, 16, 17, 40])
def test_sends_each_unit_once(units, idle, pause):
    for banks, density in product((1, 2, 4), (0.05, 0.4, 1)):
        if banks > units:
            continue
        potentials = potentials_of(units, units, density)
        expected = expected_beats(units, potentials, banks)
        dut = fire_of(units, banks=banks)
        _, taken = exchange(
            dut, dut.potentials, dut.spikes, potentials, len(expected), idle=idle, pause=pause
        )
        assert [beat_of(item.value) for item in taken] == expected


@pytest.mark.smoke
def test_first_event_after_two_cycles_and_a_step_every_two():
    dut = fire_of(40)
    potentials = [{"step": step, "reached": 1 << 7 * step % 40} for step in range(6)]
    accepted, taken = exchange(dut, dut.potentials, dut.spikes, potentials, 6)
    assert Fire.latency == 2
    assert accepted == [2 * k for k in range(6)]
    assert [item.cycle for item in taken] == [cycle + Fire.latency for cycle in accepted]


@pytest.mark.parametrize("banks", [1, 2, 4])
def test_a_spike_of_each_bank_a_cycle(banks):
    dut = fire_of(40, banks=banks)
    potentials, count = [{"step": 5, "reached": 2**40 - 1}], 40 // banks
    _, taken = exchange(dut, dut.potentials, dut.spikes, potentials, count)
    assert [item.cycle for item in taken] == [Fire.latency + k for k in range(count)]
    assert all(item.value["spike"] == 2**banks - 1 for item in taken)


@pytest.mark.parametrize("banks", [1, 2])
@pytest.mark.parametrize("when", range(1, 16))
def test_restart_at_any_time(when, banks):
    """``when`` cycles into an inference a new one begins: no unit has fired."""
    units = 20
    old, new = potentials_of(units, 1, 0.4), potentials_of(units, 2, 0.2)
    dut, seen = fire_of(units, banks=banks), []

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
                    seen.append(beat_of(plain(ctx.get(dut.spikes.payload))))
                await ctx.tick()
            ctx.set(dut.potentials.valid, 0)
            ctx.set(dut.restart, 1)
            await ctx.tick()
            ctx.set(dut.restart, 0)

    cycle_by_cycle(dut, process)
    assert seen == expected_beats(units, new, banks)
