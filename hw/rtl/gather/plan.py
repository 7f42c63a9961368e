"""The plan of the gather engine: how a network's maps, weights and thresholds lie in its memories.

The RTL, the cycle model, the estimate of resources and the tests all read it. Plain Python and
NumPy, no Amaranth.

Words: units of a map are kept in *words* of W channels, a bit each, of one place; a row of a map is
the words of its places, one place after another. The *window* of a unit is what its kernel covers:
kh rows of consecutive words. The network's inputs are kept one by one, so a word is one input. A
*group* is W output channels: the word that they are written to. A dense layer is a convolution
whose kernel is as large as the map.
"""

import math
from dataclasses import dataclass
from functools import cached_property, reduce
from operator import and_, or_
from typing import NoReturn

import numpy as np

from hw.rtl.potentials import margin_bounds
from sw.cli import UserError
from sw.encoder import LatencyEncoder
from sw.network import Layer, Network
from sw.structure import Conv, First, Pair

__all__ = ["GatherPlan", "GatheredLayer", "plan_network"]


@dataclass(frozen=True, kw_only=True, eq=False)
class GatheredLayer:
    """A layer with weights, and the pooling behind it. Pairs are down and across; across, all of
    its input is counted in words.

    Parameters
    ----------
    index : int
        Its number in the network.
    size : (int, int)
        Rows of the map that it reads, and words of a row.
    kernel, stride : (int, int)
        Of its window, and from one window to the next.
    padding : (int, int)
        Above and to the left.
    pool : (int, int)
        Places of its own map that make one place of its output.
    places : (int, int)
        Of its output.
    channels : int
    groups : int
        Words of a place of its output.
    first_group : int
        Its first, of those of all layers.
    weights : bool [groups · words · W, W]
        Row ``(g · words + j) · W + c`` is for word j of the window of channel c of group g. False
        where there is no input or no unit.
    presets : int [groups · W]
        −θ of each channel, thresholds moved as near as firing allows; −W − 1 where there is no
        unit, so that after one word it has not fired.
    margins : (int, int)
        The lowest and the highest V − θ.
    """

    index: int
    size: Pair
    kernel: Pair
    stride: Pair
    padding: Pair
    pool: Pair
    places: Pair
    channels: int
    groups: int
    first_group: int
    weights: np.ndarray
    presets: np.ndarray
    margins: Pair

    @property
    def reads(self) -> int:
        """Words of its map that a window has."""
        return math.prod(self.kernel)

    @property
    def most_begin(self) -> Pair:
        """The last row and column that a window begins at, counted from the padding on."""
        down, across = (
            (places * pool - 1) * stride
            for places, pool, stride in zip(self.places, self.pool, self.stride, strict=True)
        )
        return down, across

    @property
    def leaves_map(self) -> tuple[bool, bool]:
        """Some window begins before its map or ends behind it, down and across."""
        down, across = (
            padding > 0 or begin + kernel > size
            for padding, begin, kernel, size in zip(
                self.padding, self.most_begin, self.kernel, self.size, strict=True
            )
        )
        return down, across

    @property
    def columns(self) -> int:
        """Words of a row of its output."""
        return self.places[1] * self.groups

    @property
    def pools(self) -> bool:
        return self.pool != (1, 1)

    @property
    def spontaneous(self) -> bool:
        """Some unit fires in step 0 without any input."""
        return bool((self.presets >= 0).any())


@dataclass(frozen=True, kw_only=True, eq=False)
class GatherPlan:
    """All layers, and the sizes that they share.

    Parameters
    ----------
    lanes : int, power of two
        W: spikes that are added per cycle.
    steps : int
        T.
    layers : tuple of GatheredLayer
    """

    lanes: int
    steps: int
    layers: tuple[GatheredLayer, ...]

    @property
    def hidden(self) -> tuple[GatheredLayer, ...]:
        return self.layers[:-1]

    @property
    def output(self) -> GatheredLayer:
        return self.layers[-1]

    @property
    def groups(self) -> int:
        return sum(layer.groups for layer in self.layers)

    def words(self, layer: GatheredLayer) -> int:
        """Words of W spikes that a window of ``layer`` makes: the inputs' are packed."""
        return -(-layer.reads // self.lanes) if layer is self.layers[0] else layer.reads

    def most_begin(self, way: int) -> int:
        """Of all layers, down (0) or across (1)."""
        return max(layer.most_begin[way] for layer in self.layers)

    @property
    def most_words(self) -> int:
        return max(map(self.words, self.layers))

    @cached_property
    def weights(self) -> np.ndarray:
        """Of all layers: bool [rows, W]."""
        return np.concatenate([layer.weights for layer in self.layers])

    @cached_property
    def bases(self) -> list[int]:
        """Of each group the first of its rows of weights, in units of W."""
        sizes = [self.words(layer) for layer in self.layers for _ in range(layer.groups)]
        return [sum(sizes[:k]) for k in range(len(sizes))]

    @cached_property
    def presets(self) -> list[int]:
        """Of all layers: that of lane c of group g is at ``g · W + c``."""
        return [int(each) for layer in self.layers for each in layer.presets]

    @property
    def preset_bits(self) -> int:
        """Bits of a preset that synthesis keeps: those that are not the same in all."""
        values = [each & (1 << self.margin_bits) - 1 for each in self.presets]
        return (reduce(or_, values) & ~reduce(and_, values)).bit_count()

    @property
    def address_bits(self) -> int:
        """Of all that is counted: places, windows, words, rows of weights."""
        begins = (self.most_begin(0), self.most_begin(1), self.most_words, len(self.weights))
        return sum(self.input_bits) + sum(each.bit_length() for each in begins)

    @cached_property
    def margin_bits(self) -> int:
        """It holds every margin, and what one word makes of a preset without a unit."""
        least = min(-2 * self.lanes - 1, *(layer.margins[0] for layer in self.layers))
        most = max(0, *(layer.margins[1] for layer in self.layers))
        return 1 + max((-least - 1).bit_length(), most.bit_length())

    @cached_property
    def input_bits(self) -> Pair:
        """Bits of a row and of a column of the inputs; an address is both, the column low."""
        height, width = self.layers[0].size
        return (height - 1).bit_length(), (width - 1).bit_length()

    def place_bits(self, layer: GatheredLayer) -> Pair:
        """The same of the words that a hidden ``layer`` writes."""
        return (layer.places[0] - 1).bit_length(), (layer.columns - 1).bit_length()

    @cached_property
    def regions(self) -> list[int]:
        """Where each hidden layer's words begin; the largest first, so that each begins at a
        multiple of its size, a power of two.
        """
        sizes = [1 << sum(self.place_bits(layer)) for layer in self.hidden]
        result, at = [0] * len(sizes), 0
        for k in sorted(range(len(sizes)), key=lambda k: -sizes[k]):
            result[k], at = at, at + sizes[k]
        return result

    @cached_property
    def flag_words(self) -> int:
        """Words of all regions."""
        return sum(1 << sum(self.place_bits(layer)) for layer in self.hidden)


def plan_network(network: Network, lanes: int) -> GatherPlan:
    """The plan of ``network`` with W = ``lanes``, a power of two. Raises :class:`UserError` if the
    engine cannot make it.
    """
    kinds = [layer.kind for layer in network.layers]
    if not isinstance(network.encoder, LatencyEncoder):
        _refuse(network, "gather takes images, whose pixels fire once, not events; take tiles-4")
    if isinstance(kinds[0], First):
        _refuse(
            network,
            f"gather pools behind a convolution only, layer 0 is {kinds[0]}; train with one first",
        )
    layers: list[GatheredLayer] = []
    for index, kind in enumerate(kinds):
        if not isinstance(kind, First):
            group = sum(layer.groups for layer in layers)
            layers.append(_layer(network, index, lanes, group))
    return GatherPlan(lanes=lanes, steps=network.steps, layers=tuple(layers))


def _refuse(network: Network, reason: str) -> NoReturn:
    raise UserError(f"network {network.name!r}: {reason}")


def _layer(network: Network, index: int, lanes: int, first_group: int) -> GatheredLayer:
    """Layer ``index``, a convolution or a dense one, with all pooling that follows."""
    layer, before = network.layers[index], network.maps[index]
    channels, height, width = network.maps[index + 1]
    kernel, stride, padding = before[1:], (1, 1), (0, 0)
    if isinstance(layer.kind, Conv):
        kernel, stride = layer.kind.kernel, layer.kind.stride
        padding = layer.kind.padding[0], layer.kind.padding[2]
    per_place = before[0] if index == 0 else -(-before[0] // lanes)  # words of a place it reads
    pool = _pool_behind(network, index)
    groups = -(-channels // lanes)
    threshold, margins = _near_thresholds(layer, exact=index == len(network.layers) - 1)
    presets = np.full(groups * lanes, -lanes - 1)
    presets[:channels] = -threshold
    return GatheredLayer(
        index=index,
        size=(before[1], before[2] * per_place),
        kernel=(kernel[0], kernel[1] * per_place),
        stride=(stride[0], stride[1] * per_place),
        padding=(padding[0], padding[1] * per_place),
        pool=pool,
        places=(height // pool[0], width // pool[1]),
        channels=channels,
        groups=groups,
        first_group=first_group,
        weights=_rows(layer, before[0], kernel, lanes, packed=index == 0),
        presets=presets,
        margins=margins,
    )


def _pool_behind(network: Network, index: int) -> Pair:
    """The window of all pooling behind layer ``index``: floor(floor(n / a) / b) = floor(n / ab)."""
    down = across = 1
    for layer in network.layers[index + 1 :]:
        if not isinstance(layer.kind, First):
            break
        down, across = down * layer.kind.kernel[0], across * layer.kind.kernel[1]
    return down, across


def _near_thresholds(layer: Layer, *, exact: bool) -> tuple[np.ndarray, Pair]:
    """Thresholds that fire as those of ``layer`` and, if not ``exact``, are as near to 0 as they
    can be; and the margins' bounds.
    """
    lowest, highest = margin_bounds(layer)
    threshold = layer.threshold.astype(np.int64)
    if not exact:
        near = np.clip(threshold, lowest + threshold, highest + threshold + 1)
        lowest, highest = lowest + threshold - near, highest + threshold - near
        threshold = near
    return threshold, (int(lowest.min()), int(highest.max()))


def _rows(layer: Layer, channels: int, kernel: Pair, lanes: int, *, packed: bool) -> np.ndarray:
    """The layer's ``weights``. Of the network's inputs, which are ``packed``, the last of a word is
    its bit 0.
    """
    outputs = len(layer.weight)
    spare = -outputs % lanes
    # unit; ky, kx, channel: as the window is read
    window = layer.weight.reshape(outputs, channels, *kernel).transpose(0, 2, 3, 1)
    if packed:
        flat = window.reshape(outputs, -1)
        words = [flat[:, at : at + lanes][:, ::-1] for at in range(0, flat.shape[1], lanes)]
    else:
        split = [window[..., at : at + lanes] for at in range(0, channels, lanes)]
        words = [split[q][:, y, x] for y, x, q in _order(kernel, len(split))]
    padded = [np.pad(word, ((0, spare), (0, lanes - word.shape[1]))) for word in words]
    # unit, word, bit → group, word, lane, bit
    stacked = np.stack(padded, axis=1).reshape(-1, lanes, len(words), lanes)
    return np.ascontiguousarray(stacked.swapaxes(1, 2)).reshape(-1, lanes)


def _order(kernel: Pair, words: int) -> list[tuple[int, int, int]]:
    """Row, column and word of a place, in the order in which a window is read."""
    rows, columns = kernel
    return [(y, x, q) for y in range(rows) for x in range(columns) for q in range(words)]
