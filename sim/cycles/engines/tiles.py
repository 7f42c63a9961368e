"""The cycles of hw.rtl.engines.tiles, which makes a whole network.

Its blocks wait for one another only where a phase ends: so the length of a phase follows from how
many spikes there are, in which order they come, and how many of them share an entry of a list.
"""

from dataclasses import dataclass

import numpy as np

from hw.rtl.decide import decide_latency
from hw.rtl.engines.tiles import Tiles
from hw.rtl.tiles.plan import TiledLayer, TilesPlan
from hw.rtl.tiles.planner import plan_network
from sw.answer import Answer
from sw.encoder import Spikes
from sw.network import Network

__all__ = ["cycles", "traffic"]


def cycles(
    engine: Tiles,
    network: Network,
    spikes: Spikes,
    taken: np.ndarray,
    answer: Answer,
    most_events: int | None,
) -> np.ndarray:
    """Cycles from the one that latency is counted from to the first with a valid result, int64 [B].

    Parameters
    ----------
    engine : Tiles
    network : Network
    spikes : Spikes
        Those of the inputs.
    taken : int64 [B]
        Cycles until they have been taken (sim/cycles/inputs).
    answer : Answer
        The golden model's, to these inputs.
    most_events : int, optional
        Input spikes of an inference at most, where an input may fire more than once.
    """
    plan = plan_network(network, engine.lanes, most_events)
    lists = _Lists.of_inputs(spikes, network.steps)
    count = lists.spikes.sum(axis=(1, 2))
    # They are sorted (hw.rtl.tiles.sort).
    cycle = taken + 2 * network.steps + np.where(count, 2 + 2 * count, 0)
    for layer in plan.layers:
        adding = np.stack([_adding(lists, step) for step in range(plan.steps)])
        cycle = cycle + 1  # the list is cleared
        if layer is plan.layers[-1]:
            return (
                cycle
                + _output(plan, lists, adding, answer.step)
                + decide_latency(len(network.labels))
            )
        sweeping, after = _sweeping(answer, layer, plan)
        for tile in range(layer.tiles):
            cycle = cycle + _tile(plan, layer, lists, adding, sweeping[:, tile])
        cycle, lists = cycle + 1, after
    raise AssertionError("a plan has layers")


def traffic(
    engine: Tiles, network: Network, spikes: Spikes, answer: Answer, most_events: int | None
) -> tuple[np.ndarray, int]:
    """Weight bits that are needed up to each decision, int64 [B]: a row for every spike and tile
    that it reaches; and the bits of a row, one of which is read per cycle at most.
    """
    plan = plan_network(network, engine.lanes, most_events)
    rows = np.zeros(len(answer.step), np.int64)
    for layer in plan.layers:
        bound = answer.step if layer is plan.layers[-1] else np.full_like(answer.step, plan.steps)
        if layer.index:
            before = answer.times[layer.index - 1]
            counted = ((before <= bound[:, None]) & (before < plan.steps)).sum(axis=1)
        else:
            early = spikes.step <= bound[spikes.image]
            counted = np.bincount(spikes.image[early], minlength=len(rows))
        rows += counted * layer.tiles
    width = plan.banks * plan.lanes
    return rows * width, width


@dataclass(frozen=True, kw_only=True)
class _Lists:
    """Of each segment of a list, a tile's entries of a step: int [B, tiles, T] each.

    Parameters
    ----------
    entries, spikes
        How many there are; an entry has one spike at least.
    last, before
        Spikes of the last entry and of the one before it; 0 if there is none.
    """

    entries: np.ndarray
    spikes: np.ndarray
    last: np.ndarray
    before: np.ndarray

    @classmethod
    def of_inputs(cls, spikes: Spikes, steps: int) -> "_Lists":
        """All are of one tile, and each spike has its own entry."""
        slot = spikes.image.astype(np.int64) * steps + spikes.step
        count = np.bincount(slot, minlength=len(spikes) * steps).reshape(-1, 1, steps)
        one = np.minimum(count, 1)
        return cls(entries=count, spikes=count, last=one, before=one)

    @classmethod
    def of(cls, spikes: np.ndarray) -> "_Lists":
        """From the spikes of every possible entry in the order of a sweep, int [B, tiles, T, Q]."""
        rest = spikes.copy()
        ends = []
        for _ in range(2):
            end = rest.shape[-1] - 1 - (rest[..., ::-1] > 0).argmax(axis=-1)[..., None]
            ends.append(np.take_along_axis(rest, end, axis=-1)[..., 0].astype(np.int64))
            np.put_along_axis(rest, end, 0, axis=-1)
        total = spikes.sum(axis=-1, dtype=np.int64)
        return cls(entries=(spikes > 0).sum(axis=-1), spikes=total, last=ends[0], before=ends[1])


def _adding(lists: _Lists, step: int) -> np.ndarray:
    """Cycles from a step's beginning until all its spikes are added, int [B]
    (hw.rtl.tiles.reader, hw.rtl.tiles.scatter).
    """
    images, tiles, _ = lists.entries.shape
    never = np.full(images, -9)
    found = np.full(images, 3)  # the segment has been looked up
    read = taken = never  # of the entry before
    spikes, final, any_entry = np.zeros(images, np.int64), found, np.zeros(images, bool)
    for tile in range(tiles):
        entries = lists.entries[:, tile, step]
        some, last = entries > 0, lists.last[:, tile, step]
        begun = np.maximum(found, read)
        first_read = np.maximum(begun + 1, taken)
        last_taken = np.maximum(first_read + 1, taken + spikes)
        last_taken = last_taken + lists.spikes[:, tile, step] - last
        last_read = np.where(entries > 1, last_taken - lists.before[:, tile, step], first_read)
        final = np.where(some, begun, found)
        found = final + 3
        read = np.where(some, last_read, read)
        taken = np.where(some, last_taken, taken)
        spikes = np.where(some, last, spikes)
        any_entry = any_entry | some
    return np.where(any_entry, np.maximum(taken + spikes + 2, final), final) + 1


def _sweeping(answer: Answer, layer: TiledLayer, plan: TilesPlan) -> tuple[np.ndarray, _Lists]:
    """Cycles of the sweep of each tile and step, int [B, tiles, T], and the layer's list
    (hw.rtl.tiles.sweep, hw.rtl.tiles.emit).
    """
    times, steps, banks = answer.times[layer.index], plan.steps, plan.banks
    tile, row, bank, window = _placed(layer, plan)
    rows = int(np.prod(plan.rows(layer)))
    # Backwards, so that of several writes to a place that of the first unit stays.
    order = np.argsort(-(row * banks + bank), kind="stable")
    image, turn = np.nonzero(times[:, order] < steps)
    unit = order[turn]
    step = times[image, unit].astype(np.int64)
    slot = ((image * layer.tiles + tile[unit]) * steps + step) * rows * banks
    slot += row[unit] * banks + bank[unit]
    emits = np.ones(len(unit), bool)
    if layer.pools:
        pooled = answer.times[plan.layers[plan.layers.index(layer) + 1].index - 1]
        key = image * pooled.shape[1] + window[unit]
        emits = (window[unit] >= 0) & (step == pooled[image, window[unit]])
        first = np.zeros(pooled.size, np.int64)
        first[key[emits]] = unit[emits]
        emits &= first[key] == unit
    shape = (len(times), layer.tiles, steps, rows * banks)
    size = int(np.prod(shape))
    flat = np.zeros(size, bool)
    flat[slot] = True
    fires = flat.reshape(shape)
    spikes = np.bincount(slot[emits], minlength=size).astype(np.uint8).reshape(shape)

    places = fires.reshape(*shape[:3], rows, banks).sum(axis=-1)
    taken = 2 + np.maximum(places[..., :-1], 1).sum(axis=-1)  # the last row is
    row_of_last = rows - 1 - (places[..., ::-1] > 0).argmax(axis=-1)
    last = np.where(
        row_of_last == rows - 1, taken + places[..., -1], taken - (rows - 2 - row_of_last)
    )
    end = rows * banks - 1 - (fires[..., ::-1]).argmax(axis=-1)[..., None]
    writes = np.take_along_axis(spikes, end, axis=-1)[..., 0] > 0
    done = np.where(fires.any(axis=-1), np.maximum(taken + 1, last + 2 + writes), taken + 1)
    return done, _Lists.of(spikes)


def _placed(
    layer: TiledLayer, plan: TilesPlan
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Tile, row and bank of each unit, and its window's unit behind the pooling, −1 if it has none:
    int [units] each.
    """
    lanes, banks = plan.lanes, plan.banks
    if layer.dense:
        unit = np.arange(len(layer.moved))
        return unit // (banks * lanes), 0 * unit, unit // lanes % banks, unit
    channels = len(layer.moved)
    channel, y, x = np.indices((channels, layer.height, layer.width)).reshape(3, -1)
    (down, across), columns = plan.grid, plan.rows(layer)[1]
    row = y // down * columns + x // across
    bank = y % down * across + x % across
    above, beside = y // layer.pool[0], x // layer.pool[1]
    height, width = layer.height // layer.pool[0], layer.width // layer.pool[1]
    window = (channel * height + above) * width + beside
    return channel // lanes, row, bank, np.where((above < height) & (beside < width), window, -1)


def _tile(
    plan: TilesPlan,
    layer: TiledLayer,
    lists: _Lists,
    adding: np.ndarray,
    sweeping: np.ndarray,
) -> np.ndarray:
    """Cycles of a tile of a hidden layer, int [B] (hw.rtl.tiles.sequencer)."""
    windows = [(size - 1).bit_length() for size in plan.windows]
    cleared = 2 + (1 << sum(windows)) if any(plan.windows) else 0
    cycle = np.full(len(sweeping), 1 + _preset(plan, layer))
    for step in range(plan.steps):
        cycle = cycle + 1 + adding[step]
        changed = (lists.entries[:, :, step] > 0).any(axis=1) | (step == 0 and layer.spontaneous)
        swept = np.maximum(cycle + 1, cleared) + sweeping[:, step]
        cycle = np.where(changed, swept, cycle) + 1
    return cycle


def _output(plan: TilesPlan, lists: _Lists, adding: np.ndarray, decision: np.ndarray) -> np.ndarray:
    """Cycles of the output layer's tile up to the margins of the ``decision`` step, int [B]."""
    result = cycle = np.full(len(decision), 1 + _preset(plan, plan.layers[-1]))
    for step in range(plan.steps):
        cycle = cycle + 1 + adding[step]
        changed = (lists.entries[:, :, step] > 0).any(axis=1)
        changed = changed | (step in (0, plan.steps - 1))
        result = np.where(decision == step, cycle + 2, result)
        cycle = np.where(changed, cycle + 2, cycle) + 1
    return result


def _preset(plan: TilesPlan, layer: TiledLayer) -> int:
    """Cycles of the preset of a tile's margins."""
    return 1 + (plan.banks if layer.dense else int(np.prod(plan.rows(layer))))
