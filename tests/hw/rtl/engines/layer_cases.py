"""Layers and beats for the tests of engines, with the margins that follow; and how an engine that
shows its potentials is run.
"""

import numpy as np
from exchange import exchange

from sw.network import Layer

__all__ = [
    "LIMITS",
    "THRESHOLDS",
    "beat_of",
    "beats_of",
    "check",
    "layer_of",
    "run_after_restart",
]

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


def beats_of(rng, layer, steps, banks=1):
    """Events of all inputs, each in a random step, and the margins after each visited step.

    A unit's bank may be empty in any beat, as lists end and as a layer fires.
    """
    times = rng.integers(0, steps, layer.inputs)
    beats, margins = [], []
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
            beats.append(beat_of(taken, step, last=not any(queues)))
        if not len(units) and step in (0, steps - 1):
            beats.append(beat_of([None] * banks, step, last=True))
        if beats[-1]["step"] == step:
            margins.append((step, margin.tolist()))
    return beats, margins


def beat_of(units, step, last):
    """A beat of these units, one per bank; None is an empty slot."""
    return {
        "row": [0 if unit is None else unit // len(units) for unit in units],
        "step": step,
        "spike": sum((unit is not None) << bank for bank, unit in enumerate(units)),
        "last": last,
    }


def check(dut, layer, beats, expected, **stalls):
    """What comes out at the end of each step is what is expected."""
    _, taken = run_after_restart(dut, beats, len(expected), **stalls)
    for item, (step, margin) in zip(taken, expected, strict=True):
        assert item.value["step"] == step
        if "margin" in item.value:
            assert item.value["margin"] == margin
        else:
            reached = [item.value["reached"] >> j & 1 for j in range(layer.outputs)]
            assert reached == [value >= 0 for value in margin]


def run_after_restart(dut, beats, count, **stalls):
    """An exchange whose first cycle presets the potentials; a beat in it would be dropped."""

    def before(ctx, cycle):
        ctx.set(dut.restart, cycle == 0)

    nothing = {**beats[0], "spike": 0, "last": 0}
    return exchange(
        dut, dut.beats, dut.potentials, [nothing, *beats], count, before=before, **stalls
    )
