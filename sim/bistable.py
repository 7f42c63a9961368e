"""The golden model of bistable networks: every value, exactly (docs/spec.md, third part).

NumPy, and integers in all that it answers. Sums of products are taken in floats that hold every
integer that can come up: they are exact in any order then, and far faster.
"""

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from sw import early
from sw.answer import BistableAnswer
from sw.bistable import highest
from sw.encoder import Inputs, PhaseEncoder
from sw.network import Layer, Network
from sw.structure import Conv, Map, Max, Pooling

__all__ = ["run", "run_inputs"]

# Images at a time, and values that a layer looks at, so that the working set stays in the cache
_IMAGES, _LOOKED_AT = 32, 1 << 19


def run_inputs(network: Network, images: Inputs) -> BistableAnswer:
    """The answer to ``images``, as the network's own encoder takes them."""
    if not isinstance(network.encoder, PhaseEncoder):
        raise ValueError(f"Network must be a bistable one, not {network.encoder!r}")
    return run(network, network.encoder.codes(images, network.steps))


def run(network: Network, codes: np.ndarray) -> BistableAnswer:
    """The answer to inputs of the values ``codes`` uint8 [B, N_in], 0 … 2^K − 1."""
    layers = [
        _Ready(layer, index, inputs, _matrix(layer, network.steps))
        for index, (layer, inputs) in enumerate(zip(network.layers, network.maps, strict=False))
    ]
    looked_at = max(
        math.prod(output[1:]) * ready.layer.inputs if isinstance(ready.layer.kind, Conv) else 1
        for ready, output in zip(layers, network.maps[1:], strict=True)
    )
    at_once = min(_IMAGES, max(1, _LOOKED_AT // max(looked_at, *network.sizes)))
    bound = early.bound(network.layers[-1])

    def part(start: int) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
        values = [codes[start : start + at_once]]
        for ready in layers[:-1]:
            values.append(_output(ready, values, network.steps))
        heard = [_listened(layers[-1], values, left) for left in reversed(range(network.steps))]
        return values[1:], heard[-1], early.certain_phase(heard, bound)

    with ThreadPoolExecutor() as pool:  # NumPy releases the interpreter's lock
        parts = list(pool.map(part, range(0, max(len(codes), 1), at_once)))
    hidden, potentials, phases = zip(*parts, strict=True)
    potential = np.concatenate(potentials)
    return BistableAnswer(
        steps=network.steps,
        values=tuple(np.concatenate(layer) for layer in zip(*hidden, strict=True)),
        potential=potential,
        # Of equal potentials argmax takes the lowest index (rule 6)
        label=potential.argmax(axis=1),
        certain=np.concatenate(phases) + network.latency - network.steps,
        pooling=network.pooling,
    )


class _Ready(NamedTuple):
    """A layer, ready to be used."""

    layer: Layer
    number: int
    inputs: Map
    matrix: np.ndarray  # [C_in · kh · kw or N_in, rows], weights −1.0 or +1.0


def _matrix(layer: Layer, steps: int) -> np.ndarray:
    """Weights in the smallest float that holds every sum: an integer below 2^24, or 2^53."""
    exact = layer.inputs * highest(steps) < 2**24
    return np.where(layer.weight.T, 1, -1).astype(np.float32 if exact else np.float64)


def _output(ready: _Ready, values: Sequence[np.ndarray], steps: int) -> np.ndarray:
    """What a layer answers with, uint8 [B, units], to the ``values`` of the inputs and of all
    layers before it.
    """
    if isinstance(ready.layer.kind, Pooling):
        return _pooled(ready.layer.kind, ready.inputs, values[-1])
    potential = _listened(ready, values)
    threshold = ready.layer.threshold
    threshold = threshold.repeat(potential.shape[1] // len(threshold))  # one per unit
    return np.clip(potential // threshold, 0, highest(steps)).astype(np.uint8)


def _listened(ready: _Ready, values: Sequence[np.ndarray], left: int = 0) -> np.ndarray:
    """U int32 [B, units] after a period (rule 2), or while ``left`` phases of it are still to come:
    c and what the more significant bits add.
    """
    layer, kind = ready.layer, ready.layer.kind
    maps = (values[-1] >> left).reshape(-1, *ready.inputs)
    windows = _windows(kind, maps) if isinstance(kind, Conv) else maps
    sums = windows.reshape(-1, len(ready.matrix)).astype(ready.matrix.dtype) @ ready.matrix
    added = sums.astype(np.int32) * layer.gain
    potential = (added << left) + layer.bias
    if isinstance(kind, Conv):  # units are numbered channel by channel, places within
        places = windows.shape[1]
        potential = potential.reshape(-1, places, kind.channels).swapaxes(1, 2)
        potential = potential.reshape(-1, kind.channels * places)
    if kind.shortcut is not None:
        past = values[kind.shortcut.source(ready.number) + 1] >> left
        potential += past.astype(np.int32) * (kind.shortcut.gain << left)
    return potential


def _windows(kind: Conv, maps: np.ndarray) -> np.ndarray:
    """What each place looks at, [B, places, C · kh · kw], of ``maps`` [B, C, H, W]."""
    top, bottom, left, right = kind.padding
    padded = np.pad(maps, ((0, 0), (0, 0), (top, bottom), (left, right)))
    down, across = kind.stride
    windows = sliding_window_view(padded, kind.kernel, axis=(2, 3))[:, :, ::down, ::across]
    count, channels, rows, columns, *kernel = windows.shape
    inner = channels * math.prod(kernel)
    return windows.transpose(0, 2, 3, 1, 4, 5).reshape(count, rows * columns, inner)


def _pooled(kind: Pooling, inputs: Map, values: np.ndarray) -> np.ndarray:
    """The largest value of each window, or the mean rounded down (rule 4), uint8 [B, units]."""
    down, across = kind.kernel
    channels, rows, columns = kind.output(inputs)
    maps = values.reshape(-1, *inputs)[:, :, : rows * down, : columns * across]
    windows = maps.reshape(len(maps), channels, rows, down, columns, across)
    if isinstance(kind, Max):
        pooled = windows.max(axis=(3, 5))
    else:
        pooled = windows.sum(axis=(3, 5), dtype=np.int32) // (down * across)
    return pooled.reshape(-1, channels * rows * columns).astype(np.uint8)
