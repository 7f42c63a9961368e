"""The golden model: what a network answers, exactly (docs/spec.md). All else is compared with it.

NumPy and integers only. It computes every spike of the whole window, without early exit, and knows
only the Network.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from sw.answer import Answer
from sw.encoder import Inputs, LatencyEncoder, Spikes
from sw.network import Layer, Network

__all__ = ["margins", "run", "run_images", "run_inputs"]

_CHUNK = 16  # images at a time, so that the working set stays in the processor's cache


def run_images(network: Network, images: np.ndarray) -> Answer:
    """The answer to ``images`` uint8 [B, height, width], encoded by the network's own encoder."""
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
    """``V − θ`` of each unit of ``layer`` at the end of each step, integer [B, T, N_out], if its
    inputs are ``spikes``.
    """
    most = int(np.bincount(spikes.image, minlength=1).max())
    return _margins(_table(layer, most), spikes, steps)


class _Table(NamedTuple):
    """A layer, ready to be looked up. Both of one integer type that no potential leaves."""

    rows: np.ndarray  # [N_in, N_out], weights −1 or +1
    threshold: np.ndarray  # [N_out]


def _run(network: Network, part: Callable[[int], Spikes], *, count: int, most: int) -> Answer:
    """The answer to ``count`` inputs that come in parts; no input has more than ``most`` spikes."""
    tables = []
    for layer in network.layers:
        tables.append(_table(layer, most))
        most = layer.outputs  # hidden units fire once at most
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


def _table(layer: Layer, most: int) -> _Table:
    reach = most + int(np.abs(layer.threshold.astype(np.int64)).max())
    kind = np.int16 if reach < 2**15 else np.int32 if reach < 2**31 else np.int64
    rows = np.ascontiguousarray(np.where(layer.weight.T, 1, -1).astype(kind))
    return _Table(rows, layer.threshold.astype(kind))


def _answer(
    tables: Sequence[_Table], spikes: Spikes, steps: int
) -> tuple[list[np.ndarray], np.ndarray, np.ndarray, np.ndarray]:
    """Times of all layers, label, decision step and margin."""
    times = []
    for table in tables:
        margins = _margins(table, spikes, steps)
        fired = margins >= 0
        first = np.where(fired.any(axis=1), fired.argmax(axis=1), steps)
        times.append(first.astype(np.int16))
        # No layer delay: a unit that fires in step t is an input of the next layer in the same
        # step (rule 4).
        spikes = Spikes.from_times(times[-1], steps)
    return times, *_decide(margins, times[-1])


def _margins(table: _Table, spikes: Spikes, steps: int) -> np.ndarray:
    """``V_j(t) − θ_j`` at the end of every step, integer [B, T, N_out] (rules 2 and 3)."""
    rows, threshold = table
    margins = np.zeros((spikes.count, steps, len(threshold)), rows.dtype)
    margins[:, 0] -= threshold
    if len(spikes.unit):
        # Spikes are sorted by image and step: those of one step of one image are one run of rows.
        slot = spikes.image.astype(np.int64) * steps + spikes.step
        start = np.flatnonzero(np.diff(slot, prepend=-1))
        flat = margins.reshape(-1, len(threshold))
        flat[slot[start]] += np.add.reduceat(rows[spikes.unit], start, axis=0)
    return margins.cumsum(axis=1, dtype=rows.dtype, out=margins)


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
