"""The designs that the estimate of logic cells is fitted to, random networks of all engines; and
the fit.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from hw.boards.families import Family
from hw.boards.table import find_board
from hw.explore.coefficients import TERMS
from hw.explore.resources import resources_of
from hw.rtl.config import find_config
from sw.encoder import EventsEncoder, LatencyEncoder
from sw.network import PROVENANCE, Layer, Network

__all__ = ["DESIGNS", "Design", "design_network", "fitted"]


class Design(NamedTuple):
    """A network with random weights; ``chosen`` pixels are its inputs, 0 means all. ``engine`` as
    :func:`hw.rtl.config.find_config` takes it. With ``events`` each pixel is a channel of events.
    """

    shape: tuple[int, int]
    layers: tuple[int, ...]
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
)


def design_network(design: Design) -> Network:
    """The design's network; the same design always gives the same one."""
    rng = np.random.default_rng(0)
    pooled = design.shape[0] * design.shape[1] // design.pool**2
    chosen = np.sort(rng.choice(pooled, design.chosen, replace=False)).tolist()
    encoder: LatencyEncoder | EventsEncoder = EventsEncoder(channels=pooled)
    if not design.events:
        encoder = LatencyEncoder(
            shape=design.shape,
            pool=design.pool,
            silent_below=16,
            select=tuple(chosen) if chosen else None,
        )
    layers = []
    for inputs, outputs in pairwise((encoder.inputs, *design.layers)):
        weight = rng.random((outputs, inputs)) < 0.5
        threshold = rng.integers(1, max(3, int(2 * inputs**0.5)), outputs).astype(np.int32)
        layers.append(Layer(weight=weight, threshold=threshold))
    sizes = "-".join(map(str, (encoder.inputs, *design.layers)))
    return Network(
        name=f"random-{sizes}-t{design.steps}",
        steps=design.steps,
        encoder=encoder,
        layers=tuple(layers),
        labels=tuple(map(str, range(design.layers[-1]))),
        provenance=dict.fromkeys(PROVENANCE),
    )


def fitted(rows: Iterable[Sequence[Any]], family: Family) -> dict[str, float]:
    """Logic cells per unit of each term: least squares of the relative errors, none below 0, over
    the ``rows`` (board, design, cells, …) of one family.
    """
    from scipy.optimize import nnls

    shares = []
    for board, index, cells, *_ in rows:
        if find_board(board).family == family:
            design = DESIGNS[index]
            cost = resources_of(design_network(design), find_config(design.engine)).cost()
            shares.append([cost[term] / cells for term in TERMS])
    coefficients, _ = nnls(np.array(shares), np.ones(len(shares)))
    rounded = (round(float(each), 2) for each in coefficients)
    return dict(zip(TERMS, rounded, strict=True))
