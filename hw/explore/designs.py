"""The designs that the estimate of logic cells is fitted to, random networks of all engines; and
the fit.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, cast

import numpy as np

from hw.boards.families import Family
from hw.boards.table import find_board
from hw.explore.coefficients import TERMS
from hw.explore.resources import resources_of
from hw.rtl.config import find_config
from sw.encoder import EventsEncoder, LatencyEncoder
from sw.network import PROVENANCE, Layer, Network
from sw.structure import Dense, Map, maps, parse, write

__all__ = ["DESIGNS", "Design", "design_network", "fitted"]


class Design(NamedTuple):
    """A network with random weights; ``chosen`` pixels are its inputs, 0 means all. ``layers`` as
    units, or as text where there are maps. ``engine`` as :func:`hw.rtl.config.find_config` takes
    it. With ``events`` each pixel is a channel of events.
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
)


def design_network(design: Design) -> Network:
    """The design's network; the same design always gives the same one."""
    rng = np.random.default_rng(0)
    pooled = math.prod(design.shape) // design.pool**2
    chosen = np.sort(rng.choice(pooled, design.chosen, replace=False)).tolist()
    encoder: LatencyEncoder | EventsEncoder = EventsEncoder(channels=pooled)
    if not design.events:
        encoder = LatencyEncoder(
            shape=design.shape,
            pool=design.pool,
            silent_below=16,
            select=tuple(chosen) if chosen else None,
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
        layers.append(Layer(weight=weight, threshold=threshold, kind=kind))
    return Network(
        name=f"random-{write(encoder.map, kinds)}-t{design.steps}",
        steps=design.steps,
        encoder=encoder,
        layers=tuple(layers),
        labels=tuple(map(str, range(layers[-1].outputs))),
        provenance=dict.fromkeys(PROVENANCE),
    )


def fitted(rows: Iterable[Sequence[Any]], family: Family) -> dict[str, float]:
    """Logic cells per unit of each term: least squares of the relative errors, none below 0, over
    the ``rows`` (board, design, cells, …) of one family. The terms of engines that make a whole
    network are fitted to what their designs take beyond those of the others.
    """
    own: list[tuple[int, Counter[str]]] = []
    for board, index, cells, *_ in rows:
        if find_board(board).family == family:
            design = DESIGNS[index]
            needed = resources_of(design_network(design), find_config(design.engine))
            own.append((cells, needed.cost()))
    layered = [each for each in own if not each[1]["tiles"]]
    shared = [term for term in TERMS if any(cost[term] for _, cost in layered)]
    result = _fit(layered, shared, {})
    left = [term for term in TERMS if term not in shared]
    result |= _fit([each for each in own if each[1]["tiles"]], left, result)
    return {term: result[term] for term in TERMS}


def _fit(
    built: Sequence[tuple[int, Counter[str]]], terms: Sequence[str], known: Mapping[str, float]
) -> dict[str, float]:
    """Those of ``terms`` for designs of so many cells and such costs, with others ``known``."""
    from scipy.optimize import nnls

    shares = np.array([[cost[term] / cells for term in terms] for cells, cost in built])
    rest = [1 - sum(known[t] * cost[t] for t in known) / cells for cells, cost in built]
    coefficients, _ = nnls(shares, np.array(rest))
    return {term: round(float(each), 2) for term, each in zip(terms, coefficients, strict=True)}
