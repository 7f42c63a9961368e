"""What a network does with examples, as numbers, from the answer that some model gave. NumPy only,
so that it is there for each command, whatever it computes answers with.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sw.answer import Answer
from sw.encoder import Inputs, Spikes
from sw.network import Network
from sw.record import Record

__all__ = ["Example", "accuracy_at_step", "confusion", "decided_by_step", "example", "margins"]


def margins(network: Network, inputs: Inputs, answer: Answer) -> Iterator[np.ndarray]:
    """``V − θ`` of the output layer at the end of each step: T arrays int64 [B, C]."""
    layer = network.layers[-1]
    sign = np.where(layer.weight, 1, -1).astype(np.float64).T  # a product of BLAS, and exact
    potential = np.zeros((len(answer.label), layer.outputs))
    for arriving in _arriving(network, inputs, answer):
        potential += arriving @ sign
        yield potential.astype(np.int64) - layer.threshold


def _arriving(network: Network, inputs: Inputs, answer: Answer) -> Iterator[np.ndarray]:
    """How often each input of the output layer fires in each step: T arrays float64 [B, N]."""
    hidden = answer.times[:-1]
    spikes = None if hidden else network.encoder.encode(inputs, network.steps)
    for step in range(network.steps):
        if spikes is None:
            yield (hidden[-1] == step).astype(np.float64)
            continue
        counts = np.zeros((len(answer.label), network.encoder.inputs))
        now = spikes.step == step
        np.add.at(counts, (spikes.image[now], spikes.unit[now]), 1)
        yield counts


def accuracy_at_step(
    network: Network, inputs: Inputs, answer: Answer, labels: np.ndarray
) -> list[float]:
    """Strict accuracy of the answer when the network is stopped at the end of each step: [T].

    Stopped at step s it answers by rule 5 of docs/spec.md with a window of s + 1 steps.
    """
    first = answer.times[-1].min(axis=1)
    return [
        float((np.where(first <= step, answer.label, margin.argmax(axis=1)) == labels).mean())
        for step, margin in enumerate(margins(network, inputs, answer))
    ]


def decided_by_step(answer: Answer) -> list[float]:
    """Share of examples that are decided by the end of each step: [T]."""
    return [float((answer.step <= step).mean()) for step in range(answer.steps)]


def confusion(answers: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """How often each class (row) got each answer (column): int [C, C]."""
    return np.bincount(labels * classes + answers, minlength=classes**2).reshape(classes, -1)


@dataclass(frozen=True, kw_only=True)
class Example(Record):
    """One inference.

    Parameters
    ----------
    index : int
        Of the example in the test part.
    label, answer : int
        Its class, and the network's.
    step, margin : int
        Of the decision.
    image : tuple of tuple of int, or None
        Rows of pixels, where images are the input; of several channels, each pixel's stand
        together.
    channels : int
        Of a pixel.
    inputs : tuple of tuple of int
        For each step, the input units that fire.
    hidden : tuple of tuple of int
        For each hidden layer the step in which each unit fires, T for never.
    margins : tuple of tuple of int
        ``V − θ`` of each output unit at the end of each step: [C][T].
    """

    index: int
    label: int
    answer: int
    step: int
    margin: int
    image: tuple[tuple[int, ...], ...] | None
    inputs: tuple[tuple[int, ...], ...]
    hidden: tuple[tuple[int, ...], ...]
    margins: tuple[tuple[int, ...], ...]
    channels: int = 1


def example(
    network: Network, inputs: Inputs, answer: Answer, labels: np.ndarray, index: int
) -> Example:
    """That of ``index`` out of a batch of ``inputs`` with ``answer``."""
    one = slice(index, index + 1)
    own = answer[one]
    spikes = network.encoder.encode(inputs[one], network.steps)
    image, channels = None, 1
    if not isinstance(inputs, Spikes):
        rows = inputs[index].reshape(inputs.shape[1], -1)
        image = tuple(tuple(map(int, row)) for row in rows)
        channels = inputs[index].size // math.prod(inputs.shape[1:3])
    final = np.stack(list(margins(network, inputs[one], own)))[:, 0].T
    return Example(
        index=index,
        label=int(labels[index]),
        answer=int(own.label[0]),
        step=int(own.step[0]),
        margin=int(own.margin[0]),
        image=image,
        inputs=tuple(
            tuple(map(int, spikes.unit[spikes.step == step])) for step in range(network.steps)
        ),
        hidden=tuple(tuple(map(int, times[0])) for times in own.times[:-1]),
        margins=tuple(tuple(map(int, line)) for line in final),
        channels=channels,
    )
