"""The golden model: what a network answers, exactly (docs/spec.md). Everything else is held against
it.

NumPy and integers only. It computes every spike of the whole window, without early exit, and knows
only the Network.
"""

import numpy as np

from sw.answer import Answer
from sw.encoder import LatencyEncoder, Spikes
from sw.network import Layer, Network

__all__ = ["run", "run_images"]

_CHUNK = 32  # images at a time, so that the working set stays in the processor's cache


def run_images(network: Network, images: np.ndarray) -> Answer:
    """The answer to ``images`` uint8 [B, height, width], encoded by the network's own encoder."""
    if not isinstance(network.encoder, LatencyEncoder):
        raise ValueError(f"Network must take images, not {network.encoder!r}")
    parts = [
        run(network, network.encoder.encode(images[start : start + _CHUNK], network.steps))
        for start in range(0, max(len(images), 1), _CHUNK)
    ]
    return Answer(
        steps=network.steps,
        times=tuple(
            np.concatenate(layer) for layer in zip(*(part.times for part in parts), strict=True)
        ),
        label=np.concatenate([part.label for part in parts]),
        step=np.concatenate([part.step for part in parts]),
        margin=np.concatenate([part.margin for part in parts]),
    )


def run(network: Network, spikes: Spikes) -> Answer:
    """The answer to input ``spikes``. Memory grows with B · T · N of the widest layer."""
    times = []
    for layer in network.layers:
        margins = _margins(layer, spikes, network.steps)
        fired = margins >= 0
        times.append(
            np.where(fired.any(axis=1), fired.argmax(axis=1), network.steps).astype(np.int16)
        )
        # No layer delay: a unit that fires in step t is an input of the next layer in the same step
        # (rule 4).
        spikes = Spikes.from_times(times[-1], network.steps)
    label, step, margin = _decide(margins, times[-1])
    return Answer(steps=network.steps, times=tuple(times), label=label, step=step, margin=margin)


def _margins(layer: Layer, spikes: Spikes, steps: int) -> np.ndarray:
    """``V_j(t) − θ_j`` at the end of every step, integer [B, T, N_out] (rules 2 and 3)."""
    # No potential exceeds the number of spikes of its image: take the narrowest type that holds all
    # exactly.
    reach = int(np.bincount(spikes.image, minlength=1).max()) + int(
        np.abs(layer.threshold.astype(np.int64)).max()
    )
    kind = np.int16 if reach < 2**15 else np.int32 if reach < 2**31 else np.int64
    change = np.zeros((spikes.count * steps, layer.outputs), kind)
    if len(spikes.unit):
        # Spikes are sorted by image and step: the spikes of one step of one image are one run of
        # rows.
        slot = spikes.image.astype(np.int64) * steps + spikes.step
        start = np.flatnonzero(np.diff(slot, prepend=-1))
        rows = np.where(layer.weight, 1, -1).astype(kind).T[spikes.unit]
        change[slot[start]] = np.add.reduceat(rows, start, axis=0)
    return (
        change.reshape(spikes.count, steps, layer.outputs).cumsum(axis=1, dtype=kind)
        - layer.threshold
    )


def _decide(margins: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Label, decision step and winning margin, each int64 [B] (rule 5)."""
    steps = margins.shape[1]
    step = np.minimum(times.min(axis=1).astype(np.int64), steps - 1)
    images = np.arange(len(times))
    final = margins[images, step].astype(np.int64)
    somebody = (times < steps).any(axis=1, keepdims=True)
    eligible = (times == step[:, None]) | ~somebody
    label = np.where(eligible, final, np.iinfo(np.int64).min).argmax(
        axis=1
    )  # argmax: the lowest index wins a tie
    return label, step, final[images, label]
