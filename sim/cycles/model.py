"""How many cycles the hardware takes for each image, exactly and without compiling anything.

The control of the pipeline (valid, ready, who waits for whom) is stepped cycle by cycle for many
images at once. It needs no weights: how many events each step has and which banks and groups of
units they come from follow from the golden model's spike times.
"""

from dataclasses import dataclass

import numpy as np

from hw.rtl.config import DEFAULT, Config, Event, Folded, Popcount
from hw.rtl.decide import decide_latency
from sim.cycles import stages
from sim.cycles.stages import Stage
from sw.answer import Answer
from sw.encoder import EventsEncoder, Spikes
from sw.network import Layer, Network

__all__ = ["Traffic", "cycles", "traffic"]

_CHUNK = 1024  # images at a time
_ARRIVAL = 2  # cycles from the last pixel to the end of step 0: encoder 1, orderer 1
_FIRST_ITEM = 1  # cycles from the first item of events to its event


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
    before = _FIRST_ITEM if events else _ARRIVAL + (network.encoder.pool > 1)
    loading = isinstance(config.engine(0), Folded)  # it is not done with step 0 by the last pixel
    if loading:
        before -= network.encoder.pixels - 1
    decide = decide_latency(network.layers[-1].outputs)
    result = np.zeros(len(answer.step), np.int64)
    for start in range(0, len(result), _CHUNK):
        part = slice(start, min(start + _CHUNK, len(result)))
        times = [layer[part] for layer in answer.times[:-1]]
        counts = _counts(network, inputs, part, config.engine(0).banks)
        visited = counts.any(axis=1)
        visited[:, [0, -1]] = True
        visited &= np.arange(network.steps) <= answer.step[part, None]
        total = counts.max(axis=1)
        if events:
            chain: list[Stage] = [stages.Bypass(total, visited)]
        elif loading:
            chain = [stages.Loading(total, visited, _arrives(network, inputs[part]))]
        else:
            chain = [stages.Orderer(total, visited)]
        for index, layer in enumerate(network.layers):
            chain += _layer(config, index, layer, times[index : index + 1], visited)
        result[part] = before + stages.run(chain, visited.sum(axis=1)) + decide
    return result


def _arrives(network: Network, images: np.ndarray) -> np.ndarray:
    """Bool [B, pixels]: with the pixel an input spike of step 0 is complete."""
    encoder = network.encoder
    height, width = encoder.shape
    spikes = encoder.times(images, network.steps).reshape(len(images), -1) == 0
    pixels = np.arange(height * width).reshape(height, width)
    pixels = pixels[encoder.pool - 1 :: encoder.pool, encoder.pool - 1 :: encoder.pool].reshape(-1)
    if encoder.select is not None:
        pixels = pixels[list(encoder.select)]
    result = np.zeros((len(images), height * width), bool)
    result[:, pixels] = spikes
    return result


def _layer(
    config: Config, index: int, layer: Layer, times: list[np.ndarray], visited: np.ndarray
) -> list[Stage]:
    """The stages of one layer; ``times`` are those of its units if it is a hidden one."""
    engine, images = config.engine(index), len(visited)
    if isinstance(engine, Folded):
        return [stages.Folded(times[0], engine.lanes, engine.copies, visited)]
    if isinstance(engine, Popcount):
        result = [stages.Popcount(images, -(-layer.inputs // (engine.flags or layer.inputs)))]
    else:
        result = [stages.Integrate(images)]
    return result + [stages.Fire(each, config.engine(index + 1).banks, visited) for each in times]


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
        width=sum(_width(config.engine(index), width) for index, width in enumerate(outputs)),
    )


def _width(engine: Event | Folded | Popcount, outputs: int) -> int:
    """Weight bits that an engine's memories give in a cycle."""
    if isinstance(engine, Folded):
        return engine.copies * engine.lanes
    return engine.banks * outputs


def _counts(network: Network, inputs: np.ndarray | Spikes, part: slice, banks: int) -> np.ndarray:
    """Input spikes of each bank and step: int [B, banks, T]."""
    steps = network.steps
    if isinstance(inputs, Spikes):
        spikes = inputs.part(part.start, part.stop)
    else:
        spikes = Spikes.from_times(network.encoder.times(inputs[part], steps), steps)
    slot = (spikes.image.astype(np.int64) * banks + spikes.unit % banks) * steps + spikes.step
    return np.bincount(slot, minlength=spikes.count * banks * steps).reshape(-1, banks, steps)
