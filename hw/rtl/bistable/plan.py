"""The plan of the bistable engine: how a network's maps, weights and constants lie in its memories.

The RTL, the cycle model, the estimate of resources, the loader and the tests all read it. Plain
Python and NumPy, no Amaranth.

Words: a *word* has the values of V consecutive channels of a place, and a number, its *slot*; of a
place only words with a value that is not 0 are kept, in its *list*. A *tile* is a group of P
channels of a layer's output that listen at the same time, a *job* one tile at one place before
pooling. In each cycle P channels listen to E values of a word, a *part* of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from math import prod

import numpy as np

from hw.rtl.memories import COLUMN, packed

__all__ = ["BistablePlan", "Level", "PlannedLayer", "Steps", "Strip", "ValueMap", "bits_of"]


class Level(IntEnum):
    """The loops of a layer, from the innermost to the outermost; the last is the layer's end."""

    KERNEL_X = 0
    KERNEL_Y = 1
    WINDOW_X = 2
    WINDOW_Y = 3
    TILE = 4
    PLACE_X = 5
    PLACE_Y = 6
    LAYER = 7


@dataclass(frozen=True, kw_only=True, eq=False)
class ValueMap:
    """Values that lists hold.

    Parameters
    ----------
    units : int [height, width, slots · V]
        The unit of each place and channel, as the network numbers them; −1 where there is none.
    slots : int
        Words of a place at most.
    values : int
        Values of a place, at the border some without a unit.
    """

    units: np.ndarray
    slots: int
    values: int

    @property
    def height(self) -> int:
        return self.units.shape[0]

    @property
    def width(self) -> int:
        return self.units.shape[1]

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.height, self.width

    @property
    def words(self) -> int:
        """Words of the map at most."""
        return self.height * self.width * self.slots


@dataclass(frozen=True, kw_only=True)
class Strip:
    """How the network's input becomes places that a row of the first kernel looks at.

    Parameters
    ----------
    width, channels : int
        Of the image.
    kernel, stride, before : int
        Across, and the padding at the left, less than the kernel.
    places : int
        Of a row.
    """

    width: int
    channels: int
    kernel: int
    stride: int
    before: int
    places: int

    @property
    def begin(self) -> int:
        """The column with which the first place of a row is complete."""
        return self.kernel - 1 - self.before

    @property
    def last(self) -> int:
        """The column with which the last place of a row is complete."""
        return self.begin + (self.places - 1) * self.stride

    @property
    def end(self) -> int:
        """The last column of a row, with the padding that it needs."""
        return max(self.width - 1, self.last)


@dataclass(frozen=True, kw_only=True, eq=False)
class Steps:
    """What a position in a layer's loops starts with, and what is added at each level.

    Parameters
    ----------
    start : int
    add : tuple of int
        One per level below the layer's end: when its loop goes on and those inside begin anew.
    end : int
        The value at the last position.
    """

    start: int
    add: tuple[int, ...]
    end: int

    @classmethod
    def of(cls, start: int, strides: Sequence[int], counts: Sequence[int]) -> "Steps":
        """From what one turn of each loop adds."""
        spans = [(n - 1) * stride for n, stride in zip(counts, strides, strict=True)]
        return cls(
            start=start,
            add=tuple(stride - sum(spans[:level]) for level, stride in enumerate(strides)),
            end=start + sum(spans),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class PlannedLayer:
    """A layer with weights, and the pooling behind it. A dense layer is a kernel as large as the
    map, at one place.

    Parameters
    ----------
    index : int
        Its number in the network.
    inputs, outputs : ValueMap
        Before it, and after its pooling.
    channels : int
        Of its output.
    height, width : int
        Of its own map, before pooling.
    kernel, stride, window : (int, int)
        Of the convolution, and of the pooling behind it: (1, 1) if there is none.
    sums : bool
        The pooling gives the mean, not the largest value.
    before : (int, int)
        Padding above and to the left.
    reads, writes : int
        Where its inputs and its outputs begin in the memory of lists; its inputs, if it is the
        first, in the memory of the network's input.
    plus : bool [channels, kernel places, slots · V]
        The weight is +1; False where there is no unit.
    thresholds, biases : int [channels]
        θ and c, scaled as :attr:`BistablePlan.shifts` says.
    shifts : int [channels]
        Left shift of the sum of the weighted values.
    scale : int
        What the potentials of the layer are multiplied by, where it is the same for all.
    past : int, or None
        Of a shortcut: where the values that it adds begin in the memory that holds them back.
    past_shift : int
        Left shift of those values.
    holds : int, or None
        Where its outputs are held back for a shortcut.
    """

    index: int
    inputs: ValueMap
    outputs: ValueMap
    channels: int
    height: int
    width: int
    kernel: tuple[int, int]
    stride: tuple[int, int]
    window: tuple[int, int]
    sums: bool
    before: tuple[int, int]
    reads: int
    writes: int
    plus: np.ndarray
    thresholds: np.ndarray
    biases: np.ndarray
    shifts: np.ndarray
    scale: int
    past: int | None
    past_shift: int
    holds: int | None

    @property
    def pools(self) -> bool:
        """There is a pooling behind it."""
        return self.window != (1, 1)

    @property
    def area(self) -> int:
        """Places of the pooling's window."""
        return prod(self.window)

    @property
    def kernel_places(self) -> int:
        """Places that a job listens to."""
        return prod(self.kernel)

    @property
    def fan_in(self) -> int:
        """Units that a unit listens to, but for the border."""
        return self.inputs.values * self.kernel_places

    def bounds(self, top: int) -> tuple[int, int]:
        """The lowest and the highest potential that comes up on the way, as scaled, of values up to
        ``top``; also of lanes without a channel.
        """
        plus = self.plus.sum(axis=(1, 2)).astype(np.int64)
        highest = self.biases + (plus * top << self.shifts)
        lowest = self.biases - ((self.fan_in - plus) * top << self.shifts)
        absent = -self.fan_in * top << int(self.shifts[-1])
        past = 0 if self.past is None else top << self.past_shift
        low = min(absent, int(lowest.min()), int(self.biases.min()))
        return low, past + max(0, int(highest.max()), int(self.biases.max()))


@dataclass(frozen=True, kw_only=True, eq=False)
class BistablePlan:
    """A network as the bistable engine makes it.

    Parameters
    ----------
    phases : int
        K.
    lanes, listens, speaks : int
        P channels listen to E values of a word of V: E and V powers of two, P a multiple of V.
    layers : tuple of PlannedLayer
    outputs : int
        Units of the last layer.
    held_words : int
        Words of the memory that holds values back for shortcuts; 0 if there are none.
    input_held : int, or None
        Where the network's input is held back.
    strip : Strip, or None
        If there is one, the first layer's kernel is as wide as one of its places.
    """

    phases: int
    lanes: int
    listens: int
    speaks: int
    layers: tuple[PlannedLayer, ...]
    outputs: int
    held_words: int
    input_held: int | None
    strip: Strip | None

    @property
    def top(self) -> int:
        """The largest value."""
        return (1 << self.phases) - 1

    @property
    def parts(self) -> int:
        """Parts of a word."""
        return self.speaks // self.listens

    @property
    def groups(self) -> int:
        """Words of a whole tile's output."""
        return self.lanes // self.speaks

    @property
    def word_bits(self) -> int:
        """Bits of a word's values."""
        return self.speaks * self.phases

    @property
    def inputs(self) -> ValueMap:
        """Of the network."""
        return self.layers[0].inputs

    @cached_property
    def slot_bits(self) -> int:
        """Bits of a word's number in the lists of hidden layers."""
        return max([bits_of(layer.outputs.slots - 1) for layer in self.layers[:-1]], default=0)

    @cached_property
    def input_values(self) -> int:
        """Values of a word of the network's input that there are."""
        return min(self.speaks, self.inputs.values)

    @property
    def input_slot_bits(self) -> int:
        """Bits of a word's number in the lists of the network's input."""
        return bits_of(self.inputs.slots - 1)

    @property
    def input_latency(self) -> int:
        """Cycles from the image's last value until its lists are written."""
        if self.strip is None:
            return 2
        behind = (self.strip.last - self.strip.width + 1) * self.strip.channels
        return 1 + max(1, behind + self.inputs.slots)

    @cached_property
    def list_words(self) -> int:
        """Words of the memory of lists; at least one."""
        return max((layer.writes + layer.outputs.words for layer in self.layers[:-1]), default=1)

    @cached_property
    def address_bits(self) -> int:
        """Bits of an address in either memory of lists."""
        return max(1, bits_of(max(self.list_words, self.inputs.words) - 1))

    def tiles(self, layer: PlannedLayer) -> int:
        """Of the layer's output."""
        return -(-layer.channels // self.lanes)

    def groups_of(self, layer: PlannedLayer) -> tuple[int, int]:
        """Words of a tile's output, and of the last tile's, which may have fewer."""
        last = layer.channels - (self.tiles(layer) - 1) * self.lanes
        last = -(-last // self.speaks)
        return (self.groups if self.tiles(layer) > 1 else last), last

    def counts(self, layer: PlannedLayer) -> tuple[int, ...]:
        """Turns of the layer's loops, one for each level below its end."""
        (high, wide), (down, across) = layer.kernel, layer.window
        places = layer.outputs.width, layer.outputs.height
        return (wide, high, across, down, self.tiles(layer), *places)

    # What a position in the loops means, per level: kernel x, y, window x, y, tile, place x, y.

    def y(self, layer: PlannedLayer) -> Steps:
        """The row of the inputs."""
        down, window = layer.stride[0], layer.window[0]
        strides = (0, 1, 0, down, 0, 0, down * window)
        return Steps.of(-layer.before[0], strides, self.counts(layer))

    def x(self, layer: PlannedLayer) -> Steps:
        """The column of the inputs."""
        across, window = layer.stride[1], layer.window[1]
        strides = (1, 0, across, 0, 0, across * window, 0)
        return Steps.of(-layer.before[1], strides, self.counts(layer))

    def address(self, layer: PlannedLayer) -> Steps:
        """The address of the place's list."""
        step, line = layer.inputs.slots, layer.inputs.slots * layer.inputs.width
        (down, across), window = layer.stride, layer.window
        strides = (
            *(step, line, across * step, down * line, 0),
            *(across * window[1] * step, down * window[0] * line),
        )
        start = layer.reads - layer.before[0] * line - layer.before[1] * step
        return Steps.of(start, strides, self.counts(layer))

    def row(self, layer: PlannedLayer) -> Steps:
        """The row of weights of a place's first word, in units of the parts of a word."""
        slots = layer.inputs.slots
        strides = (slots, layer.kernel[1] * slots, 0, 0, layer.kernel_places * slots, 0, 0)
        return Steps.of(self.first_rows[self.layers.index(layer)], strides, self.counts(layer))

    def past(self, layer: PlannedLayer) -> Steps:
        """The address of the first value that a shortcut adds in a job."""
        if layer.past is None:
            return Steps.of(0, (0,) * 7, self.counts(layer))
        slots = -(-layer.channels // self.speaks)
        line, (down, across) = slots * layer.width, layer.window
        strides = (0, 0, slots, line, self.groups, across * slots, down * line)
        return Steps.of(layer.past, strides, self.counts(layer))

    @cached_property
    def position_bits(self) -> dict[str, int]:
        """Bits of each part of a position, by the names of the methods that have its steps. Rows
        and columns that are not on the map are as large numbers.
        """
        past = {"past": bits_of(self.held_words - 1)} if self.held_words else {}
        return {
            "y": max(_coordinate_bits(self.y(each), each.inputs.height) for each in self.layers),
            "x": max(_coordinate_bits(self.x(each), each.inputs.width) for each in self.layers),
            "address": self.address_bits,
            "row": bits_of(self.first_rows[-1] - 1),
            **past,
        }

    @cached_property
    def first_rows(self) -> tuple[int, ...]:
        """The first row of weights of each layer, as :meth:`row`; in the end the number of all."""
        sizes = [each.inputs.slots * each.kernel_places * self.tiles(each) for each in self.layers]
        return tuple(sum(sizes[:index]) for index in range(len(sizes) + 1))

    @property
    def weight_rows(self) -> int:
        """Rows of the memory of weights."""
        return self.first_rows[-1] * self.parts

    @property
    def weight_width(self) -> int:
        """Bits of a row of weights."""
        return self.lanes * self.listens

    @property
    def load_columns(self) -> int:
        """Words of a row as it is loaded: columns of the memory, rounded up to a power of two."""
        return 1 << bits_of(self.weight_columns - 1)

    @property
    def weight_columns(self) -> int:
        """Columns of the memory of loaded weights."""
        return -(-self.weight_width // COLUMN)

    @cached_property
    def weights(self) -> np.ndarray:
        """The rows of weights, bool [weight_rows, P · E]: bit p · E + e is set if the weight of
        lane p to value e of the part is +1.
        """
        rows = []
        for layer in self.layers:
            tiles = self.tiles(layer)
            lanes = np.zeros((tiles * self.lanes, *layer.plus.shape[1:]), bool)
            lanes[: layer.channels] = layer.plus
            shape = tiles, self.lanes, layer.kernel_places, -1, self.parts, self.listens
            ordered = lanes.reshape(shape).transpose(0, 2, 3, 4, 1, 5)
            rows.append(ordered.reshape(-1, self.weight_width))
        return np.concatenate(rows)

    @property
    def load_words(self) -> np.ndarray:
        """The rows as words of :data:`COLUMN` bits, uint16 in the order of addresses."""
        return packed(self.weights, self.load_columns)

    @cached_property
    def sum_bits(self) -> int:
        """Bits of the sum of the values that a lane adds."""
        plus = max(int(each.plus.sum(axis=(1, 2)).max()) for each in self.layers)
        return max(1, bits_of(plus * self.top))

    @cached_property
    def total_bits(self) -> int:
        """Bits of the sum of all values that a job listens to."""
        return bits_of(max(layer.fan_in for layer in self.layers) * self.top)

    @cached_property
    def shifts(self) -> tuple[int, ...]:
        """Left shifts that there are."""
        return tuple(sorted({int(n) for each in self.layers for n in each.shifts}))

    @cached_property
    def potential_bits(self) -> int:
        """Bits of a potential, signed, as scaled."""
        bounds = [layer.bounds(self.top) for layer in self.layers]
        low, high = min(each[0] for each in bounds), max(each[1] for each in bounds)
        return 1 + max(bits_of(high), bits_of(-low - 1))

    @property
    def steps(self) -> int:
        """Steps from the first one of the input until the output has listened."""
        return self.phases * len(self.layers)

    @cached_property
    def margin_bits(self) -> int:
        """Bits of the difference of two outputs' potentials."""
        last = self.layers[-1]
        low, high = last.bounds(self.top)
        return max(1, bits_of((high - low) // last.scale))

    @cached_property
    def threshold_bits(self) -> int:
        """Bits of a threshold."""
        return max(1, max(bits_of(int(layer.thresholds.max())) for layer in self.layers))

    @cached_property
    def bias_bits(self) -> int:
        """Bits of a bias, signed."""
        biases = [int(n) for layer in self.layers for n in layer.biases]
        return 1 + max(bits_of(n if n >= 0 else -n - 1) for n in biases)

    @cached_property
    def first_constants(self) -> tuple[int, ...]:
        """The first word of constants of each layer; in the end the number of all."""
        words = [-(-layer.channels // self.speaks) for layer in self.layers]
        return tuple(sum(words[:index]) for index in range(len(words) + 1))

    @cached_property
    def constants(self) -> list[dict[str, list[int]]]:
        """The words of constants: threshold, bias, and index of the shift, of V channels each. A
        lane without a channel has only weights −1, so it never speaks.
        """
        words = []
        for layer in self.layers:
            spare = -layer.channels % self.speaks
            channels = {
                "threshold": layer.thresholds.tolist() + [1] * spare,
                "bias": layer.biases.tolist() + [0] * spare,
                "shift": [self.shifts.index(n) for n in layer.shifts.tolist()] + [0] * spare,
            }
            words += [
                {name: each[first : first + self.speaks] for name, each in channels.items()}
                for first in range(0, layer.channels, self.speaks)
            ]
        return words

    @property
    def pools(self) -> bool:
        """There is a pooling."""
        return any(layer.pools for layer in self.layers)

    @property
    def sums(self) -> bool:
        """There is a sum pooling."""
        return any(layer.sums for layer in self.layers)

    @cached_property
    def pool_bits(self) -> int:
        """Bits of a value in a window that is not complete."""
        return max(bits_of(self.top * (each.area if each.sums else 1)) for each in self.layers)


def _coordinate_bits(steps: Steps, size: int) -> int:
    return bits_of(max(steps.end, size) - steps.start)


def bits_of(value: int) -> int:
    """Bits of a number of at least 0; 0 bits for 0."""
    return max(0, value).bit_length()
