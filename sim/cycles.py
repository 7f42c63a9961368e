"""How many cycles the hardware takes for each image, exactly and without compiling anything.

The control of the pipeline (valid, ready, who waits for whom) is stepped cycle by cycle for many
images at once. It needs no weights: how many events each step has and which banks and groups of
units they come from follow from the golden model's spike times.
"""

from dataclasses import dataclass

import numpy as np

from hw.config import DEFAULT, Config
from hw.decide import decide_latency
from hw.fire import group_size
from sw.answer import Answer
from sw.encoder import LatencyEncoder
from sw.network import Network

__all__ = ["Traffic", "cycles", "traffic"]

_CHUNK = 1024  # images at a time
_FIRST_EVENT = 2  # cycles from the last pixel to the end of step 0: encoder 1, orderer 1
_COMPACT = 32  # cycles after which images that are decided are left out


def cycles(
    network: Network, images: np.ndarray, answer: Answer, config: Config = DEFAULT
) -> np.ndarray:
    """Cycles from the one that accepts an image's last pixel to the first with a valid answer.

    For a core that is idle before the image, as in the first pass of ``sim.verify``.

    Parameters
    ----------
    network : Network
        With a latency encoder.
    images : uint8 [B, height, width]
    answer : Answer
        The golden model's, to these images.
    config : Config
        How the core is made.

    Returns
    -------
    int64 [B]
    """
    if not isinstance(network.encoder, LatencyEncoder):
        raise ValueError(f"Network must take images, not {network.encoder!r}")
    decide = decide_latency(network.layers[-1].outputs)
    before = _FIRST_EVENT + (network.encoder.pool > 1)
    banks = [config.engine(index).banks for index in range(len(network.layers))]
    result = np.zeros(len(images), np.int64)
    for start in range(0, len(images), _CHUNK):
        part = slice(start, start + _CHUNK)
        inputs = network.encoder.times(images[part], network.steps)
        times = [inputs, *(layer[part] for layer in answer.times[:-1])]
        streams = _streams(times, answer.step[part], network.steps, banks)
        result[part] = before + _run(streams, len(inputs)) + decide
    return result


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """How many weights the answers need, and how many the memories could have given.

    Parameters
    ----------
    needed : int [B]
        Weight bits of the spikes up to each decision: a row of every spike's layer.
    early : int [B]
        Of these, the bits that are read before the image's last pixel has come: step 0 of the
        inputs.
    width : int
        Bits that all memories of weights together give in a cycle.
    """

    needed: np.ndarray
    early: np.ndarray
    width: int

    def fraction(self, cycles: np.ndarray) -> float:
        """Needed bits over those that the memories give in ``cycles`` int [B]. Above 1 where most
        are read before the last pixel.
        """
        return float(self.needed.sum() / (cycles.sum() * self.width))

    def fraction_left(self, cycles: np.ndarray) -> float:
        """The same of the bits left to read when the last pixel has come; at most 1."""
        return float((self.needed - self.early).sum() / (cycles.sum() * self.width))


def traffic(
    network: Network, images: np.ndarray, answer: Answer, config: Config = DEFAULT
) -> Traffic:
    """What the answers to ``images`` uint8 [B, height, width] need of the memories of weights."""
    inputs = network.encoder.times(images, network.steps)
    times = [inputs, *answer.times[:-1]]
    bound = np.minimum(answer.step, network.steps - 1)[:, None]
    outputs = [layer.outputs for layer in network.layers]
    return Traffic(
        needed=sum(
            (layer <= bound).sum(axis=1) * width
            for layer, width in zip(times, outputs, strict=True)
        ),
        early=(inputs == 0).sum(axis=1) * outputs[0],
        width=sum(config.engine(index).banks * width for index, width in enumerate(outputs)),
    )


@dataclass(kw_only=True)
class _Stream:
    """What a source of events has to send up to the decision, all images one after the other.

    Parameters
    ----------
    size : int [windows]
        Events of each window: of a step, or of a part of it.
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


def _streams(
    times: list[np.ndarray], decision: np.ndarray, steps: int, banks: list[int]
) -> list[_Stream]:
    """The sources: the orderer, then each hidden layer's fire block."""
    images, result = len(decision), []
    visited = np.zeros((images, steps), bool)
    visited[np.nonzero(times[0] < steps)[0], times[0][times[0] < steps]] = True
    visited[:, [0, -1]] = True
    visited &= np.arange(steps) <= decision[:, None]
    for index, (layer, count) in enumerate(zip(times, banks, strict=True)):
        spikes = [
            _spikes(layer[:, bank::count], decision, steps, grouped=index > 0)
            for bank in range(count)
        ]
        total, early = (np.max(each, axis=0) for each in zip(*spikes, strict=True))
        # A step without a spike has one event all the same.
        total = np.where(visited, np.maximum(total, 1), 0)
        if not index:
            total[:, 0] = 1  # the spikes of step 0 went out while the image came in
        # Two windows at most: until the last group of every bank is taken, and from then on.
        size = np.stack([early, total - early], axis=2)
        image, step, part = np.nonzero(size)
        end = np.searchsorted(image, np.arange(images), side="right")
        result.append(
            _Stream(
                size=size[image, step, part],
                final=part == 1,
                next=np.concatenate([[0], end[:-1]]),
                end=end,
            )
        )
    return result


def _spikes(
    times: np.ndarray, decision: np.ndarray, steps: int, *, grouped: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Of a bank's units with ``times`` [B, N]: spikes of each step up to the decision int [B, T],
    and how many of them come before its last group of units that has one.
    """
    images, units = times.shape
    size = group_size(units) if grouped else max(units, 1)
    groups = max(1, -(-units // size))
    image, unit = np.nonzero(times <= np.minimum(decision, steps - 1)[:, None])
    slot = (image * steps + times[image, unit]) * groups + unit // size
    count = np.bincount(slot, minlength=images * steps * groups).reshape(images, steps, groups)
    last = groups - 1 - (count[..., ::-1] > 0).argmax(axis=2)
    total = count.sum(axis=2)
    return total, total - np.take_along_axis(count, last[..., None], axis=2)[..., 0]


class _Source:
    """Sends window after window; the base of the orderer and the fire block."""

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

    def send(self, ready: np.ndarray) -> np.ndarray:
        """Offers the window's next event where ``ready`` is set; where the window is done."""
        sent = self.valid & ready
        done = sent & (self.left == 1)
        self.left = self.left - sent
        self.valid = self.valid & ~done
        return done

    def keep(self, rows: np.ndarray) -> None:
        """Leaves the other images out."""
        self.stream.next, self.stream.end = self.stream.next[rows], self.stream.end[rows]
        self.valid, self.left, self.final = self.valid[rows], self.left[rows], self.final[rows]


class _Orderer(_Source):
    """hw.orderer: ends step 0, then sends the other steps without a gap."""

    def __init__(self, stream: _Stream) -> None:
        super().__init__(stream)
        self.cycle = 0
        self.load(np.ones(len(self.valid), bool))

    def clock(self, ready: np.ndarray) -> None:
        """One cycle; ``ready`` is that of the block after it."""
        done = self.send(ready)
        self.cycle += 1
        if self.cycle == 2:  # the lists begin to be drained
            self.load(~self.valid)
        elif self.cycle > 2:
            self.load(done)


class _Fire(_Source):
    """hw.fire: a step's potentials are noted, then its groups taken one by one."""

    def __init__(self, stream: _Stream) -> None:
        self.searching = np.zeros(len(stream.next), bool)
        super().__init__(stream)

    def clock(self, ready: np.ndarray, *, potentials: np.ndarray) -> None:
        """One cycle; ``potentials`` tells where some are offered to it."""
        accept = potentials & ~self.searching
        done = self.send(ready)
        take = self.searching & (~self.valid | done)
        self.load(take)
        self.searching = (self.searching & ~(take & self.final)) | accept

    def keep(self, rows: np.ndarray) -> None:
        super().keep(rows)
        self.searching = self.searching[rows]


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
    orderer = _Orderer(streams[0])
    fires = [_Fire(stream) for stream in streams[1:]]
    sources: list[_Source] = [orderer, *fires]
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
            ~layer.valid | ~fire.searching for layer, fire in zip(layers[:-1], fires, strict=True)
        ]
        ready.append(np.ones(len(row), bool))  # nothing holds up the decision
        offered = [layer.valid for layer in layers]
        for layer, source, advance in zip(layers, sources, ready, strict=True):
            layer.clock(advance, source)
        orderer.clock(ready[0])
        for fire, advance, potentials in zip(fires, ready[1:], offered[:-1], strict=True):
            fire.clock(advance, potentials=potentials)
        cycle += 1
        if cycle % _COMPACT == 0:
            rows = awaited > 0
            row, awaited = row[rows], awaited[rows]
            for part in (*sources, *layers):
                part.keep(rows)
    return result
