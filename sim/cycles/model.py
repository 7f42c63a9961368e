"""How many cycles the hardware takes for each image, exactly and without compiling anything.

The control of the pipeline (valid, ready, which stage stalls which) is stepped cycle by cycle for
many images at once. It needs no weights: how many spikes each step has and which banks and groups
of units they come from follow from the golden model's spike times. An engine that makes a whole
network has its own arithmetic (sim/cycles/engines).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

import numpy as np

from hw.rtl.banks import bank_of
from hw.rtl.config import DEFAULT, Config
from hw.rtl.decide import decide_latency
from hw.rtl.engines.base import Engine, NetworkEngine
from hw.rtl.inputs.base import Input
from sim.cycles.fire import Fire
from sim.cycles.stage import Stage, run
from sw.answer import Answer, BistableAnswer
from sw.encoder import Inputs
from sw.network import Layer, Network

__all__ = ["Traffic", "cycles", "from_first_pixel", "overflows", "traffic"]

_CHUNK = 1024  # images at a time
_WHOLE_CHUNK = 256  # … whose every place is looked at


def cycles(
    network: Network, inputs: Inputs, answer: Answer | BistableAnswer, config: Config = DEFAULT
) -> np.ndarray:
    """Cycles from the one that accepts an image's last pixel to the first with a valid result.

    For a core that is idle before the image, as in the first pass of ``sim.verify``. Where inputs
    are sensor events, from the one that accepts an inference's first item, if items come without a
    pause: the result may come before the last.

    Parameters
    ----------
    network : Network
    inputs : uint8 [B, height, width] or Spikes
        Images or events, as the network takes them.
    answer : Answer or BistableAnswer
        The golden model's, to these inputs.
    config : Config
        How the core is made.

    Returns
    -------
    int64 [B]
    """
    if config.whole:
        return _whole(network, inputs, answer, config)
    assert isinstance(answer, Answer)
    source, first = config.input(network), config.engine(0)
    input_stages = _module(source)
    before = input_stages.start(source, first) + decide_latency(network.layers[-1].outputs)
    result = np.zeros(len(answer.step), np.int64)
    for part in _pieces(len(result), _CHUNK):
        times = [*(layer[part] for layer in answer.times[:-1]), None]
        counts = _counts(network, inputs[part], first.banks)
        visited = np.array(counts.any(axis=1))
        visited[:, [0, -1]] = True
        visited &= np.arange(network.steps) <= answer.step[part, None]
        total = counts.max(axis=1)
        chain: list[Stage] = [input_stages.stage(source, first, inputs[part], total, visited)]
        for index, (layer, own) in enumerate(zip(network.layers, times, strict=True)):
            chain += _layer(config, index, layer, own, visited)
        result[part] = before + run(chain, visited.sum(axis=1))
    return result


def _whole(
    network: Network, inputs: Inputs, answer: Answer | BistableAnswer, config: Config
) -> np.ndarray:
    """The same where one engine makes the network: what it takes of each piece of images."""
    engine, most, source = config.whole, config.most_spikes(network)[0], config.input(network)
    assert engine is not None
    result = np.zeros(len(inputs), np.int64)
    for part in _pieces(len(result), _WHOLE_CHUNK):
        own = _module(engine)
        busy = getattr(own, "busy", None)
        more = busy(engine, network, inputs[part], answer[part]) if busy else None
        taken = _module(source).taken(
            source, inputs[part], network.steps, engine.spike_cycles, more
        )
        result[part] = own.cycles(engine, network, inputs[part], taken, answer[part], most)
    return result


def overflows(
    network: Network, inputs: Inputs, answer: Answer | BistableAnswer, config: Config
) -> np.ndarray:
    """Which of the inferences have more spikes than the engine holds, so that the hardware gives
    them no class: bool [B]. The arguments are those of :func:`cycles`.
    """
    engine, most = config.whole, config.most_spikes(network)[0]
    result = np.zeros(len(inputs), bool)
    if engine is None or not engine.can_fault(network, most):
        return result
    for part in _pieces(len(result), _WHOLE_CHUNK):
        result[part] = _module(engine).overflows(engine, network, inputs[part], answer[part], most)
    return result


def from_first_pixel(network: Network, config: Config, latency: int) -> int | None:
    """Cycles from the one that accepts an image's first pixel to the first with a valid result, if
    pixels are offered without a pause and the core is idle before; ``latency`` is :func:`cycles` of
    the image. None where an engine of the whole network does not say, or inputs are events.
    """
    source = config.input(network)
    if config.whole:
        own = getattr(_module(config.whole), "from_first_pixel", None)
        return own(config.whole, network) if own else None
    # The orderer takes a pixel of each lane per cycle.
    return source.load_cycles - 1 + latency if source.load_cycles else None


def _pieces(count: int, size: int) -> Iterator[slice]:
    """So many images, ``size`` at a time."""
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))


def _layer(
    config: Config, index: int, layer: Layer, times: np.ndarray | None, visited: np.ndarray
) -> Iterator[Stage]:
    """The stages of one layer; ``times`` are those of its units if it is a hidden one."""
    engine = config.engine(index)
    yield _module(engine).stage(engine, layer, times, visited)
    if times is not None and not engine.fires:
        yield Fire(times, config.engine(index + 1).banks, visited)


def _module(part: Engine | NetworkEngine | Input) -> ModuleType:
    """The module of the engine's or the input's cycles: that of its name, here."""
    _, _, name = type(part).__module__.partition("hw.rtl.")
    return import_module(f"sim.cycles.{name}")


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """How many weight bits the inferences need, and how many the memories could have delivered.

    Parameters
    ----------
    needed : int [B]
        Weight bits of the spikes up to each decision: a row of every spike's layer; of an engine
        that makes tiles, one for each tile.
    early : int [B]
        Of these, the bits that are read before the image's last pixel has come: step 0 of the
        inputs.
    width : int
        Bits that all weight memories together deliver per cycle.
    """

    needed: np.ndarray
    early: np.ndarray
    width: int

    def fraction(self, cycles: np.ndarray) -> float:
        """Needed bits over those that the memories deliver in ``cycles`` int [B]. Above 1 where
        most are read before the last pixel.
        """
        return float(self.needed.sum() / (cycles.sum() * self.width))

    def fraction_left(self, cycles: np.ndarray) -> float:
        """The same of the bits left to read when the last pixel has come; at most 1."""
        return float((self.needed - self.early).sum() / (cycles.sum() * self.width))


def traffic(
    network: Network, inputs: Inputs, answer: Answer | BistableAnswer, config: Config = DEFAULT
) -> Traffic:
    """What inferences of ``inputs`` need of the memories of weights; as :func:`cycles`, which see.
    Where inputs are events, nothing is early: cycles are counted from the first.
    """
    if config.whole:
        most = config.most_spikes(network)[0]
        needed, width = _module(config.whole).traffic(config.whole, network, inputs, answer, most)
        return Traffic(needed=needed, early=np.zeros_like(needed), width=width)
    assert isinstance(answer, Answer)
    bound = np.minimum(answer.step, network.steps - 1)[:, None]
    outputs = [layer.outputs for layer in network.layers]
    first = _counts(network, inputs, 1)[:, 0]
    counts = [np.where(np.arange(network.steps) <= bound, first, 0).sum(axis=1)]
    counts += [(layer <= bound).sum(axis=1) for layer in answer.times[:-1]]
    early = first[:, 0] if config.input(network).load_cycles else np.zeros_like(first[:, 0])
    return Traffic(
        needed=sum(count * width for count, width in zip(counts, outputs, strict=True)),
        early=early * outputs[0],
        width=sum(
            config.engine(index).weight_bits_per_cycle(width) for index, width in enumerate(outputs)
        ),
    )


def _counts(network: Network, inputs: Inputs, banks: int) -> np.ndarray:
    """Input spikes of each bank and step: int [B, banks, T]."""
    spikes = network.encoder.encode(inputs, network.steps)
    slot = spikes.image.astype(np.int64) * banks + bank_of(spikes.unit, banks)
    slot = slot * network.steps + spikes.step
    counts = np.bincount(slot, minlength=len(spikes) * banks * network.steps)
    return counts.reshape(-1, banks, network.steps)
