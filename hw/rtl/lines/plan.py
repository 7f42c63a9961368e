"""The plan of the lines engine: a network's layers as stages, and the rows of constants that each
goes through. The RTL, the cycle model, the estimate, the loader and the tests all read it. Plain
Python and NumPy, no Amaranth.

Words: a *place* is a coordinate of a map; places come row by row, and at each one its channels one
after another. A *tap* is an input that a unit sees. A *table* is a list of rows, one for each
evaluation of a place, in their order.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeAlias

import numpy as np

from hw.rtl.memories import COLUMN, packed
from sw.network import Layer, Network
from sw.structure import Conv, First, Map, Pair

__all__ = ["ConvPlan", "DensePlan", "PoolPlan", "Stage", "Table", "plan_network"]


# What they cost in an ASIC, in NAND2 equivalents: a flip-flop that keeps its value, and a choice of
# one more bit.
_BIT, _CHOICE = 6, 2


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """Rows of bits.

    Parameters
    ----------
    bits : bool [rows, width]
    cycle : int
        The index of a row is two numbers, ``index % cycle`` and ``index // cycle``.
    """

    bits: np.ndarray
    cycle: int

    @property
    def rows(self) -> int:
        return self.bits.shape[0]

    @property
    def width(self) -> int:
        return self.bits.shape[1]

    @property
    def words_per_row(self) -> int:
        """Words that are loaded for each row; the last may have bits to spare."""
        return -(-self.width // COLUMN)

    @property
    def words(self) -> np.ndarray:
        """All of them, uint16, row by row, the lowest bits first."""
        return packed(self.bits, self.words_per_row)


@dataclass(frozen=True, kw_only=True, eq=False)
class ConvPlan:
    """A convolution, with the pooling behind it where that is smaller than a stage of its own.

    A row of places is followed by as many that never fire as are needed on either side: these are
    the border of one row and of the next.

    Parameters
    ----------
    index : int
        Of the layer, as the network counts them.
    layer : Layer
    inputs, outputs : Map
        Before the convolution, and behind the pooling; what is dropped by a pooling is left out.
    window : (int, int)
        Of the pooling; (1, 1) without one. The units of a window are evaluated one after another
        when all that they see is there.
    """

    index: int
    layer: Layer
    inputs: Map
    outputs: Map
    window: Pair

    @property
    def kind(self) -> Conv:
        assert isinstance(self.layer.kind, Conv)
        return self.layer.kind

    @property
    def last(self) -> int:
        """Index of the layer whose spikes it gives."""
        return self.index + (self.window != (1, 1))

    @property
    def evaluations(self) -> int:
        """Units that are evaluated for an image."""
        return math.prod(self.outputs) * math.prod(self.window)

    @property
    def state_bits(self) -> int:
        """What is kept from place to place."""
        return self.kept

    @property
    def channels(self) -> int:
        return self.outputs[0]

    @property
    def border(self) -> int:
        """Places behind each row that never fire."""
        return max(self.kind.padding[2:])

    @property
    def grid(self) -> Pair:
        """Rows and columns of places, with those that never fire."""
        _, height, width = self.inputs
        top, bottom, *_ = self.kind.padding
        return top + height + bottom, width + self.border

    @property
    def seen(self) -> Pair:
        """Rows and columns of places that the units of a window see."""
        down, across = (
            kernel + (window - 1) * stride
            for kernel, window, stride in zip(
                self.kind.kernel, self.window, self.kind.stride, strict=True
            )
        )
        return down, across

    @property
    def kept(self) -> int:
        """Bits of the lines: from the first place that a window sees to the last one."""
        down, across = self.seen
        return ((down - 1) * self.grid[1] + across) * self.inputs[0]

    @property
    def taps(self) -> int:
        """Inputs of a unit."""
        return self.layer.inputs

    def tap(self, position: int) -> list[int]:
        """Where the inputs of the unit at ``position`` of a window lie in the lines, 0 being what
        came last; in the order of the weights.
        """
        (kernel_down, kernel_across), (stride_down, stride_across) = (
            self.kind.kernel,
            self.kind.stride,
        )
        row, column = divmod(position, self.window[1])
        down, across = self.seen
        channels, columns = self.inputs[0], self.grid[1]
        return [
            ((down - 1 - y - row * stride_down) * columns + across - 1 - x - column * stride_across)
            * channels
            + channels
            - 1
            - channel
            for channel in range(channels)
            for y in range(kernel_down)
            for x in range(kernel_across)
        ]

    @property
    def due(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Rows and columns of places that are the last ones which a window sees."""
        rows, columns = (
            tuple(last - 1 - before + each * window * stride for each in range(outputs))
            for last, before, outputs, window, stride in zip(
                self.seen,
                (0, self.kind.padding[2]),  # rows above count, columns on the left do not
                self.outputs[1:],
                self.window,
                self.kind.stride,
                strict=True,
            )
        )
        return rows, columns

    @property
    def least_matches(self) -> np.ndarray:
        """A unit fires if at least so many inputs match their weights: fired with +1, or did not
        with −1. V = matches − (number of −1 weights). 0 … taps + 1.
        """
        least = self.layer.threshold.astype(np.int64) + (~self.layer.weight).sum(axis=1)
        return least.clip(0, self.taps + 1)

    @property
    def constant_bits(self) -> int:
        return (self.taps + 1).bit_length()

    @cached_property
    def tables(self) -> tuple[Table, Table]:
        """Weights, and the matches that a unit needs, of each channel."""
        return (
            Table(bits=self.layer.weight, cycle=self.channels),
            Table(bits=_bits(self.least_matches, self.constant_bits), cycle=self.channels),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class PoolPlan:
    """A pooling behind a convolution, as a stage of its own: it keeps what has fired of a window so
    far, of a row of windows.

    Parameters
    ----------
    index : int
        Of the layer, as the network counts them.
    inputs, outputs : Map
        Windows cover the inputs.
    window : (int, int)
    """

    index: int
    inputs: Map
    outputs: Map
    window: Pair

    taps = 0
    evaluations = 0
    tables: tuple[Table, ...] = ()

    @property
    def last(self) -> int:
        """Index of the layer whose spikes it gives."""
        return self.index

    @property
    def beside(self) -> int:
        """Bits kept from one place to the next of the same window."""
        return self.inputs[0] * (self.window[1] > 1)

    @property
    def above(self) -> int:
        """Bits kept from one row to the next of the same windows."""
        return self.inputs[0] * self.outputs[2] * (self.window[0] > 1)

    @property
    def state_bits(self) -> int:
        """What is kept from place to place."""
        return self.beside + self.above


@dataclass(frozen=True, kw_only=True, eq=False)
class DensePlan:
    """A dense layer.

    Parameters
    ----------
    index : int
        Of the layer, as the network counts them.
    layer : Layer
    inputs : Map
    """

    index: int
    layer: Layer
    inputs: Map

    @property
    def last(self) -> int:
        """Index of the layer whose spikes it gives."""
        return self.index

    @property
    def evaluations(self) -> int:
        """Sums that are made for an image."""
        return self.places * self.units

    @property
    def state_bits(self) -> int:
        """What is kept from place to place."""
        return self.taps + (self.places > 1) * self.units * self.margin_bits

    @property
    def units(self) -> int:
        return self.layer.outputs

    @property
    def taps(self) -> int:
        """Inputs of a unit that come with a place."""
        return self.inputs[0]

    @property
    def places(self) -> int:
        return self.inputs[1] * self.inputs[2]

    @property
    def start(self) -> np.ndarray:
        """``V − θ`` of each unit if no input matches its weight; each match adds 1."""
        return -self.layer.threshold.astype(np.int64) - (~self.layer.weight).sum(axis=1)

    @property
    def margin_bits(self) -> int:
        """Of ``V − θ``, signed, of any unit."""
        ends = self.start.min(), self.start.max() + self.layer.inputs
        return max(int(end if end >= 0 else ~end).bit_length() for end in ends) + 1

    @cached_property
    def tables(self) -> tuple[Table, Table]:
        """Weights of each unit at each place, and the margin that each unit starts with."""
        weight = self.layer.weight.reshape(self.units, self.taps, self.places)
        rows = weight.transpose(2, 0, 1).reshape(-1, self.taps)
        return (
            Table(bits=rows, cycle=self.units),
            Table(bits=_bits(self.start, self.margin_bits), cycle=self.units),
        )


Stage: TypeAlias = ConvPlan | PoolPlan | DensePlan


def plan_network(network: Network) -> tuple[Stage, ...]:
    """The stages, from the inputs to the output layer.

    Raises
    ------
    ValueError
        The layers are none that the engine can make; what and which, for people.
    """
    return tuple(_stages(network.layers, network.maps))


def _stages(layers: Sequence[Layer], maps: Sequence[Map]) -> Iterator[Stage]:
    for index, layer in enumerate(layers):
        kind, before = layer.kind, index and layers[index - 1].kind
        if isinstance(kind, First):
            if not isinstance(before, Conv):
                raise ValueError(f"pools behind a convolution only, layer {index} is {kind}")
            continue
        if isinstance(kind, Conv):
            following = layers[index + 1].kind
            down, across = kind.kernel
            top, bottom, left, right = kind.padding
            if max(top, bottom) >= down or max(left, right) >= across:
                raise ValueError(
                    f"takes a padding smaller than the kernel, layer {index} is {kind}"
                )
            alone = ConvPlan(
                index=index,
                layer=layer,
                inputs=maps[index],
                outputs=maps[index + 1],
                window=(1, 1),
            )
            if isinstance(following, First):
                yield from _pooled(alone, following, maps[index + 2])
            else:
                yield alone
        else:
            yield DensePlan(index=index, layer=layer, inputs=maps[index])


def _pooled(alone: ConvPlan, pooling: First, outputs: Map) -> Iterator[Stage]:
    """A convolution and the pooling behind it, in the way that costs less. What the pooling drops
    is not evaluated.
    """
    both = replace(alone, outputs=outputs, window=pooling.kernel)
    channels, rows, columns = outputs
    used = channels, rows * pooling.kernel[0], columns * pooling.kernel[1]
    alone = replace(alone, outputs=used)
    pool = PoolPlan(index=alone.index + 1, inputs=used, outputs=outputs, window=pooling.kernel)
    more = both.kept - alone.kept
    choices = (math.prod(pooling.kernel) - 1) * alone.taps
    if _BIT * more + _CHOICE * choices <= _BIT * pool.state_bits:
        yield both
    else:
        yield from (alone, pool)


def _bits(values: np.ndarray, width: int) -> np.ndarray:
    """Integers as rows of bits, the lowest first; negative ones in two's complement."""
    return (values[:, None] >> np.arange(width) & 1).astype(bool)
