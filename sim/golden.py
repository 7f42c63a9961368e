"""The golden model: what a network answers, exactly (docs/spec.md). All else is compared with it.

NumPy and integers only. It computes every spike of the whole window, without early exit, and knows
only the Network.
"""

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from sw.answer import Answer
from sw.encoder import Inputs, LatencyEncoder, Spikes
from sw.network import Layer, Network
from sw.structure import Conv, Dense, First, Map

__all__ = ["margins", "run", "run_images", "run_inputs"]

_CHUNK = 16  # images at a time, so that the working set stays in the processor's cache


def run_images(network: Network, images: np.ndarray) -> Answer:
    """The answer to ``images``, as the network's own encoder takes them."""
    if not isinstance(network.encoder, LatencyEncoder):
        raise ValueError(f"Network must take images, not {network.encoder!r}")

    return run_inputs(network, images)


def run(network: Network, spikes: Spikes) -> Answer:
    """The answer to input ``spikes``."""

    def part(start: int) -> Spikes:
        return spikes[start : start + _CHUNK]

    most = int(np.bincount(spikes.image, minlength=1).max())
    return _run(network, part, count=spikes.count, most=most)


def run_inputs(network: Network, inputs: Inputs) -> Answer:
    """The answer to ``inputs`` as the network takes them: images or spikes."""
    encoder = network.encoder

    def part(start: int) -> Spikes:
        return encoder.encode(inputs[start : start + _CHUNK], network.steps)

    return _run(network, part, count=len(inputs), most=encoder.most_spikes(inputs))


def margins(layer: Layer, spikes: Spikes, steps: int) -> np.ndarray:
    """``V − θ`` of each unit of ``layer``, a dense one, at the end of each step, integer
    [B, T, N_out], if its inputs are ``spikes``.
    """
    most = int(np.bincount(spikes.image, minlength=1).max())
    kind = Dense(units=layer.outputs)
    inputs, output = (layer.inputs, 1, 1), (layer.outputs, 1, 1)
    return _margins(_table(layer, kind, inputs, output, most), spikes, steps)[:, :, 0]


class _Table(NamedTuple):
    """A layer with weights, ready to be looked up. Rows and thresholds are of one integer type that
    no potential leaves.
    """

    rows: np.ndarray  # [N_in or C_in · kh · kw, C_out], weights −1 or +1
    threshold: np.ndarray  # [C_out]
    kind: Conv | Dense
    inputs: Map
    output: Map


class _Pooling(NamedTuple):
    """A layer of first-spike pooling."""

    kind: First
    inputs: Map


def _run(network: Network, part: Callable[[int], Spikes], *, count: int, most: int) -> Answer:
    """The answer to ``count`` inputs that come in parts; no input has more than ``most`` spikes."""
    tables: list[_Table | _Pooling] = []
    for layer, inputs, output in zip(network.layers, network.maps, network.maps[1:], strict=False):
        if isinstance(layer.kind, First):
            tables.append(_Pooling(layer.kind, inputs))
        else:
            tables.append(_table(layer, layer.kind, inputs, output, most))
        most = math.prod(output)  # hidden units fire once at most
    with ThreadPoolExecutor() as pool:  # NumPy releases the interpreter's lock
        starts = range(0, max(count, 1), _CHUNK)
        parts = list(pool.map(lambda start: _answer(tables, part(start), network.steps), starts))
    times, label, step, margin = zip(*parts, strict=True)
    return Answer(
        steps=network.steps,
        times=tuple(np.concatenate(layer) for layer in zip(*times, strict=True)),
        label=np.concatenate(label),
        step=np.concatenate(step),
        margin=np.concatenate(margin),
    )


def _table(layer: Layer, kind: Conv | Dense, inputs: Map, output: Map, most: int) -> _Table:
    reach = most + int(np.abs(layer.threshold.astype(np.int64)).max())
    integer = np.int16 if reach < 2**15 else np.int32 if reach < 2**31 else np.int64
    rows = np.ascontiguousarray(np.where(layer.weight.T, 1, -1).astype(integer))
    return _Table(rows, layer.threshold.astype(integer), kind, inputs, output)


def _answer(
    tables: Sequence[_Table | _Pooling], spikes: Spikes, steps: int
) -> tuple[list[np.ndarray], np.ndarray, np.ndarray, np.ndarray]:
    """Times of all layers, label, decision step and margin."""
    times: list[np.ndarray] = []
    for table in tables:
        if isinstance(table, _Pooling):
            times.append(_pooled(table, times[-1] if times else _times(spikes, table, steps)))
        else:
            margins = _margins(table, spikes, steps)
            fired = margins >= 0
            first = np.where(fired.any(axis=1), fired.argmax(axis=1), steps)
            # Units are numbered channel by channel, places within
            by_channel = first.swapaxes(1, 2).reshape(len(first), math.prod(table.output))
            times.append(by_channel.astype(np.int16))
        # No layer delay: a unit that fires in step t is an input of the next layer in the same
        # step (rule 4).
        spikes = Spikes.from_times(times[-1], steps)
    return times, *_decide(margins[:, :, 0], times[-1])


def _margins(table: _Table, spikes: Spikes, steps: int) -> np.ndarray:
    """``V_j(t) − θ_j`` at the end of every step, integer [B, T, places, C_out] (rules 2 and 3)."""
    rows, threshold = table.rows, table.threshold
    places = math.prod(table.output[1:])
    margins = np.zeros((spikes.count, steps, places, len(threshold)), rows.dtype)
    margins[:, 0] -= threshold
    slot = spikes.image.astype(np.int64) * steps + spikes.step
    row = spikes.unit
    if isinstance(table.kind, Conv):
        slot, row = _spread(table.kind, table, slot, spikes.unit)
    if len(row):
        # Sums of one slot, a step of a place of an image, are sums of one run of rows
        start = np.flatnonzero(np.diff(slot, prepend=-1))
        flat = margins.reshape(-1, len(threshold))
        flat[slot[start]] += np.add.reduceat(rows[row], start, axis=0)
    return margins.cumsum(axis=1, dtype=rows.dtype, out=margins)


def _spread(
    kind: Conv, table: _Table, slot: np.ndarray, unit: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Every place that each spike reaches: slot · places + place, ascending, and the row of weights
    that it adds there.

    Parameters
    ----------
    slot, unit : int [E]
        Image · T + step, and the unit of the input map, of each spike.
    """
    _, height, width = table.inputs
    _, rows, columns = table.output
    channel, place = np.divmod(unit, height * width)
    y, x = np.divmod(place, width)
    slots, weights = [], []
    for ky in range(kind.kernel[0]):
        for kx in range(kind.kernel[1]):
            # The input (y, x) is read through (ky, kx) by the output (down / sh, across / sw)
            down, across = y + kind.padding[0] - ky, x + kind.padding[2] - kx
            (oy, below), (ox, beside) = (
                np.divmod(down, kind.stride[0]),
                np.divmod(across, kind.stride[1]),
            )
            reached = (below == 0) & (beside == 0)
            reached &= (oy >= 0) & (oy < rows) & (ox >= 0) & (ox < columns)
            at = (slot * rows + oy) * columns + ox
            weight = (channel * kind.kernel[0] + ky) * kind.kernel[1] + kx
            slots.append(at[reached])
            weights.append(weight[reached])
    every_slot, every_weight = np.concatenate(slots), np.concatenate(weights)
    order = np.argsort(every_slot, kind="stable")
    return every_slot[order], every_weight[order]


def _pooled(table: _Pooling, times: np.ndarray) -> np.ndarray:
    """The earliest time of each window, int16 [B, units]."""
    (down, across), (channels, height, width) = table.kind.kernel, table.inputs
    rows, columns = height // down, width // across
    whole = times.reshape(-1, channels, height, width)[:, :, : rows * down, : columns * across]
    windows = whole.reshape(len(whole), channels, rows, down, columns, across)
    return windows.min(axis=(3, 5)).reshape(len(whole), channels * rows * columns)


def _times(spikes: Spikes, table: _Pooling, steps: int) -> np.ndarray:
    """First times int16 [B, N] of input ``spikes``, where pooling is the first layer."""
    times = np.full((spikes.count, math.prod(table.inputs)), steps, np.int16)
    np.minimum.at(times, (spikes.image, spikes.unit), spikes.step.astype(np.int16))
    return times


def _decide(margins: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Label, decision step and winning margin, each int64 [B] (rule 5)."""
    steps = margins.shape[1]
    step = np.minimum(times.min(axis=1).astype(np.int64), steps - 1)
    images = np.arange(len(times))
    final = margins[images, step].astype(np.int64)
    any_fires = (times < steps).any(axis=1, keepdims=True)
    eligible = (times == step[:, None]) | ~any_fires
    # Of equal margins argmax takes the lowest index.
    label = np.where(eligible, final, np.iinfo(np.int64).min).argmax(axis=1)
    return label, step, final[images, label]
