"""Serial decide: as decide, margin by margin."""

import random

import numpy as np
import pytest
from exchange import PACES, exchange

from hw.rtl.serial_decide import SerialDecide
from sw.network import Layer

STEPS = 4


def decide_of(units, **settings):
    layer = Layer(weight=np.ones((units, 9), bool), threshold=np.full(units, 4, np.int32))
    return SerialDecide(layer=layer, steps=STEPS, **settings)


def items_of(inference):
    """The margins one by one."""
    return [
        {"step": step, "margin": margin, "last": index == len(margins) - 1}
        for step, margins in inference
        for index, margin in enumerate(margins)
    ]


# Each inference is a list of (step, margins); three units. Label, step and margin by rule 5.
TABLE = {
    "one fires": ([(0, [-1, -2, -3]), (2, [-1, 0, -4])], (1, 2, 0)),
    "one fires in the first step": ([(0, [-4, -2, 5])], (2, 0, 5)),
    "two fire, the larger margin wins": ([(0, [-1, -1, -1]), (1, [1, -3, 2])], (2, 1, 2)),
    "two fire with one margin": ([(0, [-1, 0, 0])], (1, 0, 0)),
    "all fire with one margin": ([(0, [3, 3, 3])], (0, 0, 3)),
    "nobody fires": ([(0, [-1, -4, -4]), (3, [-3, -1, -2])], (1, 3, -1)),
    "nobody fires, one margin": ([(0, [-4, -4, -4]), (3, [-3, -2, -2])], (1, 3, -2)),
    "one fires in the final step": ([(0, [-4, -4, -4]), (3, [-4, -4, 0])], (2, 3, 0)),
}


@pytest.mark.smoke
@pytest.mark.parametrize(("inference", "expected"), TABLE.values(), ids=TABLE)
def test_rule_five(inference, expected):
    dut = decide_of(3)
    accepted, taken = exchange(dut, dut.margins, dut.result, items_of(inference), 1)
    assert taken[0].value == dict(zip(("label", "step", "margin"), expected, strict=True))
    assert taken[0].cycle == accepted[-1] + dut.latency


@pytest.mark.parametrize(("idle", "pause"), PACES)
@pytest.mark.parametrize("units", [1, 2, 5])
def test_inference_after_inference(units, idle, pause):
    chance = random.Random(units)
    items, expected = [], []
    for _ in range(20):
        for step in range(STEPS):
            margins = [chance.randint(-4, chance.choice([-1, 1, 5])) for _ in range(units)]
            items += items_of([(step, margins)])
            if max(margins) >= 0 or step == STEPS - 1:
                best = max(margins)
                expected.append({"label": margins.index(best), "step": step, "margin": best})
                break
    dut = decide_of(units)
    _, taken = exchange(dut, dut.margins, dut.result, items, len(expected), idle=idle, pause=pause)
    assert [item.value for item in taken] == expected


def test_decided_comes_with_the_result():
    dut, decided = decide_of(2), []
    items = items_of([(0, [-1, -2]), (1, [-3, 4])])
    _, taken = exchange(
        dut,
        dut.margins,
        dut.result,
        items,
        1,
        before=lambda ctx, cycle: decided.append(ctx.get(dut.decided)),
    )
    assert [cycle for cycle, value in enumerate(decided) if value] == [taken[0].cycle]


@pytest.mark.parametrize("fault", [0, 1])
def test_an_invalid_input(fault):
    dut = decide_of(2, can_fault=True)
    _, taken = exchange(
        dut,
        dut.margins,
        dut.result,
        items_of([(0, [0, -2])]),
        1,
        before=lambda ctx, cycle: ctx.set(dut.fault, fault),
    )
    assert taken[0].value["fault"] == fault
