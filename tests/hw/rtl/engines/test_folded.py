"""Folded: each unit once, as integrate and fire together, whatever the number of lanes."""

from itertools import groupby

import numpy as np
import pytest
from exchange import PACES, cycle_by_cycle, plain
from layer_cases import LIMITS, beat_of, beats_of
from samples import unfinished  # noqa: F401

from hw.rtl.engines.folded import FoldedLayer
from hw.rtl.weights import weight_words
from sw.network import Layer

# units, lanes, and whether the weights are loaded; the last chunk is full or ragged
SHAPES = [
    *((units, lanes, False) for units, lanes in ((3, 1), (5, 2), (7, 2), (9, 4), (24, 8), (25, 8))),
    *((units, 16, True) for units in (33, 48)),
]


def layer_of(rng, units, inputs=20, low=-2, high=4):
    weight = rng.random((units, inputs)) < 0.5
    return Layer(weight=weight, threshold=rng.integers(low, high, units).astype(np.int32))


def steps_of(layer, margins):
    """The units that fire in each step that the beats visit."""
    fired, result = np.zeros(layer.outputs, bool), []
    for step, margin in margins:
        reached = np.array(margin) >= 0
        result.append((step, np.flatnonzero(reached & ~fired).tolist()))
        fired |= reached
    return result


def run(dut, inferences, *, words=(), idle=0.0, pause=0.0, whens=None):
    """Loads ``words``, then beats of inference after inference, a restart before each; the spikes
    of the last, and the cycles of what went in and came out. ``whens`` is how long the others last.
    """
    chance = np.random.default_rng(1)
    accepted, seen = [], []

    async def process(ctx):
        for address, word in enumerate(words):
            ctx.set(dut.load.valid, 1)
            ctx.set(dut.load.payload, {"address": address, "data": int(word)})
            await ctx.tick()
            ctx.set(dut.load.valid, 0)
            if chance.random() < idle:
                await ctx.tick()
        for index, beats in enumerate(inferences):
            ctx.set(dut.restart, 1)
            ctx.set(dut.beats.valid, 0)
            await ctx.tick()
            ctx.set(dut.restart, 0)
            accepted.clear()
            seen.clear()
            sent, offering, offered, cycle = 0, False, None, 0
            final = index == len(inferences) - 1
            limit = 6000 if final else whens[index]
            want = sum(bool(beat["last"]) for beat in beats)
            while cycle < limit:
                if final and sum(beat["last"] for _, beat in seen) == want:
                    return
                offering = sent < len(beats) and (offering or chance.random() >= idle)
                ctx.set(dut.beats.valid, offering)
                if offering:
                    ctx.set(dut.beats.payload, beats[sent])
                ctx.set(dut.spikes.ready, chance.random() >= pause)
                assert ctx.get(dut.can_accept) == ctx.get(dut.beats.ready)
                value = plain(ctx.get(dut.spikes.payload)) if ctx.get(dut.spikes.valid) else None
                assert offered in (None, value), "an offer was withdrawn or changed"
                offered = value
                if value and ctx.get(dut.spikes.ready):
                    seen.append((cycle, value))
                    offered = None
                if offering and ctx.get(dut.beats.ready):
                    accepted.append(cycle)
                    sent, offering = sent + 1, False
                await ctx.tick()
                cycle += 1
        raise AssertionError(f"hangs after {sent} beats in, {len(seen)} out")

    cycle_by_cycle(dut, process)
    return accepted, seen


def by_step(seen):
    """Step and units of each run of beats; checks that its last one, and no other, is marked, and
    that only that one may be without a spike.
    """
    result = []
    for step, group in groupby((beat for _, beat in seen), key=lambda beat: beat["step"]):
        group = list(group)
        assert [beat["last"] for beat in group] == [0] * (len(group) - 1) + [1]
        assert all(beat["spike"] for beat in group[:-1])
        result.append((step, [beat["row"][0] for beat in group if beat["spike"]]))
    return result


@pytest.mark.parametrize(("idle", "pause"), PACES)
@pytest.mark.parametrize(("units", "lanes", "loaded"), SHAPES)
@pytest.mark.parametrize("copies", [1, 2])
def test_each_unit_fires_once(rng, units, lanes, loaded, copies, idle, pause):
    layer = layer_of(rng, units)
    beats, margins = beats_of(rng, layer, 8)
    dut = FoldedLayer(layer=layer, steps=8, lanes=lanes, copies=copies, loaded=loaded)
    words = weight_words(layer, lanes) if loaded else ()
    _, seen = run(dut, [beats], words=words, idle=idle, pause=pause)
    assert by_step(seen) == steps_of(layer, margins)


@pytest.mark.parametrize("copies", [1, 2])
@pytest.mark.parametrize("limit", ["max", "min"])
def test_thresholds_of_32_bits(rng, limit, copies):
    layer = layer_of(rng, 6)
    layer.threshold[[0, 3]] = getattr(LIMITS, limit)
    layer.weight[0] = limit == "min"
    layer.weight[3] = limit != "min"
    beats, margins = beats_of(rng, layer, 4)
    _, seen = run(FoldedLayer(layer=layer, steps=4, lanes=2, copies=copies), [beats])
    assert by_step(seen) == steps_of(layer, margins)


@pytest.mark.smoke
@pytest.mark.parametrize("copies", [1, 2])
def test_the_cycles_of_a_pass(rng, copies):
    """Passes of K = 3 cycles follow each other; a step's first spike comes ``latency`` cycles after
    its last beat, the last one ``last_latency``.
    """
    layer = layer_of(rng, 24, inputs=6, low=50, high=60)
    beats = [beat_of([unit], 0, last=unit == 5) for unit in range(6)]
    beats.append(beat_of([None], 3, last=True))
    dut = FoldedLayer(layer=layer, steps=4, lanes=8, copies=copies)
    assert (dut.chunks, dut.latency, dut.last_latency) == (3, 5, 3 + 4)
    accepted, seen = run(dut, [beats])
    if copies == 1:
        assert accepted == [0, 2, 5, 8, 11, 14, 17]
        assert [cycle for cycle, _ in seen] == [22, 25]
    else:
        assert accepted == [0, 1, 3, 4, 6, 7, 9]
        assert [cycle for cycle, _ in seen] == [14, 17]
    layer.threshold[[0, 9]] = -50
    _, seen = run(FoldedLayer(layer=layer, steps=4, lanes=8, copies=copies), [beats])
    assert by_step(seen) == [(0, [0, 9]), (3, [])]
    accepted, seen = run(FoldedLayer(layer=layer, steps=4, lanes=8, copies=copies), [beats[5:6]])
    assert [cycle for cycle, _ in seen] == [accepted[0] + 5, accepted[0] + 7, accepted[0] + 9]


@pytest.mark.parametrize("copies", [1, 2])
@pytest.mark.parametrize("when", range(0, 40, 3))
def test_restart_at_any_time(rng, when, copies):
    layer = layer_of(rng, 9)
    old, _ = beats_of(rng, layer, 4)
    new, margins = beats_of(rng, layer, 4)
    dut = FoldedLayer(layer=layer, steps=4, lanes=4, copies=copies)
    _, seen = run(dut, [old, new], whens=[when])
    assert by_step(seen) == steps_of(layer, margins)


REFUSED = {
    "Unit lanes must be less than half of 6, not 3": {"lanes": 3},
    "Unit lanes must be less than half of 6, not 0": {"lanes": 0},
    "Copies must be 1 or 2, not 3": {"lanes": 2, "copies": 3},
    "Unit lanes of loaded weights must be 16, 32 or 64, not 2": {"lanes": 2, "loaded": True},
}


@pytest.mark.usefixtures("unfinished")
@pytest.mark.parametrize("message", REFUSED)
def test_refuses(rng, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        FoldedLayer(layer=layer_of(rng, 6), steps=4, **REFUSED[message])
