"""The control of each block of the hardware, cycle by cycle, for many images at once.

Each stage takes what the one before it offers and offers something itself, as valid/ready streams:
events, of which the last of a step is marked, or a step's potentials. Within a cycle all stages see
what the others offered at its beginning, so they are clocked from the last to the first.
"""

from abc import ABC, abstractmethod

import numpy as np

from hw.rtl.fire import group_size

__all__ = [
    "Bypass",
    "Fire",
    "Folded",
    "Integrate",
    "Loading",
    "Orderer",
    "Popcount",
    "Stage",
    "run",
]

_COMPACT = 32  # cycles after which images that are decided are left out


class Stage(ABC):
    """A block. Its state is arrays, named ``state``, with one entry per image. It offers something
    where ``valid`` is set; ``last`` marks what ends a step. Events have a spike where ``spike`` is.
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
        From the source of events to the output layer.
    steps : int [B]
        Steps that are visited up to the decision.
    """
    result = np.zeros(len(steps), np.int64)
    row, awaited, cycle = np.arange(len(steps)), steps, 0
    while len(row):
        awaited = awaited - stages[-1].valid
        decided = (awaited == 0) & stages[-1].valid
        result[row[decided]] = cycle
        taken = [np.ones(len(row), bool)]  # nothing holds up the decision
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


class _Windows(Stage):
    """Sends events in windows, each without a gap: a step, or a part of it.

    Parameters
    ----------
    total : int [B, T]
        Events of each step.
    early : int [B, T]
        Of these, the events before the step's last window.
    visited : bool [B, T]
        Steps up to the decision that have events; without a spike it is one all the same.
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
        self.left = np.zeros(len(total), np.int64)  # events of the window, with the one offered
        self.final = np.zeros(len(total), bool)  # the window is the last one of its step

    @property
    def last(self) -> np.ndarray:
        """The event offered is the last one of its step."""
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
        """Sends an event where it is taken; where the window is done."""
        sent = self.valid & taken
        done = sent & (self.left == 1)
        self.left = self.left - sent
        self.valid = self.valid & ~done
        return done


class Bypass(_Windows):
    """hw.rtl.bypass: one window after the other, from the first cycle on."""

    def __init__(self, total: np.ndarray, visited: np.ndarray) -> None:
        super().__init__(total, np.zeros_like(total), visited)
        self.load(np.ones(len(total), bool))

    def ready(self, taken: np.ndarray) -> np.ndarray:
        return taken  # nobody is before it

    def clock(self, before: Stage, ready: np.ndarray, taken: np.ndarray) -> None:
        self.load(self.send(taken))


class Orderer(Bypass):
    """hw.rtl.orderer: ends step 0, whose spikes went out before, then sends the other steps."""

    def __init__(self, total: np.ndarray, visited: np.ndarray) -> None:
        total = total.copy()
        total[:, 0] = 1
        self._cycle = 0
        super().__init__(total, visited)

    def clock(self, before: Stage, ready: np.ndarray, taken: np.ndarray) -> None:
        done = self.send(taken)
        self._cycle += 1
        if self._cycle == 2:  # the lists begin to be drained
            self.load(~self.valid)
        elif self._cycle > 2:
            self.load(done)


class Loading(_Windows):
    """hw.rtl.orderer from the image's first pixel on, before a block that has not always room.

    Parameters
    ----------
    total, visited
        As for :class:`Bypass`.
    arrives : bool [B, cycles]
        A spike of step 0 arrives in the cycle; the image's last arrival comes in the last one.
    """

    state = (*_Windows.state, "_arrives", "_listed")

    def __init__(self, total: np.ndarray, visited: np.ndarray, arrives: np.ndarray) -> None:
        super().__init__(total, np.zeros_like(total), visited)
        self._arrives = arrives
        self._listed = np.zeros(len(total), np.int64)  # spikes of step 0 on their list
        self._cycle = 0
        self._offer()

    def _offer(self) -> None:
        """What comes in this cycle goes out if there is room."""
        final = self._cycle == self._arrives.shape[1] - 1
        self.spike = self._arrives[:, self._cycle]
        self.valid = self.spike | final
        self.left = np.ones_like(self.left)
        self.final = final & (self._listed == 0)

    def ready(self, taken: np.ndarray) -> np.ndarray:
        return taken  # nobody is before it

    def clock(self, before: Stage, ready: np.ndarray, taken: np.ndarray) -> None:
        self._cycle += 1
        loaded = self._cycle - self._arrives.shape[1]
        if loaded <= 0:
            closed = self.final & taken
            self._listed = self._listed + (self.spike & ~taken)
        if loaded < 0:
            self._offer()
        elif loaded == 0:
            # The first window is step 0; it has what is listed, or has gone out before.
            self._size[self._next] = np.maximum(self._listed, 1)
            self._spike[self._next] = self._listed > 0
            self._next = self._next + closed
            self.valid = np.zeros_like(self.valid)
        elif loaded == 1:
            self.load(np.ones_like(self.valid))
        else:
            self.load(self.send(taken))


class Integrate(Stage):
    """hw.rtl.engines.event_driven: an event in a register, then, if it was a step's last, the
    potentials.
    """

    state = ("valid", "last", "_event", "_ends")

    def __init__(self, images: int) -> None:
        self.valid = np.zeros(images, bool)
        self.last = np.ones(images, bool)
        self._event = np.zeros(images, bool)
        self._ends = np.zeros(images, bool)  # the event is its step's last

    def ready(self, taken: np.ndarray) -> np.ndarray:
        return ~self.valid | taken

    def clock(self, before: Stage, ready: np.ndarray, taken: np.ndarray) -> None:
        self.valid = np.where(ready, self._event & self._ends, self.valid)
        self._event = np.where(ready, before.valid, self._event)
        self._ends = np.where(ready, before.last, self._ends)


class Popcount(Stage):
    """hw.rtl.engines.popcount: after a step's last event the rounds, then the potentials."""

    state = ("valid", "last", "_left")

    def __init__(self, images: int, rounds: int) -> None:
        self.valid = np.zeros(images, bool)
        self.last = np.ones(images, bool)
        self._left = np.zeros(images, np.int64)  # rounds still to do
        self._rounds = rounds

    def ready(self, taken: np.ndarray) -> np.ndarray:
        return (self._left == 0) & (~self.valid | taken)

    def clock(self, before: Stage, ready: np.ndarray, taken: np.ndarray) -> None:
        self.valid = (self.valid & ~taken) | (self._left == 1)
        self._left = np.maximum(self._left - 1, 0)
        self._left = np.where(ready & before.valid & before.last, self._rounds, self._left)


class Fire(_Windows):
    """hw.rtl.fire: a step's potentials are noted, then its groups taken one by one.

    Parameters
    ----------
    times : int [B, N]
        Steps in which the units fire; ``steps`` means never.
    banks : int
    visited : bool [B, T]
        Steps up to the decision that come.
    """

    state = (*_Windows.state, "_searching")

    def __init__(self, times: np.ndarray, banks: int, visited: np.ndarray) -> None:
        spikes = [_groups(times[:, bank::banks], visited) for bank in range(banks)]
        total, early = (np.max(each, axis=0) for each in zip(*spikes, strict=True))
        super().__init__(total, early, visited)
        self._searching = np.zeros(len(times), bool)

    def ready(self, taken: np.ndarray) -> np.ndarray:
        return ~self._searching

    def clock(self, before: Stage, ready: np.ndarray, taken: np.ndarray) -> None:
        take = self._searching & (~self.valid | self.send(taken))
        self.load(take)
        self._searching = (self._searching & ~(take & self.final)) | (before.valid & ready)


class Folded(Stage):
    """hw.rtl.engines.folded: passes over chunks of units; chunks of a step's last pass wait where
    units fire.

    Parameters
    ----------
    times, visited
        As for :class:`Fire`.
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
        spikes = _per_group(times, lanes, visited)
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


def _groups(times: np.ndarray, visited: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Spikes of each step int [B, T], and those before the last group of units that has one."""
    count = _per_group(times, group_size(times.shape[1]), visited)
    last = count.shape[2] - 1 - (count[..., ::-1] > 0).argmax(axis=2)
    total = count.sum(axis=2)
    return total, total - np.take_along_axis(count, last[..., None], axis=2)[..., 0]


def _per_group(times: np.ndarray, size: int, visited: np.ndarray) -> np.ndarray:
    """Spikes of each visited step and group of ``size`` units: int [B, T, groups]."""
    (images, units), steps = times.shape, visited.shape[1]
    groups = -(-units // size)
    image, unit = np.nonzero(times < steps)
    slot = (image * steps + times[image, unit]) * groups + unit // size
    count = np.bincount(slot, minlength=images * steps * groups)
    return count.reshape(images, steps, groups) * visited[..., None]
