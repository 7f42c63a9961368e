"""Decide: the first output to fire, ties, and no output."""

import random

import numpy as np
import pytest
from exchange import PACES, exchange

from hw.rtl.decide import Decide
from sw.network import Layer

STEPS = 4


def decide_of(units):
    layer = Layer(weight=np.ones((units, 9), bool), threshold=np.full(units, 4, np.int32))
    return Decide(layer=layer, steps=STEPS)


def answer_to(inference):
    """Label, step and margin by rule 5, and how many potentials were looked at."""
    for count, (step, margins) in enumerate(inference, start=1):
        if step == STEPS - 1 or max(margins) >= 0:
            best = max(margins)
            return {"label": margins.index(best), "step": step, "margin": best}, count
    raise AssertionError("an inference ends with the final step")


# Each inference is a list of (step, margins); three units.
TABLE = {
    "one fires": ([(0, [-1, -2, -3]), (2, [-1, 0, -4])], (1, 2, 0)),
    "one fires in the first step": ([(0, [-4, -2, 5])], (2, 0, 5)),
    "two fire, the larger margin wins": ([(0, [-1, -1, -1]), (1, [1, -3, 2])], (2, 1, 2)),
    "two fire with one margin": ([(0, [-1, 0, 0])], (1, 0, 0)),
    "all fire with one margin": ([(0, [3, 3, 3])], (0, 0, 3)),
    "nobody fires": ([(0, [-4, -4, -4]), (3, [-3, -1, -2])], (1, 3, -1)),
    "nobody fires, one margin": ([(0, [-4, -4, -4]), (3, [-3, -2, -2])], (1, 3, -2)),
    "one fires in the final step": ([(0, [-4, -4, -4]), (3, [-4, -4, 0])], (2, 3, 0)),
}


@pytest.mark.parametrize(("inference", "expected"), TABLE.values(), ids=TABLE)
def test_rule_five(inference, expected):
    dut = decide_of(3)
    items = [{"step": step, "margin": margins} for step, margins in inference]
    _, taken = exchange(dut, dut.potentials, dut.result, items, 1)
    assert taken[0].value == dict(zip(("label", "step", "margin"), expected, strict=True))
    assert answer_to(inference)[0] == taken[0].value


@pytest.mark.parametrize(("idle", "pause"), PACES)
@pytest.mark.parametrize("units", [1, 2, 3, 5, 8, 10])
def test_inference_after_inference(units, idle, pause):
    chance = random.Random(units)
    items, expected = [], []
    for _ in range(25):
        inference = [
            (step, [chance.randint(-4, chance.choice([-1, 1, 5])) for _ in range(units)])
            for step in range(STEPS)
        ]
        answer, count = answer_to(inference)
        expected.append(answer)
        items += [{"step": step, "margin": margins} for step, margins in inference[:count]]
        # May come in the cycle of `decided`, and then belongs to the old inference: harmless.
        items.append({"step": 0, "margin": [-4] * units})
    dut = decide_of(units)
    _, taken = exchange(
        dut, dut.potentials, dut.result, items, len(expected), idle=idle, pause=pause
    )
    assert [item.value for item in taken] == expected


@pytest.mark.parametrize(
    ("units", "latency"), [(1, 1), (2, 1), (3, 1), (4, 1), (5, 2), (10, 2), (17, 3)]
)
def test_latency(units, latency):
    dut = decide_of(units)
    assert dut.latency == latency
    items = [{"step": 0, "margin": [-1] * units}, {"step": 1, "margin": [2] * units}]
    decided = []
    accepted, taken = exchange(
        dut,
        dut.potentials,
        dut.result,
        items,
        1,
        before=lambda ctx, cycle: decided.append(ctx.get(dut.decided)),
    )
    assert taken[0].cycle == accepted[1] + latency
    assert [cycle for cycle, value in enumerate(decided) if value] == [accepted[1] + 1]


@pytest.mark.smoke
def test_drops_potentials_that_come_while_it_decides():
    """They belong to the inference that has just ended: an answer to them would be one too many."""
    dut = decide_of(5)
    items = []
    for margin in (1, 2, 3):
        items += [{"step": 0, "margin": [margin, -1, -1, -1, -1]}]
        items += [{"step": 1, "margin": [5, 5, 5, 5, 5]}]
    _, taken = exchange(dut, dut.potentials, dut.result, items, 3)
    assert [item.value["margin"] for item in taken] == [1, 2, 3]


@pytest.mark.parametrize(("units", "accepted"), [(4, (0, 2, 4, 6)), (5, (0, 1, 3, 4, 6, 7))])
def test_nothing_is_taken_while_a_result_is_offered(units, accepted):
    """Then there is no path from ``result.ready`` to ``potentials.ready``."""
    dut = decide_of(units)
    items = [{"step": 3, "margin": [-1] * units}] * len(accepted)
    # With 5 units every other one comes in the cycle of a decision, and is dropped.
    decisions = [cycle for cycle in accepted if cycle % (dut.latency + 1) == 0]
    found, taken = exchange(dut, dut.potentials, dut.result, items, len(decisions))
    assert found == list(accepted)
    assert [item.cycle for item in taken] == [cycle + dut.latency for cycle in decisions]
