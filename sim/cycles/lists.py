"""The lists of spikes of the tiles engine, as its cycles depend on them (hw.rtl.tiles.lists)."""

from dataclasses import dataclass

import numpy as np

from sw.encoder import Spikes

__all__ = ["Lists"]


@dataclass(frozen=True, kw_only=True)
class Lists:
    """Of each segment of a list, a tile's entries of a step: int [B, tiles, T] each.

    Parameters
    ----------
    entries, spikes
        How many there are; an entry has one spike at least.
    last, before
        Spikes of the last entry and of the one before it; 0 if there is none.
    """

    entries: np.ndarray
    spikes: np.ndarray
    last: np.ndarray
    before: np.ndarray

    @classmethod
    def of_inputs(cls, spikes: Spikes, steps: int) -> "Lists":
        """All are of one tile, and each spike has its own entry."""
        slot = spikes.image.astype(np.int64) * steps + spikes.step
        count = np.bincount(slot, minlength=len(spikes) * steps).reshape(-1, 1, steps)
        one = np.minimum(count, 1)
        return cls(entries=count, spikes=count, last=one, before=one)

    @classmethod
    def of(cls, spikes: np.ndarray) -> "Lists":
        """From the spikes of every possible entry in the order of a pass, int [B, tiles, T, Q]."""
        rest = spikes.copy()
        ends = []
        for _ in range(2):
            end = rest.shape[-1] - 1 - (rest[..., ::-1] > 0).argmax(axis=-1)[..., None]
            ends.append(np.take_along_axis(rest, end, axis=-1)[..., 0].astype(np.int64))
            np.put_along_axis(rest, end, 0, axis=-1)
        total = spikes.sum(axis=-1, dtype=np.int64)
        return cls(entries=(spikes > 0).sum(axis=-1), spikes=total, last=ends[0], before=ends[1])

    def any(self, step: int) -> np.ndarray:
        """Bool [B]: there are spikes in ``step``."""
        return self.entries[:, :, step].sum(axis=1) > 0
