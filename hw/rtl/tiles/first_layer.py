"""The first layer as a table: what it is looked up by, and what the table says.

A unit of a convolution sees few pixels of one channel: of 3 × 3 there are 512 patterns of those
that have fired. So a table has, for each pattern, the channels whose potential is at least the
threshold. It says what fires at a place in a step, for all channels at once, without an adder.

Plain Python and NumPy, no Amaranth.

Words: a *window* is a place behind the pooling, its *field* all pixels that it sees.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NoReturn

import numpy as np

from sw.cli import UserError
from sw.encoder import LatencyEncoder
from sw.network import Network
from sw.structure import Conv, First

__all__ = ["MOST_TAPS", "FirstLayer", "first_layer"]

MOST_TAPS = 9  # pixels that a unit sees, at most: the table has 2^9 rows


@dataclass(frozen=True, kw_only=True, eq=False)
class FirstLayer:
    """A convolution of one channel, with all pooling that follows.

    Parameters
    ----------
    index : int
        Of the network's layers the one whose spikes it gives: the last pooling, or the convolution.
    shape : (int, int)
        Height and width of the image.
    kernel, stride, pool : (int, int)
    before : (int, int)
        Padding on top and to the left.
    windows : (int, int)
        How many there are down and across.
    fires : bool [2^taps, channels]
        Row by row, bit y · kw + x of its number set if pixel (y, x) of the kernel has fired.
    """

    index: int
    shape: tuple[int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int]
    pool: tuple[int, int]
    before: tuple[int, int]
    windows: tuple[int, int]
    fires: np.ndarray

    @property
    def channels(self) -> int:
        return self.fires.shape[1]

    @property
    def spontaneous(self) -> bool:
        """Some unit fires in step 0 without any input."""
        return bool(self.fires[0].any())

    @property
    def move(self) -> tuple[int, int]:
        """From one window to the next, in pixels."""
        return self.pool[0] * self.stride[0], self.pool[1] * self.stride[1]

    @property
    def field(self) -> tuple[int, int]:
        """Height and width of a window's field."""
        return (
            (self.pool[0] - 1) * self.stride[0] + self.kernel[0],
            (self.pool[1] - 1) * self.stride[1] + self.kernel[1],
        )

    @property
    def begin(self) -> tuple[int, int]:
        """Row and column of the pixel with which the field of the first window is complete."""
        return self.field[0] - 1 - self.before[0], self.field[1] - 1 - self.before[1]

    @property
    def span(self) -> tuple[int, int]:
        """Rows and columns up to the pixel with which the last window is complete, if the image
        does not go further: those behind the image are of the padding.
        """
        down, across = (
            max(size, begin + (count - 1) * move + 1)
            for size, begin, count, move in zip(
                self.shape, self.begin, self.windows, self.move, strict=True
            )
        )
        return down, across

    @cached_property
    def taps(self) -> list[list[tuple[int, int]]]:
        """Of each place of a window the pixels of the field that its units see, (row, column), in
        the order of the table's bits.
        """
        return [
            [
                (i * self.stride[0] + y, j * self.stride[1] + x)
                for y in range(self.kernel[0])
                for x in range(self.kernel[1])
            ]
            for i in range(self.pool[0])
            for j in range(self.pool[1])
        ]


def first_layer(network: Network, most_channels: int) -> FirstLayer:
    """The first layer of ``network`` as a table, whose rows have ``most_channels`` bits.

    Raises
    ------
    UserError
        It is none that a table can make.
    """
    encoder, (layer, *others) = network.encoder, network.layers
    kind = layer.kind
    if not isinstance(encoder, LatencyEncoder) or not isinstance(kind, Conv):
        _refuse(network, f"pixels through a convolution, layer 0 is {kind}")
    if network.maps[0][0] > 1 or kind.kernel[0] * kind.kernel[1] > MOST_TAPS:
        _refuse(network, f"kernels of at most {MOST_TAPS} pixels of one channel, layer 0 is {kind}")
    if kind.padding[0] >= kind.kernel[0] or kind.padding[2] >= kind.kernel[1]:
        _refuse(network, f"a padding smaller than the kernel, layer 0 is {kind}")
    if kind.channels > most_channels:
        _refuse(network, f"at most {most_channels} channels, layer 0 is {kind}")
    index, pool = 0, (1, 1)
    for each in others:
        if not isinstance(each.kind, First):
            break
        index, pool = index + 1, (pool[0] * each.kind.kernel[0], pool[1] * each.kind.kernel[1])
    taps = kind.kernel[0] * kind.kernel[1]
    pattern = np.arange(1 << taps)[:, None] >> np.arange(taps) & 1
    potential = pattern @ np.where(layer.weight, 1, -1).T
    result = FirstLayer(
        index=index,
        shape=network.maps[0][1:],
        kernel=kind.kernel,
        stride=kind.stride,
        pool=pool,
        before=(kind.padding[0], kind.padding[2]),
        windows=network.maps[index + 1][1:],
        fires=potential >= layer.threshold,
    )
    if result.span[1] < 2:
        _refuse(network, "images of more than one column")
    return result


def _refuse(network: Network, reason: str) -> NoReturn:
    raise UserError(
        f"network {network.name!r}: a first layer as a table takes {reason}; take tiles without one"
    )
