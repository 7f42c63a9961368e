"""How many cycles the hardware takes for each image, exactly and without compiling anything.

The control of the pipeline (valid, ready, who waits for whom) is stepped cycle by cycle for many
images at once. It needs no weights: how many events each step has and which groups of units they
come from follow from the golden model's spike times.
"""

from dataclasses import dataclass

import numpy as np

from hw.decide import decide_latency
from hw.fire import group_size
from sw.answer import Answer
from sw.encoder import LatencyEncoder
from sw.network import Network

__all__ = ["cycles"]

_CHUNK = 1024  # images at a time
_FIRST_EVENT = 4  # cycles from the last pixel to the first event: encoder 1, orderer 3
_COMPACT = 32  # cycles after which images that are decided are left out


def cycles(network: Network, images: np.ndarray, answer: Answer) -> np.ndarray:
    """Cycles from the one that accepts an image's last pixel to the first with a valid answer.

    For a core that is idle before the image, as in the first pass of ``sim.verify``.

    Parameters
    ----------
    network : Network
        With a latency encoder.
    images : uint8 [B, height, width]
    answer : Answer
        The golden model's, to these images.

    Returns
    -------
    int64 [B]
    """
    if not isinstance(network.encoder, LatencyEncoder):
        raise ValueError(f"Network must take images, not {network.encoder!r}")
    decide = decide_latency(network.layers[-1].outputs)
    before = _FIRST_EVENT + (network.encoder.pool > 1)
    result = np.zeros(len(images), np.int64)
    for start in range(0, len(images), _CHUNK):
        part = slice(start, start + _CHUNK)
        inputs = network.encoder.times(images[part], network.steps)
        times = [inputs, *(layer[part] for layer in answer.times[:-1])]
        streams = _streams(times, answer.step[part], network.steps)
        result[part] = before + _run(streams, len(inputs)) + decide
    return result


@dataclass(kw_only=True)
class _Stream:
    """What a source of events has to send up to the decision, all images one after the other.

    Parameters
    ----------
    size : int [windows]
        Events of each window: of a step, or of a step's group of units.
    final : bool [windows]
        The window is the last one of its step.
    next : int [B]
        The window that each image's source takes next.
    end : int [B]
        The window after each image's last.
    """

    size: np.ndarray
    final: np.ndarray
    next: np.ndarray
    end: np.ndarray


def _streams(times: list[np.ndarray], decision: np.ndarray, steps: int) -> list[_Stream]:
    """The sources: the orderer, then each hidden layer's fire block."""
    images, result = len(decision), []
    visited = np.zeros((images, steps), bool)
    visited[np.nonzero(times[0] < steps)[0], times[0][times[0] < steps]] = True
    visited[:, [0, -1]] = True
    visited &= np.arange(steps) <= decision[:, None]
    for index, layer in enumerate(times):
        units = layer.shape[1]
        group = group_size(units) if index else units  # the orderer sends a step as one
        groups = -(-units // group)
        image, unit = np.nonzero(layer <= np.minimum(decision, steps - 1)[:, None])
        slot = (image * steps + layer[image, unit]) * groups + unit // group
        count = np.bincount(slot, minlength=images * steps * groups)
        count = count.reshape(images, steps, groups)
        # A step without a spike has one event all the same.
        count[..., 0] += visited & ~count.any(axis=2)
        image, step, where = np.nonzero(count)
        place = image * steps + step
        end = np.searchsorted(image, np.arange(images), side="right")
        result.append(
            _Stream(
                size=count[image, step, where],
                final=np.diff(place, append=-1) != 0,
                next=np.concatenate([[0], end[:-1]]),
                end=end,
            )
        )
    return result


class _Source:
    """The orderer, which sends window after window without a gap; the base of the fire block."""

    def __init__(self, stream: _Stream) -> None:
        self.stream = stream
        images = len(stream.next)
        self.valid = np.zeros(images, bool)  # an event is offered
        self.left = np.zeros(images, np.int64)  # events of the window, with the one offered
        self.final = np.zeros(images, bool)

    def load(self, take: np.ndarray) -> None:
        """Takes the next window in the images marked, if there is one."""
        take = take & (self.stream.next < self.stream.end)
        window = np.where(take, self.stream.next, 0)
        self.valid |= take
        self.left = np.where(take, self.stream.size[window], self.left)
        self.final = np.where(take, self.stream.final[window], self.final)
        self.stream.next = self.stream.next + take

    @property
    def last(self) -> np.ndarray:
        """The event offered is the last one of its step."""
        return self.final & (self.left == 1)

    def clock(self, ready: np.ndarray) -> None:
        """One cycle; ``ready`` is that of the block after it."""
        sent = self.valid & ready
        done = sent & (self.left == 1)
        self.left = self.left - sent
        self.valid = self.valid & ~done
        self.load(done)

    def keep(self, rows: np.ndarray) -> None:
        """Leaves the other images out."""
        self.stream.next, self.stream.end = self.stream.next[rows], self.stream.end[rows]
        self.valid, self.left, self.final = self.valid[rows], self.left[rows], self.final[rows]


class _Fire(_Source):
    """hw.fire: a step's potentials are noted, its groups found, then taken one by one."""

    def __init__(self, stream: _Stream) -> None:
        self.searching = np.zeros(len(stream.next), bool)
        self.noted = np.zeros(len(stream.next), bool)
        super().__init__(stream)

    def clock(self, ready: np.ndarray, *, potentials: np.ndarray) -> None:
        """One cycle; ``potentials`` tells where some are offered to it."""
        sent = self.valid & ready
        done = sent & (self.left == 1)
        take = self.searching & ~self.noted & (~self.valid | done)
        accept = potentials & ~self.searching
        self.left = self.left - sent
        self.valid = self.valid & ~done
        self.load(take)
        self.searching = (self.searching & ~(take & self.final)) | accept
        self.noted = accept

    def keep(self, rows: np.ndarray) -> None:
        super().keep(rows)
        self.searching, self.noted = self.searching[rows], self.noted[rows]


class _Integrate:
    """hw.integrate: an event in a register, then, if it was a step's last, the potentials."""

    def __init__(self, images: int) -> None:
        self.event = np.zeros(images, bool)
        self.last = np.zeros(images, bool)
        self.valid = np.zeros(images, bool)  # potentials are offered

    def clock(self, advance: np.ndarray, source: _Source) -> None:
        """One cycle; nothing moves where ``advance`` is clear."""
        self.valid = np.where(advance, self.event & self.last, self.valid)
        self.event = np.where(advance, source.valid, self.event)
        self.last = np.where(advance, source.last, self.last)

    def keep(self, rows: np.ndarray) -> None:
        self.event, self.last, self.valid = self.event[rows], self.last[rows], self.valid[rows]


def _run(streams: list[_Stream], images: int) -> np.ndarray:
    """Cycles from the first event offered to the decisive potentials offered, int64 [B]."""
    # Potentials still to come before the decision's: one per step of the last source.
    steps = np.concatenate([[0], np.cumsum(streams[-1].final)])
    awaited = steps[streams[-1].end] - steps[streams[-1].next]
    sources: list[_Source] = [_Source(streams[0]), *(_Fire(stream) for stream in streams[1:])]
    sources[0].load(np.ones(images, bool))
    layers = [_Integrate(images) for _ in streams]
    result = np.zeros(images, np.int64)
    row = np.arange(images)
    cycle = 0
    while len(row):
        awaited = awaited - layers[-1].valid
        decided = (awaited == 0) & layers[-1].valid
        result[row[decided]] = cycle
        # From the end to the start: a block moves if the one after it takes what it offers.
        ready = [
            ~layer.valid | ~fire.searching
            for layer, fire in zip(layers[:-1], sources[1:], strict=True)
        ]
        ready.append(np.ones(len(row), bool))  # nothing holds up the decision
        offered = [layer.valid for layer in layers]
        for layer, source, advance in zip(layers, sources, ready, strict=True):
            layer.clock(advance, source)
        sources[0].clock(ready[0])
        for fire, advance, potentials in zip(sources[1:], ready[1:], offered[:-1], strict=True):
            fire.clock(advance, potentials=potentials)
        cycle += 1
        if cycle % _COMPACT == 0:
            rows = awaited > 0
            row, awaited = row[rows], awaited[rows]
            for part in (*sources, *layers):
                part.keep(rows)
    return result
