"""The cycles of hw.rtl.engines.folded."""

import numpy as np

from hw.rtl.engines.folded import Folded
from sim.cycles.stage import Stage, spikes_per_group
from sw.network import Layer

__all__ = ["stage"]


def stage(engine: Folded, layer: Layer, times: np.ndarray | None, visited: np.ndarray) -> Stage:
    """The stage of a layer.

    Parameters
    ----------
    engine : Folded
    layer : Layer
    times : int [B, N], or None for the output layer
        Steps in which its units fire; ``steps`` means never.
    visited : bool [B, T]
        Steps up to the decision that have beats.
    """
    assert times is not None, "a folded layer is a hidden one"
    return _Passes(times, engine.lanes, engine.copies, visited)


class _Passes(Stage):
    """Passes over chunks of units; chunks of a step's last pass wait where units fire.

    Parameters
    ----------
    times, visited
        As for :func:`stage`.
    lanes : int
        Units of a chunk.
    copies : int
        Spikes of a pass.
    """

    state = (
        *("_waiting", "_ends", "_asking", "_asked_ends", "_chunk"),
        *("_adding", "_added_ends", "_added_chunk", "_writing", "_written_ends", "_written_chunk"),
        *("_window", "_closing", "_step"),
    )

    def __init__(self, times: np.ndarray, lanes: int, copies: int, visited: np.ndarray) -> None:
        spikes = spikes_per_group(times, lanes, visited)
        images, self._chunks = len(times), spikes.shape[2]
        self._copies = copies
        image, step = np.nonzero(visited)
        self._spikes = spikes[image, step]  # of each visited step and chunk
        self._step = np.searchsorted(image, np.arange(images))  # whose last pass is next
        self._waiting = self._window = np.zeros(images, np.int64)  # spikes to be added, to be sent
        self._chunk = self._added_chunk = self._written_chunk = np.zeros(images, np.int64)
        self._ends = self._asking = self._asked_ends = np.zeros(images, bool)
        self._adding = self._added_ends = self._writing = np.zeros(images, bool)
        self._written_ends = self._closing = np.zeros(images, bool)

    @property
    def valid(self) -> np.ndarray:
        """A spike or the end of a step is offered."""
        return (self._window > 0) | self._closing

    @property
    def last(self) -> np.ndarray:
        """It is the end."""
        return self._closing & (self._window <= 1)

    @property
    def spike(self) -> np.ndarray:
        """It is a spike."""
        return self._window > 0

    def ready(self, taken: np.ndarray) -> np.ndarray:
        return (self._waiting < self._copies) & ~self._ends

    def clock(self, before: Stage, ready: np.ndarray, taken: np.ndarray) -> None:
        final, over = (chunk == self._chunks - 1 for chunk in (self._chunk, self._written_chunk))
        firing = self._writing & self._written_ends
        at = np.where(firing, self._step, 0), self._written_chunk
        hits = np.where(firing, self._spikes[at], 0)
        new = firing & ((hits > 0) | over)
        advance, new = ~(new & self.valid), new & ~self.valid

        sent = self.valid & taken
        self._closing = np.where(new, over, self._closing & ~(sent & self.last))
        self._window = np.where(new, hits, np.maximum(self._window - sent, 0))
        self._step = self._step + (new & over)

        def move(new: np.ndarray, old: np.ndarray) -> np.ndarray:
            return np.where(advance, new, old)

        self._writing = move(self._adding, self._writing)
        self._written_ends = move(self._added_ends, self._written_ends)
        self._written_chunk = move(self._added_chunk, self._written_chunk)
        self._adding = move(self._asking, self._adding)
        self._added_ends = move(self._asked_ends, self._added_ends)
        self._added_chunk = move(self._chunk, self._added_chunk)

        begins = ~ready & (~self._asking | (final & advance))
        step = self._asking & advance
        self._chunk = np.where(step, np.where(final, 0, self._chunk + 1), self._chunk)
        self._asking = (self._asking & ~(step & final)) | begins
        self._asked_ends = np.where(begins, self._ends, self._asked_ends)

        accept = before.valid & ready
        self._waiting = np.where(begins, 0, self._waiting + (accept & before.spike))
        self._ends = ~begins & (self._ends | (accept & before.last))
