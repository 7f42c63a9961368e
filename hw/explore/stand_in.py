"""Networks that are not trained yet, to ask what they need.

What a network needs depends on its structure and, little, on its weights. A stand-in takes its
place: half of a unit's weights are +1, and its threshold is an eighth of its inputs. On the zoo
that is within 5 % of the logic cells that the trained network needs.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sw.encoder import NetworkEncoder
from sw.network import PROVENANCE, Layer, Network, coding_of
from sw.structure import Conv, Dense, Kind, maps

__all__ = ["narrowed", "stand_in"]


def stand_in(encoder: NetworkEncoder, kinds: Sequence[Kind], steps: int) -> Network:
    """A network of these layers. Raises ValueError for what does not chain."""
    layers = []
    for kind, before in zip(kinds, maps(encoder.map, kinds), strict=False):
        shape = kind.weights(before)
        if shape is None:
            layers.append(Layer(kind=kind))
            continue
        rows, columns = shape
        weight = np.tile(np.arange(columns) % 2 == 0, (rows, 1))
        threshold = np.full(rows, columns // 8, np.int32)
        layer = Layer(weight=weight, threshold=threshold, kind=kind)
        layers.append(
            _bistable(layer, last=kind is kinds[-1]) if coding_of(encoder) == "bistable" else layer
        )
    return Network(
        name="untrained",
        steps=steps,
        encoder=encoder,
        layers=tuple(layers),
        labels=tuple(map(str, range(layers[-1].outputs))),
        provenance=dict.fromkeys(PROVENANCE),
    )


def _bistable(layer: Layer, *, last: bool) -> Layer:
    """The layer with thresholds of that size, but at least 1, that have three bits of fraction."""
    ones = np.ones_like(layer.threshold)
    if last:
        return replace(layer, threshold=ones)
    threshold = np.maximum(8 * layer.threshold, 1)
    return replace(layer, threshold=threshold, bias=-threshold, gain=8 * ones)


def narrowed(kinds: Sequence[Kind], share: float, multiple: int = 1) -> tuple[Kind, ...]:
    """The layers with this share of the channels, or units, of each hidden one: a multiple of so
    many, where that is not more than it has, and at least 1.
    """

    def fewer(count: int) -> int:
        return max(min(multiple, count), int(share * count) // multiple * multiple)

    result: list[Kind] = []
    for kind in kinds[:-1]:
        if isinstance(kind, Conv):
            result.append(replace(kind, channels=fewer(kind.channels)))
        elif isinstance(kind, Dense):
            result.append(Dense(units=fewer(kind.units)))
        else:
            result.append(kind)
    return (*result, kinds[-1])
