"""Speak against the formula, and Pool against the largest value and the mean."""

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from exchange import cycle_by_cycle, plain
from networks import bistable_network

from hw.rtl.bistable.planner import plan_network
from hw.rtl.bistable.pool import Pool, pool_latency
from hw.rtl.bistable.speak import Speak

TURN = {"slot": 0, "group": 0, "window_begins": 1, "place_ends": 0, "layer_ends": 0}


def spoken(plan, turns):
    """(cycle, potentials or None, values or None) of what is valid, for turns of one layer each."""
    dut, result = Speak(plan), []

    async def process(ctx):
        for cycle in range(len(turns) + 2 + plan.phases + 1):
            turn = turns[cycle] if cycle < len(turns) else None
            ctx.set(dut.turn.valid, turn is not None)
            if turn is not None:
                for name in ("layer", "constants", "sums", "total"):
                    ctx.set(getattr(dut, name), turn[name])
            potentials, word = plain(ctx.get(dut.potentials)), plain(ctx.get(dut.word))
            result.append(
                (
                    potentials["potentials"] if potentials["valid"] else None,
                    word["values"] if word["valid"] else None,
                )
            )
            await ctx.tick()

    cycle_by_cycle(dut, process)
    return result


@pytest.mark.parametrize("steps", [1, 3, 8])
def test_values(rng, steps):
    """Of a hidden layer: clamp(U // θ), however far U is beyond."""
    plan = plan_network(bistable_network(rng, "40-3", steps, (6, 6)), 4, 1)
    layer, top = plan.layers[0], (1 << steps) - 1
    turns, wanted = [], []
    for _ in range(30):
        pick = rng.integers(0, layer.channels, 4)
        plus = layer.plus[pick].reshape(4, -1).sum(axis=1)
        sums = (plus * top * rng.choice([0, 0.5, 1], 4)).astype(int)
        total = int(max(sums.max(), rng.integers(0, 36 * top + 1)))
        thresholds = rng.integers(1, 1 + int(layer.thresholds.max()), 4)
        constants = {
            "threshold": thresholds.tolist(),
            "bias": layer.biases[pick].tolist(),
            "shift": [plan.shifts.index(n) for n in layer.shifts[pick].tolist()],
        }
        potentials = (2 * sums - total << layer.shifts[pick]) + layer.biases[pick]
        low, high = -1 << plan.potential_bits - 1, (1 << plan.potential_bits - 1) - 1
        if not ((low <= potentials) & (potentials <= high)).all():
            continue  # sums that do not go together
        turns.append({"layer": 0, "constants": constants, "sums": sums.tolist(), "total": total})
        wanted.append(np.clip(potentials // thresholds, 0, top).tolist())
    assert len(turns) > 5
    seen = spoken(plan, turns)
    assert [values for _, values in seen if values] == wanted
    assert [potentials for potentials, _ in seen if potentials] == []
    assert [bool(values) for _, values in seen].index(True) == 2 + steps


def test_potentials_of_the_output(rng):
    plan = plan_network(bistable_network(rng, "6-4", 2, (2, 2)), 4, 1)
    layer = plan.layers[1]
    constants = {
        "threshold": [1] * 4,
        "bias": layer.biases.tolist(),
        "shift": [plan.shifts.index(n) for n in layer.shifts.tolist()],
    }
    turn = {"layer": 1, "constants": constants, "sums": [0, 1, 2, 3], "total": 4}
    seen = spoken(plan, [turn])
    sums = 2 * np.arange(4) - 4
    wanted = ((sums << layer.shifts) + layer.biases).tolist()
    assert [potentials for potentials, _ in seen] == [None, None, wanted, None, None, None]
    assert [values for _, values in seen] == [None] * 6


class Alone(wiring.Component):
    """A pool whose layer is constant."""

    def __init__(self, pool):
        self.pool = pool
        super().__init__(
            {name: pool.signature.members[name] for name in ("layer", "word", "pooled")}
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.pool = self.pool
        m.d.comb += [
            self.pool.layer.eq(self.layer),
            self.pool.word.eq(self.word),
            self.pooled.eq(self.pool.pooled),
        ]
        return m


@pytest.mark.parametrize("kind", ["m", "a"])
@pytest.mark.parametrize(("window", "size"), [("2", 4), ("3x1", 3), ("3", 9)])
def test_pool(rng, kind, window, size):
    network = bistable_network(rng, f"8c1-{kind}{window}-5c1-m1x2-3", 3, (9, 9))
    plan = plan_network(network, 8, 1)
    dut, seen = Alone(Pool(plan)), []
    windows = rng.integers(0, 8, (4, size, 2, 4))  # of two words
    words = [
        (turn, group, values.tolist())
        for each in windows
        for turn, place in enumerate(each)
        for group, values in enumerate(place)
    ]

    async def process(ctx):
        for cycle in range(len(words) + pool_latency(plan) + 1):
            ctx.set(dut.word.valid, 0)
            if cycle < len(words):
                turn, group, values = words[cycle]
                word = {**TURN, "valid": 1, "group": group, "slot": group, "values": values}
                begins, ends = turn == 0, turn == size - 1
                ctx.set(dut.word, {**word, "window_begins": begins, "window_ends": ends})
            pooled = plain(ctx.get(dut.pooled))
            if pooled["valid"]:
                seen.append((cycle, pooled["slot"], pooled["values"]))
            await ctx.tick()

    cycle_by_cycle(dut, process)
    pooled = windows.max(axis=1) if kind == "m" else windows.sum(axis=1) // size
    assert [(slot, values) for _, slot, values in seen] == [
        (group, values.tolist()) for each in pooled for group, values in enumerate(each)
    ]
    assert seen[-1][0] == len(words) - 1 + pool_latency(plan)
