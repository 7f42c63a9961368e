"""A block's control, cycle by cycle, for many images at once.

Each stage takes what the one before it offers and offers something itself, as valid/ready streams:
beats, of which the last of a step is marked, or a step's potentials. Within a cycle all stages see
what the others offered at its beginning, so they are clocked from the last to the first.
"""

from abc import ABC, abstractmethod

import numpy as np

__all__ = ["Stage", "Windows", "run", "spikes_per_group"]

_COMPACT = 32  # cycles after which images that are decided are left out


class Stage(ABC):
    """A block. Its state is arrays, named ``state``, with one entry per image. It offers something
    where ``valid`` is set; ``last`` marks what ends a step. Beats have a spike where ``spike`` is.
    """

    state: tuple[str, ...]
    valid: np.ndarray
    last: np.ndarray
    spike: np.ndarray

    @abstractmethod
    def ready(self, taken: np.ndarray) -> np.ndarray:
        """Where it takes what it is offered; ``taken`` is where what it offers would be taken."""

    @abstractmethod
    def clock(self, before: "Stage", ready: np.ndarray, taken: np.ndarray) -> None:
        """One cycle. ``before`` offers to it, ``ready`` and ``taken`` are as in :meth:`ready`."""

    def keep(self, rows: np.ndarray) -> None:
        """Leaves the other images out."""
        for name in self.state:
            setattr(self, name, getattr(self, name)[rows])


def run(stages: list[Stage], steps: np.ndarray) -> np.ndarray:
    """Cycles until the last stage offers potentials for the ``steps``-th time: int64 [B].

    Parameters
    ----------
    stages : list of Stage
        From the source of beats to the output layer.
    steps : int [B]
        Steps that are visited up to the decision.
    """
    result = np.zeros(len(steps), np.int64)
    row, awaited, cycle = np.arange(len(steps)), steps, 0
    while len(row):
        awaited = awaited - stages[-1].valid
        decided = (awaited == 0) & stages[-1].valid
        result[row[decided]] = cycle
        taken = [np.ones(len(row), bool)]  # no back-pressure from the decision
        for stage in reversed(stages):
            taken.append(stage.ready(taken[-1]))
        ready = taken[::-1]
        for index in range(len(stages) - 1, -1, -1):
            stages[index].clock(stages[index - 1], ready[index], ready[index + 1])
        cycle += 1
        if cycle % _COMPACT == 0:
            rows = awaited > 0
            row, awaited = row[rows], awaited[rows]
            for stage in stages:
                stage.keep(rows)
    return result


class Windows(Stage):
    """Sends beats in windows, each without a gap: a step, or a part of it.

    Parameters
    ----------
    total : int [B, T]
        Beats of each step.
    early : int [B, T]
        Of these, the beats before the step's last window.
    visited : bool [B, T]
        Steps up to the decision that have beats; without a spike it is one all the same.
    """

    state: tuple[str, ...] = ("valid", "spike", "left", "final", "_next", "_end")

    def __init__(self, total: np.ndarray, early: np.ndarray, visited: np.ndarray) -> None:
        spikes = total > 0
        total = np.where(visited, np.maximum(total, 1), 0)
        early = np.where(visited, early, 0)
        size = np.stack([early, total - early], axis=2)
        image, step, part = np.nonzero(size)
        self._size, self._final = size[image, step, part], part == 1
        self._spike = spikes[image, step]
        # The window that each image takes next, and the one after its last.
        self._end = np.searchsorted(image, np.arange(len(total)), side="right")
        self._next = np.concatenate([[0], self._end[:-1]])
        self.valid = self.spike = np.zeros(len(total), bool)
        self.left = np.zeros(len(total), np.int64)  # beats of the window, with the one offered
        self.final = np.zeros(len(total), bool)  # the window is the last one of its step

    @property
    def last(self) -> np.ndarray:
        """The beat offered is the last one of its step."""
        return self.final & (self.left == 1)

    def load(self, take: np.ndarray) -> None:
        """Takes the next window in the images marked, if there is one."""
        take = take & (self._next < self._end)
        window = np.where(take, self._next, 0)
        self.valid = self.valid | take
        self.left = np.where(take, self._size[window], self.left)
        self.final = np.where(take, self._final[window], self.final)
        self.spike = np.where(take, self._spike[window], self.spike)
        self._next = self._next + take

    def send(self, taken: np.ndarray) -> np.ndarray:
        """Sends a beat where it is taken; where the window is done."""
        sent = self.valid & taken
        done = sent & (self.left == 1)
        self.left = self.left - sent
        self.valid = self.valid & ~done
        return done


def spikes_per_group(times: np.ndarray, size: int, visited: np.ndarray) -> np.ndarray:
    """Spikes of each visited step and group of ``size`` units: int [B, T, groups]."""
    (images, units), steps = times.shape, visited.shape[1]
    groups = -(-units // size)
    image, unit = np.nonzero(times < steps)
    slot = (image * steps + times[image, unit]) * groups + unit // size
    count = np.bincount(slot, minlength=images * steps * groups)
    return count.reshape(images, steps, groups) * visited[..., None]
