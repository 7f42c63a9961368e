"""Blocks of a network with layers on maps, and what the timing rule keeps of them.

A *block* is a layer with weights and the first-spike pooling that follows it; what the next block
sees of it are windows of units (of one unit without pooling). A dense layer is a block whose map
has one place. Time is walked in chunks of eight steps, and between forward and backward a window
has a spike time and two effective steps: memory does not grow with T.

What has fired by step k has a potential whose peak up to k lies above the threshold, so errors at
steps up to k concern the step of that peak, for units that fired as for silent ones. Two read-outs
per image look at the outputs, so every window keeps the peak up to the first of them and the peak
up to the second: its effective steps, and their margins.

Maps are held place by place, the channels last, as GPUs like them: ``[B, rows, columns, channels]``
and with the steps of a chunk first ``[size, B, rows, columns, channels]``. Spikes, signs and their
sums are exact in half precision up to 2,048 summands; that is what a GPU gets for convolutions, and
bfloat16 for errors, whose range is wide and whose rounding is far below the noise of a batch.
"""

import math
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

from sw.structure import Conv, Dense, Map, Pair, Pooling, Structure

__all__ = [
    "CHUNK",
    "HALF",
    "Block",
    "Layer",
    "Part",
    "Seen",
    "Source",
    "Trace",
    "arrived",
    "blocks",
    "fired",
    "seen_by_none",
    "unit_of",
]

CHUNK = 8  # steps held at a time
HALF = 2048  # integers up to it are exact in half precision


class Block(NamedTuple):
    """A layer with weights, and the pooling after it."""

    kind: Conv | Dense
    inputs: Map
    output: Map  # of the units
    window: Pair  # (1, 1) for no pooling

    @property
    def weights(self) -> Pair:
        """Rows and columns of the weights."""
        return self.kind.weights(self.inputs)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Rows, columns and channels of the windows."""
        channels, rows, columns = self.output
        return rows // self.window[0], columns // self.window[1], channels


class Layer(NamedTuple):
    """A block with its parameters."""

    block: Block
    weight: Tensor  # what spikes meet, [rows, columns] as sw.structure has them
    threshold: Tensor  # broadcastable to [B, rows, columns, channels] of the windows
    spread: Tensor  # []
    fused: bool = False  # by the kernels of sw/rules/kernels/maps.py

    def forms(self, single: bool) -> tuple[torch.dtype, torch.dtype]:
        """What spikes and errors are multiplied in; ``single``: no input fires twice."""
        half = single and isinstance(self.block.kind, Conv) and self.weight.shape[1] <= HALF
        if half and self.weight.is_cuda:
            return torch.float16, torch.bfloat16
        return self.weight.dtype, self.weight.dtype


class Seen(NamedTuple):
    """What a read-out sees of each window: the unit that peaks highest up to it, when, and how far
    from its threshold. All [B, rows, columns, channels].
    """

    place: Tensor  # integer, step · (units of a window) + unit of the window, row by row
    margin: Tensor  # in units of the spread; at least 0 if the window has fired


def seen_by_none(layer: Layer, count: int, steps: int) -> Seen:
    """Before the first step; for kernels, which begin anew there, whatever memory holds."""
    block, like = layer.block, layer.weight
    form = torch.int16 if steps * math.prod(block.window) < 1 << 15 else torch.int32
    place = torch.empty(count, *block.shape, dtype=form, device=like.device)
    margin = torch.empty_like(place, dtype=like.dtype)
    return Seen(place, margin) if layer.fused else Seen(place.zero_(), margin.fill_(-math.inf))


class Trace(NamedTuple):
    """What a block keeps of its forward pass."""

    times: Tensor  # of the windows, int16 [B, rows, columns, channels], T for never
    seen: tuple[Seen, ...]  # up to the first and the second read-out
    mean: Tensor  # of the potentials over examples, places and steps, [channels]
    spread: Tensor  # their deviation about it, the mean over channels, []


class Part(NamedTuple):
    """A part of a block's error, each window's at one of its units and one step."""

    error: Tensor  # [B, rows, columns, channels]
    place: Tensor  # as Seen has it, or broadcastable to it


def blocks(structure: Structure) -> tuple[Pair, list[Block]]:
    """The window of a pooling of the inputs, and the blocks of ``structure``. Pooling twice is
    pooling with the product of the windows.
    """
    before: Pair = (1, 1)
    result: list[Block] = []
    for kind, inputs, output in zip(
        structure.kinds, structure.maps, structure.maps[1:], strict=False
    ):
        if not isinstance(kind, Pooling):
            result.append(Block(kind, inputs, output, (1, 1)))
            continue
        window = result[-1].window if result else before
        window = window[0] * kind.kernel[0], window[1] * kind.kernel[1]
        if result:
            result[-1] = result[-1]._replace(window=window)
        else:
            before = window
    return before, result


Source: TypeAlias = Callable[[int, int], Tensor]
"""What a block reads: whether, or how often, each of its inputs has fired by the end of the steps
``first`` … ``first + size − 1``, [size, B, rows, columns, channels]."""


def arrived(inputs: Tensor, form: Map, window: Pair) -> Source:
    """The spikes of a network's inputs.

    Parameters
    ----------
    inputs : integer [B, N] or [B, T, N]
        As :func:`sw.rules.neuron.spiked` takes them.
    form : Map
        Of the inputs.
    window : (int, int)
        Of a pooling of the inputs.
    """

    def read(first: int, size: int) -> Tensor:
        if inputs.dim() == 2:
            steps = torch.arange(first, first + size, device=inputs.device)
            counts = (inputs <= steps[:, None, None]).float()
        else:
            before = inputs[:, :first].sum(dim=1, dtype=torch.float32)
            now = inputs[:, first : first + size].cumsum(dim=1, dtype=torch.float32)
            counts = (before[:, None] + now).transpose(0, 1)
        maps = counts.reshape(-1, *form)
        if window != (1, 1):
            maps = functional.max_pool2d(maps.clamp(max=1), window)
        return maps.permute(0, 2, 3, 1).unflatten(0, (size, -1))

    return read


def fired(times: Tensor) -> Source:
    """The spikes of windows, by their ``times`` [B, rows, columns, channels]."""

    def read(first: int, size: int) -> Tensor:
        step = torch.arange(first, first + size, dtype=times.dtype, device=times.device)
        return times <= step.view(-1, 1, 1, 1, 1)

    return read


def unit_of(maps: Tensor, window: Pair, unit: int) -> Tensor:
    """A view of one unit of each window of ``maps`` [size, B, rows, columns, channels]."""
    (high, wide), (_, _, rows, columns, _) = window, maps.shape
    down, across = divmod(unit, wide)
    return maps[:, :, down : rows // high * high : high, across : columns // wide * wide : wide]
