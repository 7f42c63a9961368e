"""The designs that the estimate of logic cells is fitted to, random networks of all engines; and
the fit.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, cast

import numpy as np

from hw.boards.families import Family
from hw.boards.table import find_board
from hw.explore.coefficients import TERMS
from hw.explore.resources import resources_of
from hw.rtl.config import find_config
from sw.encoder import EventsEncoder, ImageEncoder, LatencyEncoder, NetworkEncoder, PhaseEncoder
from sw.network import PROVENANCE, Layer, Network
from sw.structure import Dense, Map, maps, parse, write

__all__ = ["DESIGNS", "Design", "design_network", "fitted"]


class Design(NamedTuple):
    """A network with random weights; ``chosen`` pixels are its inputs, 0 means all. ``layers`` as
    units, or as text where there are maps. ``engine`` as :func:`hw.rtl.config.find_config` takes
    it; a bistable engine makes a bistable network. With ``events`` each pixel is a channel of
    events.
    """

    shape: tuple[int, int] | Map
    layers: tuple[int, ...] | str
    steps: int
    pool: int = 1
    chosen: int = 0
    engine: str = "event"
    events: bool = False


DESIGNS = (
    Design((8, 8), (48, 10), 16),
    Design((8, 8), (192, 10), 16),
    Design((8, 8), (32, 16, 10), 16),
    Design((8, 8), (24, 10), 256),
    Design((8, 8), (20, 2), 2),
    Design((12, 12), (150, 4), 1),
    Design((16, 16), (10,), 16),
    Design((16, 16), (256, 10), 8),
    Design((20, 20), (64, 64, 10), 8),
    Design((28, 28), (64, 10), 8, chosen=256),
    Design((28, 28), (128, 10), 4, chosen=256),
    Design((28, 28), (192, 10), 8, chosen=512),
    Design((28, 28), (100, 10), 32, pool=2),
    Design((28, 28), (40, 26), 64, pool=4),
    Design((16, 16), (100, 10), 8, engine="event-2"),
    Design((28, 28), (128, 10), 8, chosen=512, engine="event-2,event"),
    Design((16, 32), (64, 32, 10), 8, engine="event-2"),
    Design((8, 8), (72, 10), 16, engine="event-4,event-2"),
    Design((16, 16), (48, 10), 8, engine="event-4"),
    Design((8, 8), (64, 10), 16, engine="event,popcount"),
    Design((8, 8), (24, 10), 16, engine="popcount-8,event"),
    Design((12, 12), (64, 10), 8, engine="folded-8,event"),
    Design((12, 12), (96, 10), 8, engine="folded-16,event"),
    Design((12, 12), (300, 10), 8, engine="folded-16,event"),
    Design((8, 8), (600, 10), 8, engine="folded-32,event"),
    Design((16, 16), (40, 10), 128),
    Design((20, 20), (60, 10), 64, pool=2),
    Design((16, 16), (80, 10), 8, engine="event-4,event-4"),
    Design((12, 12), (32, 10), 8, engine="popcount-16,event"),
    Design((16, 16), (96, 10), 8, engine="event,popcount-16"),
    Design((16, 16), (40, 10), 8, engine="event,popcount"),
    Design((16, 16), (150, 10), 8, engine="folded-16-spram,event"),
    Design((28, 28), (600, 10), 8, engine="folded-32-spram,event"),
    Design((28, 28), (600, 10), 8),
    Design((8, 8), (48, 10), 16, events=True),
    Design((8, 8), (32, 16, 10), 64, events=True),
    Design((25, 28), (64, 10), 16, events=True),
    Design((8, 8), "8c3p1-f2-10", 4, engine="tiles-4"),
    Design((12, 12), "12c3-f2-10", 8, engine="tiles-1"),
    Design((10, 10), "8c2s2-12c2-7", 4, engine="tiles-4"),
    Design((28, 28), "8c5s2-16c3s2-10", 4, engine="tiles-2"),
    Design((1, 180), "8c1x7-f1x2-16c1x5-5", 16, engine="tiles-2"),
    Design((1, 128), "16c1x3-f1x2-10", 8, engine="tiles-8"),
    Design((28, 28), "16c3p1-f2-32c3p1-f2-10", 4, engine="tiles-4-spram"),
    Design((28, 28), "32c3p1-f2-64c3p1-f2-64-10", 4, engine="tiles-2-spram"),
    Design((3, 32, 32), "16c3p1-f2-32c3p1-f2-64-10", 8, engine="tiles-2-spram"),
    Design((28, 28), "16c3p1-f2-32c3p1-f2-10", 4, engine="tiles-8"),
    Design((28, 28), "32c3p1-f2-64c3p1-f2-128-10", 4, engine="tiles-16"),
    Design((3, 32, 32), "32c3p1-f2-64c3p1-f2-128-10", 8, engine="tiles-32"),
    Design((2, 16, 16), "8c3p1-f2-10", 8, engine="tiles-2", events=True),
    Design((12, 12), "8c3p1-f2-8c3p1-f2-10", 4, engine="tiles-4-table"),
    Design((28, 28), "16c3p1-f2-12c3p1-f2-12c3p1-f2-10", 4, engine="tiles-5-table-spram"),
    Design((28, 28), "32c3p1-f2-48c3p1-f2-10", 4, engine="tiles-8-table"),
    Design((28, 28), "32c3p1-f2-48c3p1-f2-10", 4, engine="tiles-8-table-distributed"),
    Design((28, 28), "32c3p1-f2-32c3p1-f2-64-10", 4, engine="tiles-5-table"),
    Design((28, 28), "32c3p1-f2-64c3p1-f2-128-10", 4, engine="tiles-5-table"),
    Design((28, 28), "16c3p1-f2-32c3p1-f2-10", 4, engine="tiles-5"),
    Design((28, 28), "8c5s2-16c3s2-10", 4, engine="bistable-16x4"),
    Design((28, 28), "16c3p1-m2-32c3p1-m2-10", 3, engine="bistable-32x1"),
    Design((12, 12), "8c3p1-a2-10", 2, engine="bistable-8x1"),
    Design((8, 8), (60, 10), 8, engine="bistable-8x4"),
    Design((28, 28), (128, 10), 1, chosen=256, engine="bistable-32x4"),
    Design((28, 28), (600, 10), 3, engine="bistable-64x1-spram"),
    Design((20, 20), (100, 40, 10), 6, pool=2, engine="bistable-16x1"),
    Design((28, 28), "8c5s2-24c3s2-10", 3, engine="bistable-16x8"),
    Design((12, 12), "32c3p1-32c3p1+1x8-m2-10", 2, engine="bistable-32x8"),
    Design((8, 8), (96, 10), 4, engine="bistable-64x8"),
    Design((12, 12), "64c3p1-m2-64c3-10", 3, engine="bistable-64x16"),
    Design((14, 14), "16c3p1-m2-32c3p1-20-10", 3, engine="bistable-16x8"),
    Design((28, 28), "16c5s2-32c3s2-10", 3, engine="bistable-32x4"),
    Design((12, 12), "32c3p1-32c3p1+1x8-m2-10", 3, engine="bistable-32x4"),
    Design((8, 8), "12c3p1-f2-10", 1, engine="lines"),
    Design((8, 8), (24, 10), 1, engine="lines"),
    Design((16, 16), "8c5s2p2-16c3s2p1-10", 1, engine="lines"),
    Design((16, 16), "12c3p1-f2-20c3p1-f2-10", 1, engine="lines"),
    Design((16, 16), "16c3p1-f2-16c3p1-f2-10", 1, engine="lines"),
    Design((12, 12), "10c3p1-f2-12c3p1-f2-10", 1, engine="lines"),
    Design((8, 8), "6c3-f2-10", 1, engine="lines-loaded"),
    Design((12, 12), "8c3p1-f2-8c3-10", 1, engine="lines-loaded"),
    Design((8, 8), "8c3p1-f2-10", 4, engine="gather-8"),
    Design((28, 28), "8c5s2-16c3s2-10", 4, engine="gather-8"),
    Design((28, 28), "16c3p1-f2-24c3p1-f2-20c3p1-f2-10", 4, engine="gather-16"),
    Design((1, 180), "8c1x7-f1x2-16c1x5-5", 16, engine="gather-16"),
    Design((10, 10), "8c2s2-12c2-7", 4, engine="gather-32"),
)

_WHOLE = (
    "tiles",
    "bistable",
    "lines",
    "gather",
)  # terms that only an engine that makes a whole network has

_KNOWN = {"multiplexed_bit": 1.0}  # a multiplexer of two is a cell in all families


def design_network(design: Design) -> Network:
    """The design's network; the same design always gives the same one."""
    rng = np.random.default_rng(0)
    pooled = math.prod(design.shape) // design.pool**2
    chosen = np.sort(rng.choice(pooled, design.chosen, replace=False)).tolist()
    encoder: NetworkEncoder = EventsEncoder(channels=pooled)
    bistable = find_config(design.engine).coding == "bistable"
    if not design.events:
        image = ImageEncoder(
            shape=design.shape, pool=design.pool, select=tuple(chosen) if chosen else None
        )
        encoder = (
            PhaseEncoder(**vars(image))
            if bistable
            else LatencyEncoder(**vars(image), silent_below=16)
        )
    elif isinstance(design.layers, str):
        encoder = EventsEncoder(shape=cast(Map, design.shape))
    if isinstance(design.layers, str):
        kinds = parse(design.layers)
    else:
        kinds = tuple(Dense(units=units) for units in design.layers)
    layers = []
    for kind, before in zip(kinds, maps(encoder.map, kinds), strict=False):
        shape = kind.weights(before)
        if shape is None:
            layers.append(Layer(kind=kind))
            continue
        outputs, inputs = shape
        weight = rng.random((outputs, inputs)) < 0.5
        threshold = rng.integers(1, max(3, int(2 * inputs**0.5)), outputs).astype(np.int32)
        layer = Layer(weight=weight, threshold=threshold, kind=kind)
        if bistable:
            layer = _bistable(layer, rng, last=len(layers) == len(kinds) - 1)
        layers.append(layer)
    return Network(
        name=f"random-{write(encoder.map, kinds)}-t{design.steps}",
        steps=design.steps,
        encoder=encoder,
        layers=tuple(layers),
        labels=tuple(map(str, range(layers[-1].outputs))),
        provenance=dict.fromkeys(PROVENANCE),
    )


def _bistable(layer: Layer, rng: np.random.Generator, *, last: bool) -> Layer:
    """The layer with thresholds that have three bits of fraction, and biases as large."""
    spread = 8 * int(layer.threshold.max())
    ones = np.ones_like(layer.threshold)
    return replace(
        layer,
        threshold=ones if last else 8 * layer.threshold,
        bias=rng.integers(-spread, spread, layer.outputs).astype(np.int32),
        gain=ones if last else 8 * ones,
    )


def fitted(rows: Iterable[Sequence[Any]], family: Family) -> dict[str, float]:
    """Logic cells per unit of each term: least squares of the relative errors, none below 0, over
    the ``rows`` (board, design, cells, …) of one family. The terms of each engine that makes a
    whole network are fitted to what its designs take beyond those of the others.
    """
    own: list[tuple[int, Counter[str]]] = []
    for board, index, cells, *_ in rows:
        if find_board(board).family == family:
            design = DESIGNS[index]
            needed = resources_of(design_network(design), find_config(design.engine))
            own.append((cells, needed.terms(family)))
    layered = [each for each in own if not any(each[1][kind] for kind in _WHOLE)]
    shared = [t for t in TERMS if t not in _KNOWN and any(cost[t] for _, cost in layered)]
    result = dict(_KNOWN)
    result |= _fit(layered, shared, result)
    for kind in _WHOLE:
        whole = [each for each in own if each[1][kind]]
        left = [term for term in TERMS if term not in result and any(c[term] for _, c in whole)]
        result |= _fit(whole, left, result)
    return {term: result.get(term, 0.0) for term in TERMS}


def _fit(
    built: Sequence[tuple[int, Counter[str]]], terms: Sequence[str], known: Mapping[str, float]
) -> dict[str, float]:
    """Those of ``terms`` for designs of so many cells and such costs, with others ``known``."""
    from scipy.optimize import nnls

    shares = np.array([[cost[term] / cells for term in terms] for cells, cost in built])
    rest = [1 - sum(known[t] * cost[t] for t in known) / cells for cells, cost in built]
    coefficients, _ = nnls(shares, np.array(rest))
    return {term: round(float(each), 2) for term, each in zip(terms, coefficients, strict=True)}
