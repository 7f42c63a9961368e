"""What a bistable network does with examples, as numbers, from the answer that some model gave.
NumPy only.
"""

import math
from dataclasses import dataclass

import numpy as np

from sw.answer import BistableAnswer
from sw.encoder import PhaseEncoder
from sw.network import Network
from sw.record import Record

__all__ = ["ValuesExample", "heard", "value_shares", "values_example"]


def heard(network: Network, images: np.ndarray, answer: BistableAnswer) -> list[np.ndarray]:
    """Potentials of the output units at the end of each phase of their period: K arrays int64
    [B, C].
    """
    values = [_codes(network, images), *answer.values]
    layer, last = network.layers[-1], len(network.layers) - 1
    signs = np.where(layer.weight, 1, -1).astype(np.float64).T  # a product of BLAS, and exact
    result = []
    for left in reversed(range(network.steps)):
        known = [each.astype(np.int64) >> left << left for each in values]
        potential = (known[-1] @ signs).astype(np.int64) * layer.gain + layer.bias
        if (shortcut := layer.kind.shortcut) is not None:
            potential += shortcut.gain * known[shortcut.source(last) + 1]
        result.append(potential)
    return result


def value_shares(answer: BistableAnswer) -> list[list[float]]:
    """Share of the units of each layer but the last that have each value: [layers][2^K]."""
    counts = (
        [np.count_nonzero(values == each) for each in range(1 << answer.steps)]
        for values in answer.values
    )
    return [[count / max(1, sum(of_layer)) for count in of_layer] for of_layer in counts]


@dataclass(frozen=True, kw_only=True)
class ValuesExample(Record):
    """One inference of a bistable network.

    Parameters
    ----------
    index : int
        Of the example in the test part.
    label, answer : int
        Its class, and the network's.
    margin : int
        What the class's potential has over the next largest.
    image : tuple of tuple of int
        Rows of pixels; of several channels, each pixel's stand together.
    channels : int
        Of a pixel.
    values : tuple of tuple of int
        Of the inputs, and of each layer but the last.
    potentials : tuple of K tuples of C int
        Of the output units at the end of each phase.
    """

    index: int
    label: int
    answer: int
    margin: int
    image: tuple[tuple[int, ...], ...]
    values: tuple[tuple[int, ...], ...]
    potentials: tuple[tuple[int, ...], ...]
    channels: int = 1


def values_example(
    network: Network, images: np.ndarray, answer: BistableAnswer, labels: np.ndarray, index: int
) -> ValuesExample:
    """That of ``index`` out of a batch of ``images`` with ``answer``."""
    one = slice(index, index + 1)
    own, image = answer[one], images[index]
    return ValuesExample(
        index=index,
        label=int(labels[index]),
        answer=int(own.label[0]),
        margin=int(own.margin[0]),
        image=tuple(tuple(map(int, row)) for row in image.reshape(len(image), -1)),
        values=tuple(
            tuple(map(int, layer[0])) for layer in (_codes(network, images[one]), *own.values)
        ),
        potentials=tuple(tuple(map(int, phase[0])) for phase in heard(network, images[one], own)),
        channels=image.size // math.prod(image.shape[:2]),
    )


def _codes(network: Network, images: np.ndarray) -> np.ndarray:
    """Values of the inputs, uint8 [B, N]."""
    assert isinstance(network.encoder, PhaseEncoder)
    return network.encoder.codes(images, network.steps)
