"""The cycles of hw.rtl.engines.bistable, which makes a whole network.

Once its first entry is there, a job takes a cycle for each part that it listens to, and one in
which it goes on to speak; it waits only for the tile before, if that speaks longer.
"""

from collections.abc import Iterator
from typing import cast

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from hw.rtl.bistable.gather import gap_of
from hw.rtl.bistable.listen import listen_latency
from hw.rtl.bistable.plan import BistablePlan, PlannedLayer
from hw.rtl.bistable.planner import plan_network
from hw.rtl.bistable.pool import pool_latency
from hw.rtl.engines.bistable import Bistable
from sw.answer import BistableAnswer
from sw.encoder import Inputs, PhaseEncoder
from sw.network import Network

__all__ = ["cycles", "traffic"]


def cycles(
    engine: Bistable,
    network: Network,
    inputs: Inputs,
    taken: np.ndarray,
    answer: BistableAnswer,
    most_events: int | None,
) -> np.ndarray:
    """Cycles from the one that latency is counted from to the first with a valid result, int64 [B].

    Parameters
    ----------
    engine : Bistable
    network : Network
    inputs : uint8 [B, height, width]
        As the network takes them.
    taken : int64 [B]
        Cycles until they have been taken (sim/cycles/inputs).
    answer : BistableAnswer
        The golden model's, to these inputs.
    most_events : None
    """
    plan = plan_network(network, engine.lanes, engine.listens)
    begun = taken + plan.input_latency
    for number, (layer, parts) in enumerate(_listened(plan, network, inputs, answer)):
        begun = begun + 4 + _jobs(plan, number, np.maximum(parts, 1)) + listen_latency(plan)
        if layer is not plan.layers[-1]:
            behind = pool_latency(plan) if plan.pools else 0
            begun = begun + plan.groups_of(layer)[1] + 2 + plan.phases + behind + 3
    # Potentials are compared one by one; the last tile's come last.
    return begun + 5 + plan.outputs - (plan.tiles(plan.layers[-1]) - 1) * plan.lanes


def traffic(
    engine: Bistable,
    network: Network,
    inputs: Inputs,
    answer: BistableAnswer,
    most_events: int | None,
) -> tuple[np.ndarray, int]:
    """Weight bits that are needed, int64 [B]: a row for every part with a value and tile that
    listens to it; and the bits of a row, one of which is read per cycle at most.
    """
    plan = plan_network(network, engine.lanes, engine.listens)
    rows = np.zeros(len(inputs), np.int64)
    for layer, parts in _listened(plan, network, inputs, answer):
        rows += _places(layer, parts, 0).sum(axis=(1, 2)) * plan.tiles(layer)
    return rows * plan.weight_width, plan.weight_width


def _listened(
    plan: BistablePlan, network: Network, inputs: Inputs, answer: BistableAnswer
) -> Iterator[tuple[PlannedLayer, np.ndarray]]:
    """Each layer with the parts that have a value at each place of its inputs, int [B, H, W]."""
    values = cast(PhaseEncoder, network.encoder).codes(inputs, network.steps)
    for layer in plan.layers:
        if layer.index:
            values = answer.values[layer.index - 1]
        units = layer.inputs.units
        there = (values != 0)[:, units] & (units >= 0)
        parts = there.reshape(len(values), *units.shape[:2], -1, plan.listens).any(axis=-1)
        yield layer, parts.sum(axis=-1)


def _places(layer: PlannedLayer, parts: np.ndarray, outside: int) -> np.ndarray:
    """What the jobs at each place of the layer's own map take of ``parts`` [B, H, W], with
    ``outside`` for places beyond the map: int64 [B, height, width].
    """
    (high, wide), (down, across), (top, left) = layer.kernel, layer.stride, layer.before
    rows = (layer.height - 1) * down + high
    columns = (layer.width - 1) * across + wide
    padded = np.full((len(parts), rows, columns), outside, np.int64)
    inside = parts[:, : max(0, rows - top), : max(0, columns - left)]
    padded[:, top : top + inside.shape[1], left : left + inside.shape[2]] = inside
    windows = sliding_window_view(padded, (high, wide), axis=(1, 2))[:, ::down, ::across]
    total: np.ndarray = windows.sum(axis=(3, 4))
    return total


def _jobs(plan: BistablePlan, number: int, parts: np.ndarray) -> np.ndarray:
    """Cycles of all jobs of layer ``number`` of the plan, int64 [B]."""
    layer, tiles = plan.layers[number], plan.tiles(plan.layers[number])
    places = 1 + _places(layer, parts, 1)
    (down, across), (rows, columns) = layer.window, (layer.outputs.height, layer.outputs.width)
    used = places[:, : rows * down, : columns * across]
    # In the order of the jobs: windows, tiles, places of the window.
    windows = used.reshape(-1, rows, down, columns, across).transpose(0, 1, 3, 2, 4)
    jobs = windows.reshape(len(parts), rows * columns, 1, down * across).repeat(tiles, axis=2)
    gaps = np.full((rows * columns, tiles, down * across), gap_of(plan, number, last_tile=False))
    gaps[:, -1] = gap_of(plan, number, last_tile=True)
    each = jobs.reshape(len(parts), -1)
    each[:, 1:] = np.maximum(each[:, 1:], gaps.reshape(-1)[:-1])
    total: np.ndarray = each.sum(axis=1) - 1
    return total
