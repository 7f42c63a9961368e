"""The cycles of hw.rtl.inputs.pixels."""

from typing import cast

import numpy as np

from hw.rtl.engines.base import Engine
from hw.rtl.inputs.pixels import Pixels
from hw.rtl.orderer import BucketQueue
from sim.cycles.stage import Stage, Windows
from sw.encoder import LatencyEncoder

__all__ = ["stage", "start", "taken"]


def stage(
    source: Pixels, first: Engine, inputs: np.ndarray, total: np.ndarray, visited: np.ndarray
) -> Stage:
    """The first stage.

    Parameters
    ----------
    source : Pixels
    first : Engine
        That of the first layer.
    inputs : uint8 [B, height, width]
    total : int [B, T]
        Beats of each step.
    visited : bool [B, T]
        Steps up to the decision that have beats.
    """
    if first.always_accepts:
        return _Orderer(total, visited)
    encoder = cast(LatencyEncoder, source.encoder)
    return _Loading(total, visited, _arrivals(encoder, inputs, visited.shape[1]))


def start(source: Pixels, first: Engine) -> int:
    """Cycles from the last pixel to the first cycle of the stage: it begins with the end of step 0,
    or with the first pixel where step 0 is not done by the last one.
    """
    return source.latency - (0 if first.always_accepts else source.load_cycles - 1)


def taken(
    source: Pixels,
    inputs: np.ndarray,
    steps: int,
    spike_cycles: int,
    busy_with: np.ndarray | None = None,
) -> np.ndarray:
    """Cycles from the last pixel until the last arrival is taken by an engine of the whole network,
    int64 [B]: one that fires takes ``spike_cycles``, else one; or each takes one, and ``busy_with``
    more, int64 [B, arrivals].
    """
    encoder = cast(LatencyEncoder, source.encoder)
    channels, pool, columns = encoder.channels, encoder.pool, encoder.map[2]
    by_channel = (encoder.times(inputs, steps) < steps).reshape(len(inputs), channels, -1)
    # In the order in which they come: at each place channel by channel.
    fires = by_channel.swapaxes(1, 2).reshape(len(inputs), encoder.pooled)
    # Of the last pixel and pooled pixel so far, when they were accepted; when its arrival was taken
    # and for how many cycles more the engine is busy with it.
    pixel, pooled, arrival = (np.full(len(inputs), -1) for _ in range(3))
    busy = np.zeros(len(inputs), np.int64)
    for unit in range(encoder.pooled):
        if pool > 1:
            place, channel = divmod(unit, channels)
            more = (pool - 1) * channels if channel == 0 else 0  # pixels of the square before it
            if (place % columns, channel) == (0, 0):
                more += (pool - 1) * columns * pool * channels
            pixel = np.maximum(pixel + 1, pooled) + more
            pooled = np.maximum(pixel + 1, arrival)
        else:
            pixel = pooled = np.maximum(pixel + 1, arrival)
        arrival = np.maximum(pooled + 1, arrival + 1 + busy)
        busy = (spike_cycles - 1) * fires[:, unit].astype(np.int64)
        if busy_with is not None:
            busy = busy_with[:, unit]
    return arrival - pixel + 1 + busy


def _arrivals(encoder: LatencyEncoder, images: np.ndarray, steps: int) -> np.ndarray:
    """Bool [B, pixels]: with the pixel an input spike of step 0 is complete."""
    spikes = encoder.times(images, steps).reshape(len(images), -1) == 0
    pixels: np.ndarray = np.arange(encoder.pixels).reshape(*encoder.shape[-2:], encoder.channels)
    pixels = pixels[encoder.pool - 1 :: encoder.pool, encoder.pool - 1 :: encoder.pool]
    pixels = np.moveaxis(pixels, 2, 0).reshape(-1)
    if encoder.select is not None:
        pixels = pixels[list(encoder.select)]
    result = np.zeros((len(images), encoder.pixels), bool)
    result[:, pixels] = spikes
    return result


class _Orderer(Windows):
    """hw.rtl.orderer: ends step 0, whose spikes went out before, then sends the other steps."""

    _DRAIN = BucketQueue.list_latency - BucketQueue.latency  # the lists begin to be drained

    def __init__(self, total: np.ndarray, visited: np.ndarray) -> None:
        total = total.copy()
        total[:, 0] = 1
        self._cycle = 0
        super().__init__(total, np.zeros_like(total), visited)
        self.load(np.ones(len(total), bool))

    def ready(self, taken: np.ndarray) -> np.ndarray:
        return taken  # it is the first stage

    def clock(self, before: Stage, ready: np.ndarray, taken: np.ndarray) -> None:
        done = self.send(taken)
        self._cycle += 1
        if self._cycle == self._DRAIN:
            self.load(~self.valid)
        elif self._cycle > self._DRAIN:
            self.load(done)


class _Loading(Windows):
    """hw.rtl.orderer from the image's first pixel on, before a block that does not always accept.

    Parameters
    ----------
    total, visited
        As for :func:`stage`.
    arrives : bool [B, cycles]
        A spike of step 0 arrives in the cycle; the image's last arrival comes in the last one.
    """

    state = (*Windows.state, "_arrives", "_queued")

    def __init__(self, total: np.ndarray, visited: np.ndarray, arrives: np.ndarray) -> None:
        super().__init__(total, np.zeros_like(total), visited)
        self._arrives = arrives
        self._queued = np.zeros(len(total), np.int64)  # spikes of step 0 on their lists
        self._cycle = 0
        self._offer()

    def _offer(self) -> None:
        """What arrives in this cycle goes out if it is accepted."""
        final = self._cycle == self._arrives.shape[1] - 1
        self.spike = self._arrives[:, self._cycle]
        self.valid = self.spike | final
        self.left = np.ones_like(self.left)
        self.final = final & (self._queued == 0)

    def ready(self, taken: np.ndarray) -> np.ndarray:
        return taken  # it is the first stage

    def clock(self, before: Stage, ready: np.ndarray, taken: np.ndarray) -> None:
        self._cycle += 1
        loaded = self._cycle - self._arrives.shape[1]
        if loaded <= 0:
            closed = self.final & taken
            self._queued = self._queued + (self.spike & ~taken)
        if loaded < 0:
            self._offer()
        elif loaded == 0:
            # The first window is step 0; it has what is queued, or has gone out before.
            self._size[self._next] = np.maximum(self._queued, 1)
            self._spike[self._next] = self._queued > 0
            self._next = self._next + closed
            self.valid = np.zeros_like(self.valid)
        elif loaded == 1:
            self.load(np.ones_like(self.valid))
        else:
            self.load(self.send(taken))
