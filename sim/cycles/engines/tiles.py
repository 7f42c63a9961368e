"""The cycles of hw.rtl.engines.tiles, which makes a whole network.

Its blocks wait for one another only where a phase ends: so the length of a phase follows from how
many spikes there are, where and in which order they come, and how many share an entry of a list.
"""

from dataclasses import dataclass

import numpy as np

from hw.rtl.decide import decide_latency
from hw.rtl.engines.tiles import Tiles
from hw.rtl.tiles.plan import Axis, TiledLayer, TilesPlan
from sim.cycles import first_table
from sim.cycles.lists import Lists
from sw.answer import Answer
from sw.encoder import Inputs, Spikes
from sw.network import Network

__all__ = ["busy", "cycles", "overflows", "traffic"]


def busy(engine: Tiles, network: Network, inputs: Inputs, answer: Answer) -> np.ndarray | None:
    """Cycles after each pixel in which none is taken, int64 [B, pixels]; None where that is what
    the engine's ``spike_cycles`` say.
    """
    if not engine.table:
        return None
    plan = engine.plan(network)
    assert plan.first
    spikes = network.encoder.encode(inputs, plan.steps)
    return first_table.busy(plan, spikes, answer.times[plan.first.index])


def cycles(
    engine: Tiles,
    network: Network,
    inputs: Inputs,
    taken: np.ndarray,
    answer: Answer,
    most_events: int | None,
) -> np.ndarray:
    """Cycles from the one that latency is counted from to the first with a valid result, int64 [B].

    Parameters
    ----------
    engine : Tiles
    network : Network
    inputs : uint8 [B, height, width] or Spikes
        As the network takes them.
    taken : int64 [B]
        Cycles until they have been taken (sim/cycles/inputs).
    answer : Answer
        The golden model's, to these inputs.
    most_events : int, optional
        Input spikes of an inference at most, where an input may fire more than once.
    """
    plan = engine.plan(network, most_events)
    if plan.first:
        times = answer.times[plan.first.index]
        spikes = Spikes.from_times(times, plan.steps)
        lists = Lists.of(first_table.entries(plan, times))
        cycle = taken + 1
    else:
        spikes = network.encoder.encode(inputs, plan.steps)
        lists = Lists.of_inputs(spikes, plan.steps)
        count = lists.spikes.sum(axis=(1, 2))
        # They are sorted (hw.rtl.tiles.sort).
        cycle = taken + 2 * plan.steps + np.where(count, 2 + 2 * count, 0)
    result = np.zeros(len(answer.step), np.int64)
    # Step 0 alone, then, where that does not decide, all of them.
    for steps in sorted({1, plan.steps}):
        ends, last = _window(plan, answer, lists, spikes, cycle, steps)
        result = np.where(result, result, ends)
        cycle = last
    return result + decide_latency(len(network.labels))


def overflows(
    engine: Tiles, network: Network, inputs: Inputs, answer: Answer, most_events: int | None
) -> np.ndarray:
    """Where lists can overflow: which inferences have more spikes than they hold, and so no class
    (hw.rtl.tiles.emit), bool [B]. The arguments are those of :func:`cycles`.
    """
    plan = engine.plan(network, most_events)
    result = np.zeros(len(answer.step), bool)
    spikes = network.encoder.encode(inputs, plan.steps)
    kept = np.bincount(spikes.image, minlength=len(result))  # the inputs' own list
    entries = []  # of each hidden layer's list by step, int [B, T]
    for layer in plan.layers[:-1]:
        rows = _Rows.around(spikes, layer, plan)
        _, after = _passes(answer, layer, plan, rows, plan.steps)
        entries.append(after.entries.sum(axis=1))
        spikes = Spikes.from_times(answer.times[_behind(plan, layer)], plan.steps)
    # Step 0 alone; the whole window only where that does not decide.
    for steps, computed in ((1, True), (plan.steps, answer.step > 0)):
        taken = kept  # words from the one end; the list that is written grows from the other
        for number, each in enumerate(entries):
            begin = kept if number % 2 else 0
            end = begin + each[:, :steps].sum(axis=1)
            result |= computed & (taken + end > plan.list_words - 1)
            taken = end
    return result


def _window(
    plan: TilesPlan,
    answer: Answer,
    lists: Lists,
    spikes: Spikes,
    cycle: np.ndarray,
    steps: int,
) -> tuple[np.ndarray, np.ndarray]:
    """All layers for so many steps, if the one before the first begins in ``cycle``: in which cycle
    the margins that decide are offered, 0 where none do, and the last one; int [B] each.
    """
    for layer in plan.layers[:-1]:
        rows = _Rows.around(spikes, layer, plan)
        passing, after = _passes(answer, layer, plan, rows, steps)
        cycle = _hidden(plan, layer, lists, passing, cycle + 3, steps)
        lists, spikes = after, Spikes.from_times(answer.times[_behind(plan, layer)], plan.steps)
    return _output(plan, lists, cycle + 3, answer.step, steps)


def traffic(
    engine: Tiles, network: Network, inputs: Inputs, answer: Answer, most_events: int | None
) -> tuple[np.ndarray, int]:
    """Weight bits that are needed up to each decision, int64 [B]: a row for every spike and tile
    that it reaches; and the bits of a row, one of which is read per cycle at most.
    """
    plan = engine.plan(network, most_events)
    spikes = network.encoder.encode(inputs, plan.steps)
    rows = np.zeros(len(answer.step), np.int64)
    again = answer.step > 0
    for layer in plan.layers:
        last = np.full_like(answer.step, plan.steps - 1)
        if layer is plan.layers[-1]:
            last = answer.step
        # Step 0 alone, and where that does not decide all of them.
        for bound in (np.zeros_like(last), np.where(again, last, -1)):
            if layer.index:
                counted = (answer.times[layer.index - 1] <= bound[:, None]).sum(axis=1)
            else:
                early = spikes.step <= bound[spikes.image]
                counted = np.bincount(spikes.image[early], minlength=len(rows))
            rows += counted * layer.tiles
    width = plan.banks * plan.lanes
    return rows * width, width


@dataclass(frozen=True, kw_only=True)
class _Rows:
    """Of each step, the rows of the banks that a pass goes over, the smallest rectangle around what
    was added to: int [B, T] each, from the first to the last.

    Parameters
    ----------
    top, bottom, left, right
    """

    top: np.ndarray
    bottom: np.ndarray
    left: np.ndarray
    right: np.ndarray

    @classmethod
    def around(cls, spikes: Spikes, layer: TiledLayer, plan: TilesPlan) -> "_Rows":
        """What ``spikes``, those that enter ``layer``, are added to (hw.rtl.tiles.sweep)."""
        units = layer.inputs.units
        place = np.zeros((2, int(units.max()) + 1), np.int64)  # y and x of each unit
        present = np.nonzero(units >= 0)
        place[:, units[present]] = present[1:3]
        slot = spikes.image.astype(np.int64) * plan.steps + spikes.step
        ends = []
        for way, axis in enumerate((layer.down, layer.across)):
            low, high = _reach(axis, plan.grid[way], plan.rows(layer)[way])
            first = np.full(len(spikes) * plan.steps, plan.rows(layer)[way])
            last = np.zeros_like(first)
            at = place[way, spikes.unit]
            np.minimum.at(first, slot, low[at])
            np.maximum.at(last, slot, high[at])
            ends += [each.reshape(-1, plan.steps) for each in (first, last)]
        whole = [end - 1 for end in plan.rows(layer)]
        if layer.spontaneous:
            for each, value in zip(ends, (0, whole[0], 0, whole[1]), strict=True):
                each[:, 0] = value
        return cls(top=ends[0], bottom=ends[1], left=ends[2], right=ends[3])

    def whole(self, layer: TiledLayer, plan: TilesPlan, steps: int) -> "_Rows":
        """In the final one of ``steps`` all of them."""
        ends = [each.copy() for each in (self.top, self.bottom, self.left, self.right)]
        down, across = plan.rows(layer)
        for each, value in zip(ends, (0, down - 1, 0, across - 1), strict=True):
            each[:, steps - 1] = value
        return _Rows(top=ends[0], bottom=ends[1], left=ends[2], right=ends[3])


def _reach(axis: Axis, banks: int, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """First and last row that a spike at each coordinate is added to, as the pass takes them."""
    row, bank = np.array(axis.row), np.array(axis.bank)
    low = row - ((bank != banks - 1) & (row > 0))
    return np.minimum(np.where(row >= rows, rows - 1, low), rows - 1), np.minimum(row, rows - 1)


def _behind(plan: TilesPlan, layer: TiledLayer) -> int:
    """The layer of the network whose spikes enter the next one of the plan: behind all pooling."""
    return plan.layers[plan.layers.index(layer) + 1].index - 1


def _adding(lists: Lists, step: int, looked_up: np.ndarray, enabled: np.ndarray) -> np.ndarray:
    """The cycle after the first one in which all spikes of ``step`` are added, int [B]
    (hw.rtl.tiles.reader, hw.rtl.tiles.scatter).

    Parameters
    ----------
    looked_up, enabled : int [B]
        Cycles in which its segments are asked for, and from which on entries may be read.
    """
    images, tiles, _ = lists.entries.shape
    found = looked_up + 3  # the segment has been looked up
    read = taken = np.full(images, -9)  # of the entry before
    final, spikes, any_entry = found, np.zeros(images, np.int64), np.zeros(images, bool)
    for tile in range(tiles):
        entries = lists.entries[:, tile, step]
        some, last = entries > 0, lists.last[:, tile, step]
        begun = np.maximum(found, read)
        first_read = np.maximum(np.maximum(begun + 1, taken), enabled)
        last_taken = np.maximum(first_read + 1, taken + spikes)
        last_taken = last_taken + lists.spikes[:, tile, step] - last
        last_read = np.where(entries > 1, last_taken - lists.before[:, tile, step], first_read)
        final = np.where(some, begun, found)
        found = final + 3
        read = np.where(some, last_read, read)
        taken = np.where(some, last_taken, taken)
        spikes = np.where(some, last, spikes)
        any_entry = any_entry | some
    return np.where(any_entry, np.maximum(taken + spikes + 2, final), final) + 2


def _passes(
    answer: Answer, layer: TiledLayer, plan: TilesPlan, rows: _Rows, computed: int
) -> tuple[np.ndarray, Lists]:
    """Cycles of the pass of each tile and step if so many are ``computed``, int [B, tiles, T], and
    the layer's list (hw.rtl.tiles.sweep, hw.rtl.tiles.emit).
    """
    times, steps, banks = answer.times[layer.index], plan.steps, plan.banks
    tile, row, bank, window = _placed(layer, plan)
    count = int(np.prod(plan.rows(layer)))
    # Backwards, so that of several writes to a place that of the first unit stays.
    order = np.argsort(-(row * banks + bank), kind="stable")
    image, turn = np.nonzero(times[:, order] < steps)
    unit = order[turn]
    step = times[image, unit].astype(np.int64)
    slot = ((image * layer.tiles + tile[unit]) * steps + step) * count * banks
    slot += row[unit] * banks + bank[unit]
    emits = np.ones(len(unit), bool)
    if layer.pools:
        pooled = answer.times[_behind(plan, layer)]
        key = image * pooled.shape[1] + window[unit]
        emits = (window[unit] >= 0) & (step == pooled[image, window[unit]])
        first = np.zeros(pooled.size, np.int64)
        first[key[emits]] = unit[emits]
        emits &= first[key] == unit
    shape = (len(times), layer.tiles, steps, count * banks)
    size = int(np.prod(shape))
    flat = np.zeros(size, bool)
    flat[slot] = True
    fires = flat.reshape(shape)
    spikes = np.bincount(slot[emits], minlength=size).astype(np.uint8).reshape(shape)

    places = fires.reshape(*shape[:3], count, banks).sum(axis=-1)
    waits = np.maximum(places - 1, 0).sum(axis=-1)
    row_of_last = count - 1 - (places[..., ::-1] > 0).argmax(axis=-1)
    in_last = np.take_along_axis(places, row_of_last[..., None], axis=-1)[..., 0]
    passing = np.zeros(shape[:3], np.int64)
    for number in range(layer.tiles):
        # The last pass of a tile presets the next one: it goes over all rows.
        presets = not layer.dense and number < layer.tiles - 1
        over = rows.whole(layer, plan, computed) if presets else rows
        wide = over.right - over.left + 1
        length = (over.bottom - over.top + 1) * wide
        down, across = np.divmod(row_of_last[:, number], plan.rows(layer)[1])
        behind = (over.bottom - down) * wide + over.right - across  # rows after the last that fires
        own = in_last[:, number]
        taken = 1 + length + waits[:, number] - np.where(behind == 0, np.maximum(own - 1, 0), 0)
        last = np.where(behind == 0, taken + own, taken - (behind - 1))
        done = np.where(own > 0, np.maximum(taken + 1, last + 3), taken + 1)
        passing[:, number] = done
    return passing, Lists.of(spikes)


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


def _hidden(
    plan: TilesPlan,
    layer: TiledLayer,
    lists: Lists,
    passing: np.ndarray,
    begun: np.ndarray,
    steps: int,
) -> np.ndarray:
    """The last cycle of a hidden layer whose first tile begins in cycle ``begun``, if so many
    ``steps`` are computed, int [B] (hw.rtl.tiles.sequencer).
    """
    cycle, looked_up, enabled = begun, begun, begun + _preset(plan, layer)
    for tile in range(layer.tiles):
        if layer.dense and tile:
            looked_up, enabled = cycle + 1, cycle + 1 + _preset(plan, layer)
        for step in range(steps):
            added = np.maximum(_adding(lists, step, looked_up, enabled), enabled)
            final = step == steps - 1
            passes = lists.any(step) | (step == 0 and layer.spontaneous)
            passes = passes | (final and not layer.dense and tile < layer.tiles - 1)
            cycle = np.where(passes, added + passing[:, tile, step], added) + 1
            looked_up, enabled = added, cycle + 1
    return cycle


def _output(
    plan: TilesPlan, lists: Lists, begun: np.ndarray, decision: np.ndarray, steps: int
) -> tuple[np.ndarray, np.ndarray]:
    """Of the output layer, whose tile begins in cycle ``begun``: the cycle in which its margins of
    the ``decision`` step are offered, 0 if that is not one of the ``steps``, and its last cycle if
    it goes on; int [B] each.
    """
    looked_up, enabled = begun, begun + _preset(plan, plan.layers[-1])
    result = np.zeros_like(begun)
    for step in range(steps):
        added = np.maximum(_adding(lists, step, looked_up, enabled), enabled)
        shown = lists.any(step) | (step in (0, steps - 1))
        result = np.where(decision == step, added + 2, result)
        looked_up, enabled = added, np.where(shown, added + 2, added) + 2
    return result, enabled - 1


def _preset(plan: TilesPlan, layer: TiledLayer) -> int:
    """Cycles from a tile's beginning until its margins are preset and spikes may be added."""
    return 2 + (plan.banks if layer.dense else int(np.prod(plan.rows(layer))))
