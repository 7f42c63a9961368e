"""What the timing rule computes for networks with layers on maps, in plain PyTorch, for any device.

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
from collections.abc import Callable, Sequence
from functools import reduce
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

from sw.rules.neuron import convolved
from sw.rules.timing import ReadOut
from sw.structure import Conv, Dense, First, Map, Pair, Structure

__all__ = [
    "Block",
    "Layer",
    "Part",
    "Seen",
    "Source",
    "Trace",
    "arrived",
    "blocks",
    "fired",
    "gradients",
    "outputs",
    "run",
    "survey",
]

_CHUNK = 8  # steps held at a time
_HALF = 2048  # integers up to it are exact in half precision
_LANES = 8  # multiples of so many channels are what tensor cores take in half precision


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

    def forms(self, single: bool) -> tuple[torch.dtype, torch.dtype]:
        """What spikes and errors are multiplied in; ``single``: no input fires twice."""
        half = single and isinstance(self.block.kind, Conv) and self.weight.shape[1] <= _HALF
        if half and self.weight.is_cuda:
            return torch.float16, torch.bfloat16
        return self.weight.dtype, self.weight.dtype


class Seen(NamedTuple):
    """What a read-out sees of each window: the unit that peaks highest up to it, when, and how far
    from its threshold. All [B, rows, columns, channels].
    """

    place: Tensor  # integer, step · (units of a window) + unit of the window, row by row
    margin: Tensor  # in units of the spread; at least 0 if the window has fired


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
        if not isinstance(kind, First):
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


def survey(layer: Layer, source: Source, count: int, steps: int) -> Trace:
    """Runs one block alone on ``count`` examples, for a read-out of the last step."""
    running = _Running(layer, count, steps)
    for first in range(0, steps, _CHUNK):
        running.advance(source(first, min(_CHUNK, steps - first)), first, single=False)
        running.look(first, torch.full((count, 1), steps, device=running.times.device))
    return running.trace()


def outputs(trace: Trace) -> tuple[Tensor, Tensor, Tensor]:
    """Of a dense block, as the second read-out sees it: spike times int64, margins and effective
    steps int64 (the spike, or if there is none by the read-out the step where the potential peaks),
    [B, N] each.
    """
    fires, seen = trace.times[:, 0, 0].long(), trace.seen[1]
    margin, peak = seen.margin[:, 0, 0], seen.place[:, 0, 0].long()
    return fires, margin, torch.where(margin >= 0, fires, peak)


def run(
    layers: Sequence[Layer],
    inputs: Source,
    draw: Tensor,
    steps: int,
    single: bool,
    from_start: bool,
) -> tuple[list[Trace], ReadOut]:
    """Runs a network.

    Parameters
    ----------
    draw : [B, 1], 0 … 1
        Where the second read-out lies in t* … T−1, or in 0 … T−1 if ``from_start``.
    single : bool
        No input fires twice.
    """
    running = [_Running(layer, len(draw), steps) for layer in layers]
    outputs = running[-1]
    margins = [torch.zeros_like(outputs.seen[0].margin[:, 0, 0]) for _ in range(2)]
    for first in range(0, steps, _CHUNK):
        size = min(_CHUNK, steps - first)
        spikes = inputs(first, size)
        for index, block in enumerate(running):
            block.advance(spikes, first, single=single or index > 0)
            spikes = fired(block.times)(first, size)
        # Of an image without a decision so far the last step: all up to here counts
        decision = outputs.times.flatten(1).long().amin(dim=1, keepdim=True).clamp(max=steps - 1)
        earliest = torch.zeros_like(decision) if from_start else decision
        later = earliest + (draw * (steps - earliest)).long()
        later = later.clamp(max=steps - 1)  # the product may round up to the next integer
        for block in running:
            block.look(first, torch.minimum(decision, later), torch.maximum(decision, later))
        for index, step in enumerate((decision, later)):
            inside = (step >= first) & (step < first + size)
            at = (step - first).clamp(0, size - 1).expand_as(margins[index])
            now = outputs.now[:, :, 0, 0].gather(0, at[None])[0]
            margins[index] = torch.where(inside, now, margins[index])
    return [block.trace() for block in running], ReadOut(decision, later, *margins)


class _Running:
    """One block while time is walked."""

    def __init__(self, layer: Layer, count: int, steps: int) -> None:
        shape, weight = (count, *layer.block.shape), layer.weight
        self.layer, self.steps = layer, steps
        self.values = steps * count * math.prod(layer.block.output[1:])  # potentials of a channel
        self.total, self.squares = (weight.new_zeros(shape[-1]) for _ in range(2))
        self.times = torch.full(shape, steps, dtype=torch.int16, device=weight.device)
        most = steps * math.prod(layer.block.window)
        self.form = torch.int16 if most < 1 << 15 else torch.int32  # of places
        nothing = Seen(
            torch.zeros(shape, dtype=self.form, device=weight.device),
            torch.full_like(weight.new_empty(()), -math.inf).expand(shape),
        )
        self.seen = [nothing, nothing]

    def advance(self, spikes: Tensor, first: int, single: bool) -> None:
        """To the end of a chunk: potentials, of which the highest of each window stay, spikes."""
        layer, size = self.layer, len(spikes)
        potentials = _potentials(layer, spikes, single)
        places, form = (0, 1, 2, 3), self.total.dtype
        self.total += potentials.sum(dim=places, dtype=form)
        self.squares += torch.linalg.vector_norm(potentials, dim=places, dtype=form).square()
        best, self.unit = _highest(potentials, layer.block.window, self.form)
        self.now = (best.to(layer.weight.dtype) - layer.threshold) / layer.spread
        step = torch.arange(first, first + size, dtype=torch.int16, device=spikes.device)
        fires = torch.where(self.now >= 0, step.view(-1, 1, 1, 1, 1), self.steps).amin(dim=0)
        self.times = torch.minimum(self.times, fires.to(torch.int16))

    def look(self, first: int, *reads: Tensor) -> None:
        """What read-outs at the steps [B, 1] see by the end of the chunk."""
        units = math.prod(self.layer.block.window)
        for index, read in enumerate(reads):
            place, margin = self.seen[index]
            for slot, now in enumerate(self.now):
                rises = (now > margin) & (first + slot <= read[:, :, None, None])
                place = torch.where(rises, (first + slot) * units + self.unit[slot], place)
                margin = torch.where(rises, now, margin)
            self.seen[index] = Seen(place, margin)

    def trace(self) -> Trace:
        mean = self.total / self.values
        variance = (self.squares / self.values - mean.square()).clamp(min=0)
        return Trace(self.times, tuple(self.seen), mean, variance.sqrt().mean())


def _potentials(layer: Layer, spikes: Tensor, single: bool) -> Tensor:
    """The potentials [size, B, rows, columns, channels] that ``spikes``, likewise, give."""
    kind, (dtype, _) = layer.block.kind, layer.forms(single)
    maps = spikes.flatten(0, 1).permute(0, 3, 1, 2).to(dtype)
    weight = layer.weight.to(dtype)
    if isinstance(kind, Conv):
        result = convolved(maps, weight, kind).permute(0, 2, 3, 1)
    else:
        result = (maps.flatten(1) @ weight.T)[:, None, None]
    return result.unflatten(0, spikes.shape[:2])


def _highest(potentials: Tensor, window: Pair, form: torch.dtype) -> tuple[Tensor, Tensor]:
    """The highest potential of each window [size, B, rows, columns, channels], and the unit of the
    window that has it, of type ``form``; of equal ones the first, row by row.
    """
    slices = [_unit(potentials, window, unit) for unit in range(math.prod(window))]
    best, unit = slices[0], torch.zeros_like(slices[0], dtype=form)
    for index, other in enumerate(slices[1:], 1):
        unit = torch.where(other > best, index, unit)
        best = torch.maximum(best, other)
    return best, unit


def gradients(
    layers: Sequence[Layer],
    traces: Sequence[Trace],
    read: ReadOut,
    parts: Sequence[Part],
    inputs: Source,
    steps: int,
    single: bool,
    decays: tuple[float, float],
) -> list[tuple[Tensor, Tensor]]:
    """Gradients of weights and thresholds of each layer, from the ``parts`` of the output error.

    Thresholds count from the mean of their channel's potentials. An error moves that mean too: at
    every place and step by its share, which is taken off there.

    Parameters
    ----------
    single : bool
        No input fires twice.
    decays : (float, float)
        How fast the error of a hidden window fades with its margin: below and above the threshold.
    """
    result: list[tuple[Tensor, Tensor]] = []
    count = len(read.decision)
    sources = [inputs, *(fired(trace.times) for trace in traces[:-1])]
    for index in reversed(range(len(layers))):
        layer = layers[index]
        total = reduce(torch.add, (part.error.sum(dim=(0, 1, 2)) for part in parts))
        shared = total / (steps * count * math.prod(layer.block.output[1:]))
        by_weight = torch.zeros_like(layer.weight)
        before = traces[index - 1] if index else None
        passed = [torch.zeros_like(seen.margin) for seen in before.seen] if before else []
        for first in range(0, steps, _CHUNK):
            size = min(_CHUNK, steps - first)
            error = _placed(layer, parts, shared, first, size, single or index > 0)
            spikes = sources[index](first, size)
            at_inputs, found = _pulled_back(layer, error, spikes, further=index > 0)
            by_weight += found
            for which, sum_ in enumerate(passed):
                assert before is not None
                assert at_inputs is not None
                counts = _counts(before, layers[index - 1].block, which, read, first, size)
                sum_ += (at_inputs * counts).sum(dim=0, dtype=sum_.dtype)
        result.append((by_weight / -count, total / count))
        if before:
            parts = [
                Part(error * _faded(seen.margin, *decays), seen.place)
                for error, seen in zip(passed, before.seen, strict=True)
            ]
    return result[::-1]


def _counts(trace: Trace, block: Block, which: int, read: ReadOut, first: int, size: int) -> Tensor:
    """Whether an error at each step of a chunk concerns what read-out ``which`` sees of a window:
    from its spike on, or from its peak if it is silent up to the read-out; of the first read-out up
    to its step, of the second beyond. bool [size, B, rows, columns, channels]
    """
    seen = trace.seen[which]
    peak = seen.place // math.prod(block.window)
    since = torch.where(seen.margin >= 0, trace.times, peak)
    step = torch.arange(first, first + size, device=since.device).view(-1, 1, 1, 1, 1)
    beyond = step > read.first[:, :, None, None]
    return (since <= step) & (beyond if which else ~beyond)


def _faded(margin: Tensor, below: float, above: float) -> Tensor:
    return torch.where(margin < 0, below * margin, -above * margin).exp()


def _placed(
    layer: Layer, parts: Sequence[Part], shared: Tensor, first: int, size: int, single: bool
) -> Tensor:
    """The errors of ``parts`` at their units and steps of a chunk, less what all units share at
    each step: [size, B, rows, columns, channels].
    """
    channels, rows, columns = layer.block.output
    count, form = len(parts[0].error), layer.forms(single)[1]
    result = (-shared).to(form).expand(size, count, rows, columns, channels).clone()
    window = layer.block.window
    units = math.prod(window)
    step = torch.arange(first, first + size, device=shared.device).view(-1, 1, 1, 1, 1)
    for unit in range(units):
        target = _unit(result, window, unit)
        for part in parts:
            target += part.error.to(form) * (part.place == step * units + unit)
    return result


def _unit(maps: Tensor, window: Pair, unit: int) -> Tensor:
    """A view of one unit of each window of ``maps`` [size, B, rows, columns, channels]."""
    (high, wide), (_, _, rows, columns, _) = window, maps.shape
    down, across = divmod(unit, wide)
    return maps[:, :, down : rows // high * high : high, across : columns // wide * wide : wide]


def _pulled_back(
    layer: Layer, error: Tensor, spikes: Tensor, further: bool
) -> tuple[Tensor | None, Tensor]:
    """What arrives at the inputs [size, B, rows, columns, channels], if it goes ``further``, and
    the sum for each weight [rows, columns].
    """
    kind, weight = layer.block.kind, layer.weight.to(error.dtype)
    maps = spikes.flatten(0, 1).permute(0, 3, 1, 2).to(error.dtype)
    error = error.flatten(0, 1).permute(0, 3, 1, 2)
    if isinstance(kind, Dense):
        flat = error.flatten(1)
        found = flat.T @ maps.flatten(1)
        arrived = (flat @ weight).view(maps.shape) if further else None
    else:
        arrived, found = _through(kind, error, maps, weight, further)
    if arrived is not None:
        arrived = arrived.permute(0, 2, 3, 1).unflatten(0, spikes.shape[:2])
    return arrived, found.to(layer.weight.dtype)


def _through(
    kind: Conv, error: Tensor, maps: Tensor, weight: Tensor, further: bool
) -> tuple[Tensor | None, Tensor]:
    """The two gradients of :func:`sw.rules.neuron.convolved`."""
    top, bottom, left, right = kind.padding
    channels, rows, columns = maps.shape[1:]
    padding = [top, left]
    if (top, left) != (bottom, right):
        maps, padding = functional.pad(maps, (left, right, top, bottom)), [0, 0]
    filters = weight.view(len(weight), channels, *kind.kernel)
    if maps.dtype == torch.bfloat16:
        spare = (0, 0, 0, 0, 0, -channels % _LANES)
        maps, filters = functional.pad(maps, spare), functional.pad(filters, spare)
        maps = maps.contiguous(memory_format=torch.channels_last)
    nothing, all_steps, one = [0, 0], [1, 1], 1
    arrived, found, _ = torch.ops.aten.convolution_backward(
        *(error, maps, filters, None, kind.stride, padding, all_steps, False, nothing, one),
        [further, True, False],
    )
    if further:
        above, before = (0, 0) if padding == [top, left] else (top, left)
        arrived = arrived[:, :channels, above : above + rows, before : before + columns]
    return arrived if further else None, found[:, :channels].flatten(1)
