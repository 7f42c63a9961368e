"""The cycles of hw.rtl.fire."""

import numpy as np

from hw.rtl.banks import units_of
from hw.rtl.fire import group_size
from sim.cycles.stage import Stage, Windows, spikes_per_group

__all__ = ["Fire"]


class Fire(Windows):
    """hw.rtl.fire: a step's potentials are registered, then its groups taken one by one.

    Parameters
    ----------
    times : int [B, N]
        Steps in which the units fire; ``steps`` means never.
    banks : int
    visited : bool [B, T]
        Steps up to the decision that come.
    """

    state = (*Windows.state, "_searching")

    def __init__(self, times: np.ndarray, banks: int, visited: np.ndarray) -> None:
        spikes = [_groups(times[:, units_of(bank, banks)], visited) for bank in range(banks)]
        total, early = (np.max(each, axis=0) for each in zip(*spikes, strict=True))
        super().__init__(total, early, visited)
        self._searching = np.zeros(len(times), bool)

    def ready(self, taken: np.ndarray) -> np.ndarray:
        return ~self._searching

    def clock(self, before: Stage, ready: np.ndarray, taken: np.ndarray) -> None:
        take = self._searching & (~self.valid | self.send(taken))
        self.load(take)
        self._searching = (self._searching & ~(take & self.final)) | (before.valid & ready)


def _groups(times: np.ndarray, visited: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Spikes of each step int [B, T], and those before the last group of units that has one."""
    count = spikes_per_group(times, group_size(times.shape[1]), visited)
    last = count.shape[2] - 1 - (count[..., ::-1] > 0).argmax(axis=2)
    total = count.sum(axis=2)
    return total, total - np.take_along_axis(count, last[..., None], axis=2)[..., 0]
