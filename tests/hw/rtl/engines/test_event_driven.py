"""The event-driven engine: potentials at the end of each step."""

from itertools import product

import pytest
from exchange import PACES, cycle_by_cycle
from layer_cases import THRESHOLDS, beats_of, check, layer_of, run_after_restart

from hw.rtl.engines.event_driven import EventDrivenLayer, bank_depth


@pytest.mark.parametrize(("idle", "pause"), PACES)
@pytest.mark.parametrize("name", THRESHOLDS)
def test_sums_exactly(rng, name, idle, pause):
    layer = layer_of(rng, thresholds=THRESHOLDS[name])
    for banks, margins in product((1, 2, 4), (True, False)):
        beats, expected = beats_of(rng, layer, 8, banks)
        dut = EventDrivenLayer(layer=layer, steps=8, margins=margins, banks=banks)
        check(dut, layer, beats, expected, idle=idle, pause=pause)


@pytest.mark.parametrize(("inputs", "banks", "depth"), [(510, 2, 255), (508, 2, 256), (7, 4, 4)])
def test_empty_slots_of_a_bank_with_and_without_fillers(rng, inputs, banks, depth):
    """Fillers are rows of the memory unless they would double it."""
    assert bank_depth(inputs, banks) == depth
    layer = layer_of(rng, inputs=inputs)
    for margins in (True, False):
        beats, expected = beats_of(rng, layer, 4, banks)
        dut = EventDrivenLayer(layer=layer, steps=4, margins=margins, banks=banks)
        check(dut, layer, beats, expected)


@pytest.mark.smoke
def test_potentials_come_after_the_latency(rng):
    layer = layer_of(rng)
    beats, expected = beats_of(rng, layer, 4)
    dut = EventDrivenLayer(layer=layer, steps=4, margins=True)
    accepted, taken = run_after_restart(dut, beats, len(expected))
    assert accepted == list(range(len(beats) + 1))
    ends = [cycle for cycle, beat in zip(accepted[1:], beats, strict=True) if beat["last"]]
    assert dut.latency == 2
    assert [item.cycle for item in taken] == [cycle + dut.latency for cycle in ends]


@pytest.mark.parametrize("banks", [1, 2, 4])
@pytest.mark.parametrize("when", range(8))
def test_restart_at_any_time(rng, when, banks):
    """``when`` cycles into an inference a new one begins; nothing is left of the old one."""
    layer = layer_of(rng)
    old, _ = beats_of(rng, layer, 4, banks)
    new, expected = beats_of(rng, layer, 4, banks)
    dut = EventDrivenLayer(layer=layer, steps=4, margins=True, banks=banks)
    seen = []

    async def process(ctx):
        ctx.set(dut.potentials.ready, 1)
        ctx.set(dut.restart, 1)
        await ctx.tick()
        for beats, cycles in ((old, when), (new, len(new) + 2)):
            ctx.set(dut.restart, 0)
            for cycle in range(cycles):
                ctx.set(dut.beats.valid, cycle < len(beats))
                if cycle < len(beats):
                    ctx.set(dut.beats.payload, beats[cycle])
                if beats is new and ctx.get(dut.potentials.valid):
                    value = ctx.get(dut.potentials.payload)
                    seen.append((value["step"], [value["margin"][j] for j in range(5)]))
                await ctx.tick()
            ctx.set(dut.restart, 1)
            await ctx.tick()  # a beat that is accepted in this cycle belongs to the old one
        ctx.set(dut.restart, 0)

    cycle_by_cycle(dut, process)
    assert seen == expected
