"""The planner of the tiles engine: from a network to its plan, see hw/rtl/tiles/plan.py."""

import math
from collections.abc import Sequence
from typing import NoReturn

import numpy as np

from hw.rtl.tiles.first_layer import FirstLayer, first_layer
from hw.rtl.tiles.plan import LIST_WORDS, MOST_STEPS, Axis, SpikeMap, TiledLayer, TilesPlan
from sw.cli import UserError
from sw.encoder import LatencyEncoder
from sw.network import Layer, Network
from sw.structure import Conv, Dense, First, Kind

__all__ = ["plan_network"]


def plan_network(
    network: Network,
    lanes: int,
    most_events: int | None = None,
    *,
    loaded: bool = False,
    table: bool = False,
    distributed: bool = False,
) -> TilesPlan:
    """The plan of ``network`` with P = ``lanes``.

    Parameters
    ----------
    network : Network
    lanes : int
    most_events : int, optional
        Input spikes of an inference at most, where an input may fire more than once.
    loaded : bool
        Weights are loaded at start-up.
    table : bool
        The first layer is made by a table.
    distributed : bool
        Margins are in distributed RAM.

    Raises
    ------
    UserError
        The engine cannot make it.
    """
    kinds = [layer.kind for layer in network.layers]
    images = isinstance(network.encoder, LatencyEncoder)
    if network.steps > MOST_STEPS:
        instead = "take gather-16" if images else "train with fewer"
        _refuse(network, f"tiles takes at most {MOST_STEPS} steps, not {network.steps}; {instead}")
    if isinstance(kinds[0], First):
        _refuse(
            network,
            f"tiles pools behind a convolution only, layer 0 is {kinds[0]}; train with one first",
        )
    grid = _grid(kinds, lanes, network.layers[-1].outputs)
    first = first_layer(network, math.prod(grid) * lanes) if table else None
    if first:
        inputs = _first_map(first, lanes, network.steps)
    else:
        inputs = _input_map(network, lanes, most_events)
        if 2 * inputs.most > LIST_WORDS:
            most = f"{LIST_WORDS // 2:,} input spikes, not {inputs.most:,}"
            instead = "take gather-16" if images else "give fewer"
            _refuse(network, f"tiles takes at most {most}; {instead}")
    layers: list[TiledLayer] = []
    for index in range(first.index + 1 if first else 0, len(kinds)):
        if not isinstance(kinds[index], First):
            most_spikes = None if layers else most_events
            layers.append(_layer(network, index, inputs, lanes, grid, most_spikes))
            inputs = layers[-1].outputs
    plan = TilesPlan(
        lanes=lanes,
        steps=network.steps,
        shape=network.maps[0],
        grid=grid,
        layers=tuple(layers),
        first=first,
        loaded=loaded,
        distributed=distributed,
    )
    if first and plan.can_overflow:
        most = f"{LIST_WORDS:,} entries of its lists, not {plan.list_need:,}"
        _refuse(network, f"tiles with a table takes at most {most}; take one without")
    return plan


def _refuse(network: Network, reason: str) -> NoReturn:
    raise UserError(f"network {network.name!r}: {reason}")


def _grid(kinds: Sequence[Kind], lanes: int, classes: int) -> tuple[int, int]:
    """B_h and B_w: as many places as a spike reaches, and the output layer is one tile."""
    convs = [kind for kind in kinds if isinstance(kind, Conv)]
    down = max((-(-kind.kernel[0] // kind.stride[0]) for kind in convs), default=1)
    across = max((-(-kind.kernel[1] // kind.stride[1]) for kind in convs), default=1)
    return down, max(across, -(-classes // (down * lanes)))


def _input_map(network: Network, lanes: int, most_events: int | None) -> SpikeMap:
    """All tiles are in one: column x · n + t is column x of tile t of n, so that a list has a
    segment per step.
    """
    channels, height, width = network.maps[0]
    own = 1 << lanes.bit_length() - 1  # TilesPlan.input_lanes
    tiles = -(-channels // own)
    channel = np.full((tiles, lanes), channels)
    channel[:, :own] = np.arange(tiles * own).reshape(tiles, own)
    place = np.arange(height * width).reshape(height, width, 1, 1)
    units = np.where(channel < channels, channel * (height * width) + place, -1)
    if isinstance(network.encoder, LatencyEncoder):
        most = network.sizes[0]
    else:
        most = most_events if most_events is not None else network.sizes[0]
    return SpikeMap(units=units.reshape(1, height, width * tiles, lanes), most=most)


def _first_map(first: FirstLayer, lanes: int, steps: int) -> SpikeMap:
    """As a convolution's, see :func:`_layer`."""
    units = _conv_units(first.channels, *first.windows, lanes)
    return SpikeMap(units=units, most=_most_entries(units, steps))


def _conv_units(channels: int, rows: int, columns: int, lanes: int) -> np.ndarray:
    """Of each tile, place and lane the unit behind the pooling, −1 where there is none."""
    tiles = -(-channels // lanes)
    channel = np.arange(tiles * lanes).reshape(tiles, 1, 1, lanes)
    place = np.arange(rows * columns).reshape(rows, columns, 1)
    return np.where(channel < channels, channel * (rows * columns) + place, -1)


def _most_entries(units: np.ndarray, steps: int) -> int:
    """Of a tile and place: each unit fires once, and those of the same step share an entry."""
    return int(np.minimum((units >= 0).sum(axis=3), steps).sum())


def _layer(
    network: Network,
    index: int,
    inputs: SpikeMap,
    lanes: int,
    grid: tuple[int, int],
    most_events: int | None,
) -> TiledLayer:
    """Layer ``index``, a convolution or a dense one, with all pooling that follows."""
    layer, kind = network.layers[index], network.layers[index].kind
    pool = _pool_behind(network, index)
    channels, height, width = network.maps[index + 1]
    banks = math.prod(grid)
    if isinstance(kind, Conv):
        units = _conv_units(channels, height // pool[0], width // pool[1], lanes)
        tiles = len(units)
        down, across, positions = _conv_axes(kind, network.maps[index], inputs, grid, lanes)
        minus = _conv_rows(layer, kind, inputs, tiles, grid, lanes, network.maps[index])
        members = np.arange(tiles * lanes).reshape(tiles, lanes)
    else:
        tiles = -(-channels // (banks * lanes))
        height, width = grid
        units = np.arange(tiles * banks * lanes).reshape(tiles, *grid, lanes)
        units = np.where(units < channels, units, -1)
        down, across, positions = _dense_axes(inputs, grid)
        minus = _dense_rows(layer, inputs, units)
        members = np.arange(tiles * banks * lanes).reshape(tiles * banks, lanes)
    absent = members >= channels
    threshold, margins = _near_thresholds(layer, most_events)
    return TiledLayer(
        index=index,
        dense=isinstance(kind, Dense),
        inputs=inputs,
        outputs=SpikeMap(units=units, most=_most_entries(units, network.steps)),
        tiles=tiles,
        height=height,
        width=width,
        pool=pool,
        down=down,
        across=across,
        positions=positions,
        minus=minus,
        starts=np.where(absent, 0, -threshold[np.minimum(members, channels - 1)]),
        absent=absent,
        moved=threshold - layer.threshold,
        margins=margins,
    )


def _pool_behind(network: Network, index: int) -> tuple[int, int]:
    """The window of all pooling behind layer ``index``: floor(floor(n / a) / b) = floor(n / ab)."""
    down = across = 1
    for layer in network.layers[index + 1 :]:
        if not isinstance(layer.kind, First):
            break
        down, across = down * layer.kind.kernel[0], across * layer.kind.kernel[1]
    return down, across


def _near_thresholds(layer: Layer, most_events: int | None) -> tuple[np.ndarray, tuple[int, int]]:
    """Thresholds that fire as those of ``layer``, as near to 0 as they can be, and the margins'
    bounds: a threshold above the highest potential is as good as one more than that, and one below
    the lowest as good as that.
    """
    highest = layer.weight.sum(axis=1)
    lowest = highest - layer.inputs
    if most_events is not None:
        highest, lowest = np.full_like(highest, most_events), np.full_like(lowest, -most_events)
    threshold = np.clip(layer.threshold.astype(np.int64), lowest, highest + 1)
    return threshold, (int((lowest - threshold).min()), int((highest - threshold).max()))


def _conv_axes(
    kind: Conv,
    before: tuple[int, int, int],
    inputs: SpikeMap,
    grid: tuple[int, int],
    lanes: int,
) -> tuple[Axis, Axis, int]:
    _, height, width = before
    folded = inputs.width // width  # tiles of channels within a row: only of the network's inputs
    top, bottom, left, right = kind.padding
    axes = []
    for size, before_, after, kernel, stride, banks in (
        (height, top, bottom, kind.kernel[0], kind.stride[0], grid[0]),
        (width, left, right, kind.kernel[1], kind.stride[1], grid[1]),
    ):
        outputs = (size + before_ + after - kernel) // stride + 1
        last = [(at + before_) // stride for at in range(size)]
        phase = [(at + before_) % stride for at in range(size)]
        enable = [
            sum(
                (0 <= y - a < outputs and p + a * stride < kernel) << a
                for a in range(-(-kernel // stride))
            )
            for y, p in zip(last, phase, strict=True)
        ]
        axes.append((last, phase, enable, banks))
    phases = math.prod(kind.stride)
    (last, phase, enable, banks) = axes[0]
    down = Axis(
        row=tuple(y // banks for y in last),
        bank=tuple(y % banks for y in last),
        enable=tuple(enable),
        position=tuple(p * kind.stride[1] for p in phase),
    )
    (last, phase, enable, banks) = axes[1]
    across = Axis(
        row=tuple(x // banks for x in last for _ in range(folded)),
        bank=tuple(x % banks for x in last for _ in range(folded)),
        enable=tuple(each for each in enable for _ in range(folded)),
        position=tuple(p + tile * phases for p in phase for tile in range(folded)),
    )
    return down, across, phases * folded


def _dense_axes(inputs: SpikeMap, grid: tuple[int, int]) -> tuple[Axis, Axis, int]:
    """Target (a, b) of a dense layer is its bank from the last on: (B_h − 1 − a, B_w − 1 − b)."""
    height, width = inputs.height, inputs.width

    def axis(size: int, banks: int, stride: int) -> Axis:
        return Axis(
            row=(0,) * size,
            bank=(banks - 1,) * size,
            enable=((1 << banks) - 1,) * size,
            position=tuple(stride * at for at in range(size)),
        )

    return axis(height, grid[0], width), axis(width, grid[1], 1), height * width


def _conv_rows(
    layer: Layer,
    kind: Conv,
    inputs: SpikeMap,
    tiles: int,
    grid: tuple[int, int],
    lanes: int,
    before: tuple[int, int, int],
) -> np.ndarray:
    (kh, kw), (sh, sw) = kind.kernel, kind.stride
    channels, height, width = before
    # Tiles of the first place, in a row or one after another: the order is the same
    places = inputs.units[:, 0, : inputs.width // width].reshape(-1, lanes)
    in_tiles, exists = len(places), places.reshape(-1) >= 0
    own = places[places >= 0] // (height * width)
    # Kernels and channels with room for what does not exist
    weight = np.ones((tiles * lanes, in_tiles * lanes, grid[0] * sh, grid[1] * sw), bool)
    kernels = layer.weight.reshape(-1, channels, kh, kw)
    weight[: kind.channels, exists, :kh, :kw] = kernels[:, own]
    split = weight.reshape(tiles, lanes, in_tiles, lanes, grid[0], sh, grid[1], sw)
    # tile, input tile, phase down and across, input lane; target down and across, lane
    rows = split.transpose(0, 2, 5, 7, 3, 4, 6, 1)
    return ~np.ascontiguousarray(rows).reshape(-1, math.prod(grid) * lanes)


def _dense_rows(layer: Layer, inputs: SpikeMap, units: np.ndarray) -> np.ndarray:
    before = inputs.units.reshape(-1)  # tile, place, lane
    after = units[:, ::-1, ::-1].reshape(len(units), 1, -1)
    minus = ~layer.weight[np.maximum(after, 0), np.maximum(before, 0)[None, :, None]]
    minus &= (after >= 0) & (before >= 0)[None, :, None]
    return np.ascontiguousarray(minus).reshape(-1, units[0].size)
