"""How many cycles the hardware takes for each image, exactly and without compiling anything.

The control of the pipeline (valid, ready, who waits for whom) is stepped cycle by cycle for many
images at once. It needs no weights: how many events each step has and which banks and groups of
units they come from follow from the golden model's spike times.
"""

from dataclasses import dataclass

import numpy as np

from hw.config import DEFAULT, Config, Event, Popcount
from hw.decide import decide_latency
from hw.fire import group_size
from sw.answer import Answer
from sw.encoder import EventsEncoder, Spikes
from sw.network import Network

__all__ = ["Traffic", "cycles", "traffic"]

_CHUNK = 1024  # images at a time
_END_OF_STEP_0 = 2  # cycles from the last pixel to it: encoder 1, orderer 1
_FIRST_ITEM = 1  # cycles from the first item to its event
_COMPACT = 32  # cycles after which images that are decided are left out


def cycles(
    network: Network, inputs: np.ndarray | Spikes, answer: Answer, config: Config = DEFAULT
) -> np.ndarray:
    """Cycles from the one that accepts an image's last pixel to the first with a valid answer.

    For a core that is idle before the image, as in the first pass of ``sim.verify``. Where inputs
    are events, from the one that accepts an inference's first item, if items come without a pause:
    the answer may be there before the last.

    Parameters
    ----------
    network : Network
    inputs : uint8 [B, height, width] or Spikes
        Images or events, as the network takes them.
    answer : Answer
        The golden model's, to these inputs.
    config : Config
        How the core is made.

    Returns
    -------
    int64 [B]
    """
    events = isinstance(network.encoder, EventsEncoder)
    if events != isinstance(inputs, Spikes):
        raise ValueError(f"Inputs must be what {network.encoder!r} takes, not {type(inputs)}")
    decide = decide_latency(network.layers[-1].outputs)
    before = _FIRST_ITEM if events else _END_OF_STEP_0 + (network.encoder.pool > 1)
    banks = [config.engine(index).banks for index in range(len(network.layers))]
    result = np.zeros(len(answer.step), np.int64)
    for start in range(0, len(result), _CHUNK):
        part = slice(start, min(start + _CHUNK, len(result)))
        bound, hidden = answer.step[part], [layer[part] for layer in answer.times[:-1]]
        count = _counts(network, inputs, part, banks[0])
        visited = count.any(axis=1)
        visited[:, [0, -1]] = True
        visited &= np.arange(network.steps) <= bound[:, None]
        total = count.max(axis=1)
        if not events:
            total[:, 0] = 1  # the spikes of step 0 went out while the image came in
        streams = [_stream(total, np.zeros_like(total), visited)]
        for layer, each in zip(hidden, banks[1:], strict=True):
            streams.append(_stream(*_fired(layer, bound, network.steps, each), visited))
        layers = [
            _layer(config.engine(index), layer.inputs, len(bound))
            for index, layer in enumerate(network.layers)
        ]
        kind = _Source if events else _Orderer
        result[part] = before + _run(streams, kind, layers) + decide
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
    network: Network, inputs: np.ndarray | Spikes, answer: Answer, config: Config = DEFAULT
) -> Traffic:
    """What the answers to ``inputs`` need of the memories of weights; as :func:`cycles`, which see.
    Where inputs are events, nothing is early: cycles are counted from the first.
    """
    bound = np.minimum(answer.step, network.steps - 1)[:, None]
    outputs = [layer.outputs for layer in network.layers]
    first = _counts(network, inputs, slice(0, len(answer.step)), 1)[:, 0]
    counts = [np.where(np.arange(network.steps) <= bound, first, 0).sum(axis=1)]
    counts += [(layer <= bound).sum(axis=1) for layer in answer.times[:-1]]
    early = np.zeros_like(first[:, 0]) if isinstance(inputs, Spikes) else first[:, 0]
    return Traffic(
        needed=sum(count * width for count, width in zip(counts, outputs, strict=True)),
        early=early * outputs[0],
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


def _stream(total: np.ndarray, early: np.ndarray, visited: np.ndarray) -> _Stream:
    """The windows of ``total`` int [B, T] events in the steps ``visited`` bool [B, T], of which
    ``early`` int [B, T] come before the last group of units of every bank is taken.
    """
    # A step without a spike has one event all the same.
    total = np.where(visited, np.maximum(total, 1), 0)
    early = np.where(visited, early, 0)
    size = np.stack([early, total - early], axis=2)
    image, step, part = np.nonzero(size)
    end = np.searchsorted(image, np.arange(len(total)), side="right")
    return _Stream(
        size=size[image, step, part],
        final=part == 1,
        next=np.concatenate([[0], end[:-1]]),
        end=end,
    )


def _counts(network: Network, inputs: np.ndarray | Spikes, part: slice, banks: int) -> np.ndarray:
    """Input spikes of each bank and step: int [B, banks, T]."""
    steps = network.steps
    if isinstance(inputs, Spikes):
        spikes = inputs.part(part.start, part.stop)
    else:
        spikes = Spikes.from_times(network.encoder.times(inputs[part], steps), steps)
    slot = (spikes.image.astype(np.int64) * banks + spikes.unit % banks) * steps + spikes.step
    return np.bincount(slot, minlength=spikes.count * banks * steps).reshape(-1, banks, steps)


def _fired(
    times: np.ndarray, bound: np.ndarray, steps: int, banks: int
) -> tuple[np.ndarray, np.ndarray]:
    """Events int [B, T] of a fire block whose units fire in ``times`` [B, N], up to step ``bound``
    [B], and how many of them come before the last group of every bank is taken.
    """
    spikes = [_grouped(times[:, bank::banks], bound, steps) for bank in range(banks)]
    total, early = (np.max(each, axis=0) for each in zip(*spikes, strict=True))
    return total, early


def _grouped(times: np.ndarray, bound: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Of one bank: spikes of each step int [B, T], and those before the last group that has one."""
    images, units = times.shape
    size = group_size(units)
    groups = -(-units // size)
    image, unit = np.nonzero(times <= np.minimum(bound, steps - 1)[:, None])
    slot = (image * steps + times[image, unit]) * groups + unit // size
    count = np.bincount(slot, minlength=images * steps * groups).reshape(images, steps, groups)
    last = groups - 1 - (count[..., ::-1] > 0).argmax(axis=2)
    total = count.sum(axis=2)
    return total, total - np.take_along_axis(count, last[..., None], axis=2)[..., 0]


class _Source:
    """hw.bypass: sends window after window without a gap; the base of the others."""

    def __init__(self, stream: _Stream) -> None:
        self.stream = stream
        images = len(stream.next)
        self.valid = np.zeros(images, bool)  # an event is offered
        self.left = np.zeros(images, np.int64)  # events of the window, with the one offered
        self.final = np.zeros(images, bool)
        self.start()

    def start(self) -> None:
        """The first window is there in the first cycle."""
        self.load(np.ones(len(self.valid), bool))

    def clock(self, ready: np.ndarray) -> None:
        """One cycle; ``ready`` is that of the block after it."""
        self.load(self.send(ready))

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

    cycle = 0

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

    def start(self) -> None:
        self.searching = np.zeros(len(self.valid), bool)

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

    def ready(self, taken: np.ndarray) -> np.ndarray:
        """Where an event is taken; ``taken`` is where potentials are if there are any."""
        return ~self.valid | taken

    def clock(self, advance: np.ndarray, source: _Source, taken: np.ndarray) -> None:
        """One cycle; ``advance`` is what :meth:`ready` said."""
        self.valid = np.where(advance, self.event & self.last, self.valid)
        self.event = np.where(advance, source.valid, self.event)
        self.last = np.where(advance, source.last, self.last)

    def keep(self, rows: np.ndarray) -> None:
        self.event, self.last, self.valid = self.event[rows], self.last[rows], self.valid[rows]


class _Popcount:
    """hw.popcount: after a step's last event the rounds, then the potentials."""

    def __init__(self, images: int, rounds: int) -> None:
        self.rounds = rounds
        self.left = np.zeros(images, np.int64)  # rounds still to do
        self.valid = np.zeros(images, bool)  # potentials are offered

    def ready(self, taken: np.ndarray) -> np.ndarray:
        """Where an event is taken; ``taken`` is where potentials are if there are any."""
        return (self.left == 0) & (~self.valid | taken)

    def clock(self, advance: np.ndarray, source: _Source, taken: np.ndarray) -> None:
        """One cycle; ``taken`` as for :meth:`ready`, ``advance`` what it said."""
        done = self.left == 1
        self.valid = (self.valid & ~taken) | done
        self.left = np.where(self.left > 0, self.left - 1, self.left)
        self.left = np.where(advance & source.valid & source.last, self.rounds, self.left)

    def keep(self, rows: np.ndarray) -> None:
        self.left, self.valid = self.left[rows], self.valid[rows]


def _layer(engine: Event | Popcount, inputs: int, images: int) -> _Integrate | _Popcount:
    """The model of one layer's engine."""
    if isinstance(engine, Popcount):
        return _Popcount(images, -(-inputs // (engine.flags or inputs)))
    return _Integrate(images)


def _run(
    streams: list[_Stream], kind: type[_Source], layers: list[_Integrate | _Popcount]
) -> np.ndarray:
    """Cycles from the first event offered to the decisive potentials offered, int64 [B]."""
    # Potentials still to come before the decision's: one per step of the last source.
    steps = np.concatenate([[0], np.cumsum(streams[-1].final)])
    awaited = steps[streams[-1].end] - steps[streams[-1].next]
    images = len(awaited)
    source = kind(streams[0])
    fires = [_Fire(stream) for stream in streams[1:]]
    sources = [source, *fires]
    result = np.zeros(images, np.int64)
    row = np.arange(images)
    cycle = 0
    while len(row):
        awaited = awaited - layers[-1].valid
        decided = (awaited == 0) & layers[-1].valid
        result[row[decided]] = cycle
        # Nothing holds up the decision.
        taken = [*(~fire.searching for fire in fires), np.ones(len(row), bool)]
        ready = [layer.ready(each) for layer, each in zip(layers, taken, strict=True)]
        offered = [layer.valid for layer in layers]
        for layer, before, advance, each in zip(layers, sources, ready, taken, strict=True):
            layer.clock(advance, before, each)
        source.clock(ready[0])
        for fire, advance, potentials in zip(fires, ready[1:], offered[:-1], strict=True):
            fire.clock(advance, potentials=potentials)
        cycle += 1
        if cycle % _COMPACT == 0:
            rows = awaited > 0
            row, awaited = row[rows], awaited[rows]
            for part in (*sources, *layers):
                part.keep(rows)
    return result
