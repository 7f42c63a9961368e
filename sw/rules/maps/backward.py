"""The backward pass of the timing rule in networks with layers on maps."""

import math
from collections.abc import Sequence
from functools import reduce

import torch
from torch import Tensor
from torch.nn import functional

from sw.rules.maps.block import CHUNK, Block, Layer, Part, Source, Trace, fired, unit_of
from sw.rules.timing import ReadOut
from sw.structure import Conv, Dense

__all__ = ["gradients"]

_LANES = 8  # multiples of so many channels are what tensor cores take in half precision


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
        by_weight: Tensor | None = None
        before = traces[index - 1] if index else None
        passed = [torch.empty_like(seen.margin) for seen in before.seen] if before else []
        for first in range(0, steps, CHUNK):
            size = min(CHUNK, steps - first)
            error = _placed(layer, parts, shared, first, size, single or index > 0)
            last = first + size == steps
            spikes = sources[index](first, size)
            at_inputs, found = _pulled_back(layer, error, spikes, further=index > 0)
            by_weight = found if by_weight is None else by_weight + found
            if before:
                assert at_inputs is not None
                fading = decays if last else None
                _arriving(at_inputs, before, layers[index - 1], read, first, passed, fading)
        assert by_weight is not None  # there are steps
        result.append((by_weight / -count, total / count))
        if before:
            parts = [
                Part(error, seen.place) for error, seen in zip(passed, before.seen, strict=True)
            ]
    return result[::-1]


def _arriving(
    error: Tensor,
    trace: Trace,
    layer: Layer,
    read: ReadOut,
    first: int,
    sums: Sequence[Tensor],
    decays: tuple[float, float] | None,
) -> None:
    """Adds to ``sums``, which begin at step 0, what a chunk's ``error`` means to what each read-out
    sees of ``layer``; with ``decays``, after the last chunk, it fades with the margins.
    """
    if layer.fused:
        from sw.rules.kernels import maps as kernels  # Triton comes with PyTorch for GPUs only

        seen = (*trace.seen[0], *trace.seen[1])
        window, (one, other) = layer.block.window, sums
        error = error.contiguous()
        kernels.arriving(error, trace.times, seen, read.first, window, first, (one, other), decays)
        return
    for which, total in enumerate(sums):
        counts = _counts(trace, layer.block, which, read, first, len(error))
        now = (error * counts).sum(dim=0, dtype=total.dtype)
        total.copy_(now if first == 0 else total + now)
        if decays:
            total *= _faded(trace.seen[which].margin, *decays)


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
    window = layer.block.window
    if layer.fused and len(parts) == 2:  # the outputs have three, of other shapes
        from sw.rules.kernels import maps as kernels

        result = shared.new_empty(size, count, rows, columns, channels, dtype=form)
        (one, at_one), (other, at_other) = parts
        kernels.placed(result, shared, (one, other), (at_one, at_other), window, first)
        return result
    result = (-shared).to(form).expand(size, count, rows, columns, channels).clone()
    units = math.prod(window)
    step = torch.arange(first, first + size, device=shared.device).view(-1, 1, 1, 1, 1)
    for unit in range(units):
        target = unit_of(result, window, unit)
        for part in parts:
            target += part.error.to(form) * (part.place == step * units + unit)
    return result


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
        if spare := -channels % _LANES:
            more = (0, 0, 0, 0, 0, spare)
            maps, filters = functional.pad(maps, more), functional.pad(filters, more)
        maps = maps.contiguous(memory_format=torch.channels_last)
    dilation, transposed, output_padding, groups = [1, 1], False, [0, 0], 1
    arrived, found, _ = torch.ops.aten.convolution_backward(
        *(error, maps, filters, None, kind.stride, padding),
        *(dilation, transposed, output_padding, groups),
        [further, True, False],
    )
    if further:
        above, before = (0, 0) if padding == [top, left] else (top, left)
        arrived = arrived[:, :channels, above : above + rows, before : before + columns]
    return arrived if further else None, found[:, :channels].flatten(1)
