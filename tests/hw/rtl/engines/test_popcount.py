"""Popcount: the same potentials as hw.rtl.engines.event_driven, from the flags of all units
that have fired.
"""

from itertools import product

import numpy as np
import pytest
from exchange import PACES, cycle_by_cycle
from layer_cases import THRESHOLDS, beats_of, check, layer_of, run_after_restart

from hw.rtl.engines.popcount import PopcountLayer

FLAGS = (None, 1, 5, 12)  # of 12 inputs: all, one by one, words that do not divide, all once more


@pytest.mark.parametrize(("idle", "pause"), PACES)
@pytest.mark.parametrize("name", THRESHOLDS)
def test_counts_exactly(rng, name, idle, pause):
    layer = layer_of(rng, thresholds=THRESHOLDS[name])
    for flags, banks, margins in product(FLAGS, (1, 2), (True, False)):
        beats, expected = beats_of(rng, layer, 8, banks)
        dut = PopcountLayer(layer=layer, steps=8, margins=margins, flags=flags, banks=banks)
        check(dut, layer, beats, expected, idle=idle, pause=pause)


@pytest.mark.parametrize(("flags", "rounds"), [(None, 1), (12, 1), (7, 2), (5, 3), (1, 12)])
def test_potentials_after_all_rounds(rng, flags, rounds):
    layer = layer_of(rng)
    beats, expected = beats_of(rng, layer, 4)
    dut = PopcountLayer(layer=layer, steps=4, margins=True, flags=flags)
    assert dut.rounds == rounds
    assert dut.latency == rounds + 1
    accepted, taken = run_after_restart(dut, beats, len(expected))
    ends = [cycle for cycle, beat in zip(accepted[1:], beats, strict=True) if beat["last"]]
    assert [item.cycle for item in taken] == [cycle + dut.latency for cycle in ends]
    # After the last beat of a step, `rounds` cycles without any; else one per cycle.
    waits = np.diff(accepted[1:])
    assert waits.tolist() == [1 + rounds if beat["last"] else 1 for beat in beats[:-1]]


@pytest.mark.smoke
@pytest.mark.parametrize("flags", FLAGS)
def test_restart_forgets_who_fired(rng, flags):
    layer = layer_of(rng)
    old, _ = beats_of(rng, layer, 4)
    new, expected = beats_of(rng, layer, 4)
    dut = PopcountLayer(layer=layer, steps=4, margins=True, flags=flags)
    for when in range(20):
        seen = []

        async def process(ctx, when=when, seen=seen):
            ctx.set(dut.potentials.ready, 1)
            for beats, cycles in ((old, when), (new, 80)):
                sent = 0
                for _ in range(cycles):
                    ctx.set(dut.beats.valid, sent < len(beats))
                    if sent < len(beats):
                        ctx.set(dut.beats.payload, beats[sent])
                    if beats is new and ctx.get(dut.potentials.valid):
                        value = ctx.get(dut.potentials.payload)
                        seen.append((value["step"], [value["margin"][j] for j in range(5)]))
                    sent += ctx.get(dut.beats.valid) and ctx.get(dut.beats.ready)
                    await ctx.tick()
                ctx.set(dut.beats.valid, 0)
                ctx.set(dut.restart, 1)
                await ctx.tick()
                ctx.set(dut.restart, 0)

        cycle_by_cycle(dut, process)
        assert seen == expected
