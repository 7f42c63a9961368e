"""The cycles of hw.rtl.engines.gather, which makes a whole network.

Its control goes from window to window: how long each takes follows from how many of its words have
spikes so far, and how many of its channels have not fired.
"""

from collections.abc import Iterator

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from hw.rtl.engines.gather import Gather
from hw.rtl.gather.plan import GatheredLayer, GatherPlan, plan_network
from sw.answer import Answer
from sw.encoder import Inputs
from sw.network import Network

__all__ = ["cycles", "traffic"]

_BEGIN = 2  # cycles before the first window of a layer
_LOOK_UP = 3  # … of a window: looked up, seen to be ready, left
_KEPT = 3  # … after its last word is read, until it is kept
_ADDED = 5  # … after its last word is added, until the last margin is complete


def cycles(
    engine: Gather,
    network: Network,
    inputs: Inputs,
    taken: np.ndarray,
    answer: Answer,
    most_events: int | None,
) -> np.ndarray:
    """Cycles from the one that latency is counted from to the first with a valid result, int64 [B].

    Parameters
    ----------
    engine : Gather
    network : Network
    inputs : uint8 [B, height, width]
    taken : int64 [B]
        Cycles until they have been taken (sim/cycles/inputs).
    answer : Answer
        The golden model's, to these inputs.
    most_events : None
        Each input fires once at most.
    """
    plan = plan_network(network, engine.lanes)
    result = taken.copy()
    # Deciding (hw.rtl.serial_decide) takes as long as leaving the last window would.
    for step, layer, words, looked, alive in _windows(plan, network, inputs, answer):
        skipped = _skipped(plan, layer, step, words)
        added = np.maximum(words, 1) * alive + (looked - alive)
        each = np.where(skipped, 0, added + _ADDED)
        each += _LOOK_UP + np.where(_is_read(layer), layer.reads + _KEPT, 0)
        result += np.where(answer.step >= step, _BEGIN + each.sum(axis=(1, 2, 3, 4)), 0)
    return result


def traffic(
    engine: Gather, network: Network, inputs: Inputs, answer: Answer, most_events: int | None
) -> tuple[np.ndarray, int]:
    """Weight bits that are needed up to each decision, int64 [B]: W for each word with spikes and
    channel that has not fired; and the bits that are read per cycle at most.
    """
    plan = plan_network(network, engine.lanes)
    needed = np.zeros(len(answer.step), np.int64)
    for step, _, words, _, alive in _windows(plan, network, inputs, answer):
        rows = (words * alive).sum(axis=(1, 2, 3, 4))
        needed += np.where(answer.step >= step, plan.lanes * rows, 0)
    return needed, plan.lanes


def _windows(
    plan: GatherPlan, network: Network, images: Inputs, answer: Answer
) -> Iterator[tuple[int, GatheredLayer, np.ndarray, np.ndarray, np.ndarray]]:
    """Of each step and layer: step, layer; words of each window that have spikes; channels that are
    looked at in each group, and those of them that have not fired before.

    The arrays are [B, groups, rows, columns, windows of a place] or like it.
    """
    spikes = network.encoder.encode(images, plan.steps)
    inputs = np.full((spikes.count, network.sizes[0]), plan.steps)
    inputs[spikes.image, spikes.unit] = spikes.step
    sources = [inputs, *(answer.times[_behind(plan, layer)] for layer in plan.hidden)]
    for step in range(plan.steps):
        for layer, source in zip(plan.layers, sources, strict=True):
            channels, height, width = network.maps[layer.index]
            fired = source.reshape(-1, channels, height, width) <= step
            words = _words(plan, layer, fired)
            own = answer.times[layer.index].reshape(-1, *network.maps[layer.index + 1])
            looked, alive = _channels(plan, layer, own, step)
            yield step, layer, words[:, None], looked, alive


def _behind(plan: GatherPlan, layer: GatheredLayer) -> int:
    """The layer before the next one of the plan, as the network counts layers."""
    return plan.layers[plan.layers.index(layer) + 1].index - 1


def _skipped(plan: GatherPlan, layer: GatheredLayer, step: int, words: np.ndarray) -> np.ndarray:
    """Windows in which nothing can fire."""
    if layer is plan.output or (step == 0 and any(each.spontaneous for each in plan.hidden)):
        return np.zeros_like(words, bool)
    return words == 0


def _is_read(layer: GatheredLayer) -> np.ndarray:
    """Groups for which a window is read, as [1, groups, 1, 1, 1]: the others know it."""
    group = np.arange(layer.groups)[None, :, None, None, None]
    return (group == 0) | layer.pools


def _words(plan: GatherPlan, layer: GatheredLayer, fired: np.ndarray) -> np.ndarray:
    """Words with spikes of each window: int [B, rows, columns, windows of a place]."""
    lanes, first = plan.lanes, layer is plan.layers[0]
    count, channels, height, width = fired.shape
    by_place = fired.transpose(0, 2, 3, 1)
    if not first:
        spare = -channels % lanes
        by_place = np.pad(by_place, ((0, 0), (0, 0), (0, 0), (0, spare)))
        by_place = _any(by_place.reshape(count, height, width, -1, lanes))
    rows = by_place.reshape(count, *layer.size)
    (top, left), (down, across) = layer.padding, layer.stride
    # As much behind the map as the last window needs
    below, right = (
        max(0, begin + kernel - padding - size)
        for begin, kernel, padding, size in zip(
            layer.most_begin, layer.kernel, layer.padding, layer.size, strict=True
        )
    )
    padded = np.pad(rows, ((0, 0), (top, below), (left, right)))
    windows = sliding_window_view(padded, layer.kernel, axis=(1, 2))[:, ::down, ::across]
    windows = windows[:, : layer.places[0] * layer.pool[0], : layer.places[1] * layer.pool[1]]
    bits = windows.reshape(*windows.shape[:3], -1)
    if first:
        bits = np.pad(bits, ((0, 0), (0, 0), (0, 0), (0, -bits.shape[3] % lanes)))
        bits = _any(bits.reshape(*bits.shape[:3], -1, lanes))
    return _by_place(layer, bits.sum(axis=3))


def _any(bits: np.ndarray) -> np.ndarray:
    """Of each word, bool [..., W]: some bit is set."""
    return bits.max(axis=-1)


def _by_place(layer: GatheredLayer, values: np.ndarray) -> np.ndarray:
    """[..., y, x] of the layer's own map as [..., row, column, window of a place]."""
    (rows, columns), (down, across) = layer.places, layer.pool
    split = values[..., : rows * down, : columns * across]
    split = split.reshape(*values.shape[:-2], rows, down, columns, across)
    return split.swapaxes(-3, -2).reshape(*values.shape[:-2], rows, columns, down * across)


def _channels(
    plan: GatherPlan, layer: GatheredLayer, own: np.ndarray, step: int
) -> tuple[np.ndarray, np.ndarray]:
    """Channels that are looked at, and those of them that have not fired before, of each group and
    window, for units that fire at ``own`` int [B, channels, y, x].
    """
    lanes, spare = plan.lanes, -layer.channels % plan.lanes
    looked = np.full(layer.groups, lanes)
    alive = np.ones(own.shape, bool)
    if layer is plan.output:
        looked[-1] -= spare
        alive = _by_place(layer, alive)
    else:
        times = _by_place(layer, own)
        # Of the windows before in this step, and of all of them in the steps before
        earlier = np.minimum.accumulate(times, axis=4)[..., :-1] <= step
        earlier = np.pad(earlier, ((0, 0), (0, 0), (0, 0), (0, 0), (1, 0)))
        alive = ~(earlier | (times.min(axis=4, keepdims=True) < step))
    alive = np.pad(alive, ((0, 0), (0, spare), (0, 0), (0, 0), (0, 0)))
    by_group = alive.reshape(len(own), layer.groups, lanes, *alive.shape[2:]).sum(axis=2)
    return looked[None, :, None, None, None], by_group
