"""The golden model: what a first-spike network answers, exactly (docs/spec.md). All else is
compared with it.

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
from sw.structure import Conv, Dense, Map, Pooling

__all__ = ["margins", "run", "run_images", "run_inputs"]

# Images at a time, and potentials of one layer in all steps, so that the working set stays in the
# processor's cache
_IMAGES, _POTENTIALS = 16, 1 << 21


def run_images(network: Network, images: np.ndarray) -> Answer:
    """The answer to ``images``, as the network's own encoder takes them."""
    if not isinstance(network.encoder, LatencyEncoder):
        raise ValueError(f"Network must take images, not {network.encoder!r}")

    return run_inputs(network, images)


def run(network: Network, spikes: Spikes) -> Answer:
    """The answer to input ``spikes``."""

    def part(images: slice) -> Spikes:
        return spikes[images]

    most = int(np.bincount(spikes.image, minlength=1).max())
    return _run(network, part, count=spikes.count, most=most)


def run_inputs(network: Network, inputs: Inputs) -> Answer:
    """The answer to ``inputs`` as the network takes them: images or spikes."""
    encoder = network.encoder

    def part(images: slice) -> Spikes:
        return encoder.encode(inputs[images], network.steps)

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

    kind: Pooling
    inputs: Map


def _run(network: Network, part: Callable[[slice], Spikes], *, count: int, most: int) -> Answer:
    """The answer to ``count`` inputs that come in parts; no input has more than ``most`` spikes."""
    if network.coding != "first-spike":
        raise ValueError(f"Network must be a first-spike one, not a {network.coding} one")
    tables: list[_Table | _Pooling] = []
    for layer, inputs, output in zip(network.layers, network.maps, network.maps[1:], strict=False):
        if isinstance(layer.kind, Pooling):
            tables.append(_Pooling(layer.kind, inputs))
        else:
            tables.append(_table(layer, layer.kind, inputs, output, most))
        most = math.prod(output)  # hidden units fire once at most
    at_once = min(_IMAGES, max(1, _POTENTIALS // (network.steps * max(network.sizes[1:]))))
    with ThreadPoolExecutor() as pool:  # NumPy releases the interpreter's lock
        runs = [slice(start, start + at_once) for start in range(0, max(count, 1), at_once)]
        parts = list(pool.map(lambda images: _answer(tables, part(images), network.steps), runs))
    times, label, step, margin = zip(*parts, strict=True)
    return Answer(
        steps=network.steps,
        times=tuple(np.concatenate(layer) for layer in zip(*times, strict=True)),
        label=np.concatenate(label),
        step=np.concatenate(step),
        margin=np.concatenate(margin),
        pooling=network.pooling,
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
            times.append(_first(margins))
        # No layer delay: a unit that fires in step t is an input of the next layer in the same
        # step (rule 4).
        spikes = Spikes.from_times(times[-1], steps)
    return times, *_decide(margins[:, :, 0], times[-1])


def _margins(table: _Table, spikes: Spikes, steps: int) -> np.ndarray:
    """``V_j(t) − θ_j`` at the end of every step, integer [B, T, places, C_out] (rules 2 and 3)."""
    shape = (spikes.count, steps, math.prod(table.output[1:]), len(table.threshold))
    margins = np.zeros(shape, table.rows.dtype)
    if len(spikes.unit):
        if isinstance(table.kind, Conv):
            _convolve(table, table.kind, spikes, margins.reshape(-1, *table.output[1:], shape[-1]))
        else:
            frame = spikes.image.astype(np.int64) * steps + spikes.step
            start = np.flatnonzero(np.diff(frame, prepend=-1))
            sums = np.add.reduceat(table.rows[spikes.unit], start, axis=0)
            margins.reshape(-1, shape[-1])[frame[start]] = sums
    margins[:, 0] -= table.threshold
    for step in range(1, steps):
        margins[:, step] += margins[:, step - 1]
    return margins


def _convolve(table: _Table, kind: Conv, spikes: Spikes, sums: np.ndarray) -> None:
    """Adds to ``sums``, integer [B · T, H, W, C_out], what the spikes of each step add to V."""
    (_, height, width), (_, rows, columns) = table.inputs, table.output
    (kernel_height, kernel_width), (down, across), (top, _, left, _) = (
        kind.kernel,
        kind.stride,
        kind.padding,
    )
    steps = len(sums) // spikes.count
    channel, place = np.divmod(spikes.unit, height * width)
    source = (spikes.image.astype(np.int64) * steps + spikes.step) * (height * width) + place
    order = np.argsort(source, kind="stable")
    source, channel = source[order], channel[order]
    # All spikes of a source, a place of the input in one step, reach the same places of the output:
    # their patches of weights are summed first.
    start = np.flatnonzero(np.diff(source, prepend=-1))
    count = np.diff(start, append=len(source))
    weights = table.rows.reshape(-1, kernel_height * kernel_width * kind.channels)
    patches = weights[channel[start]]
    for rank in range(1, int(count.max())):
        more = np.flatnonzero(count > rank)
        patches[more] += weights[channel[start[more] + rank]]
    patches = patches.reshape(-1, kernel_height, kernel_width, kind.channels)
    frame, place = np.divmod(source[start], height * width)
    y, x = np.divmod(place, width)
    for ky, kx in np.ndindex(kind.kernel):
        # The output (oy, ox) reads the input (oy · down + ky − top, ox · across + kx − left)
        (oy, below), (ox, beside) = (
            np.divmod(y + top - ky, down),
            np.divmod(x + left - kx, across),
        )
        reached = (below == 0) & (beside == 0)
        reached &= (oy >= 0) & (oy < rows) & (ox >= 0) & (ox < columns)
        # No two sources reach the same place through the same weight of the kernel
        sums[frame[reached], oy[reached], ox[reached]] += patches[reached, ky, kx]


def _first(margins: np.ndarray) -> np.ndarray:
    """The first step with a margin >= 0, int16 [B, C_out · places]; T if there is none."""
    images, steps, places, channels = margins.shape
    times = np.full((images, places, channels), steps, np.int16)
    for step in reversed(range(steps)):
        times[margins[:, step] >= 0] = step
    # Units are numbered channel by channel, places within
    return times.swapaxes(1, 2).reshape(images, channels * places)


def _pooled(table: _Pooling, times: np.ndarray) -> np.ndarray:
    """The earliest time of each window, int16 [B, units]."""
    (down, across), (channels, height, width) = table.kind.kernel, table.inputs
    rows, columns = height // down, width // across
    whole = times.reshape(-1, channels, height, width)[:, :, : rows * down, : columns * across]
    earliest = np.minimum.reduce(
        [whole[:, :, y::down, x::across] for y, x in np.ndindex(table.kind.kernel)]
    )
    return earliest.reshape(len(whole), channels * rows * columns)


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
