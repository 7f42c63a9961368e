"""The forward pass of the timing rule in networks with layers on maps."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from sw.rules import timing
from sw.rules.maps.block import CHUNK, Layer, Seen, Source, Trace, fired, seen_by_none, unit_of
from sw.rules.neuron import convolved
from sw.rules.timing import ReadOut
from sw.structure import Conv, Pair

__all__ = ["outputs", "run", "survey"]


def survey(layer: Layer, source: Source, count: int, steps: int) -> Trace:
    """Runs one block alone on ``count`` examples, for a read-out of the last step."""
    running = _Running(layer, count, steps)
    end = torch.full((count, 1), steps, device=running.times.device)
    for first in range(0, steps, CHUNK):
        running.advance(source(first, min(CHUNK, steps - first)), first, single=False)
        running.look(first, (end, end))
    return running.trace()


def outputs(trace: Trace) -> timing.Trace:
    """Of a dense block, as the second read-out sees it: spike times, effective steps (the spike, or
    if there is none by the read-out the step where the potential peaks), margins there.
    """
    fires, seen = trace.times[:, 0, 0].long(), trace.seen[1]
    margin, peak = seen.margin[:, 0, 0], seen.place[:, 0, 0].long()
    return timing.Trace(fires, torch.where(margin >= 0, fires, peak), margin)


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
    for first in range(0, steps, CHUNK):
        size = min(CHUNK, steps - first)
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
            block.look(first, (torch.minimum(decision, later), torch.maximum(decision, later)))
        reached = outputs.now[:, :, 0, 0]
        for index, step in enumerate((decision, later)):
            inside = (step >= first) & (step < first + size)
            at = (step - first).clamp(0, size - 1).expand_as(margins[index])
            now = reached.gather(0, at[None])[0]
            margins[index] = torch.where(inside, now, margins[index])
    at_decision, at_later = margins
    read_out = ReadOut(decision, later, at_decision, at_later, reached[-1])
    return [block.trace() for block in running], read_out


class _Running:
    """One block while time is walked."""

    def __init__(self, layer: Layer, count: int, steps: int) -> None:
        shape, weight = (count, *layer.block.shape), layer.weight
        self.layer, self.steps = layer, steps
        self.values = steps * count * math.prod(layer.block.output[1:])  # potentials of a channel
        self.total = self.squares = weight.new_zeros(())
        self.times = torch.full(shape, steps, dtype=torch.int16, device=weight.device)
        self.seen = [seen_by_none(layer, count, steps) for _ in range(2)]

    def advance(self, spikes: Tensor, first: int, single: bool) -> None:
        """To the end of a chunk: potentials, of which the highest of each window stay, spikes."""
        layer = self.layer
        potentials = _potentials(layer, spikes, single)
        if layer.fused:
            from sw.rules.kernels import maps as kernels  # Triton comes with PyTorch for GPUs only

            self.best = potentials.contiguous()
            total, squares = kernels.moments(self.best)
            kernels.fire(self.best, layer.threshold, self.times, layer.block.window, first)
        else:
            places, form = (0, 1, 2, 3), self.total.dtype
            total = potentials.sum(dim=places, dtype=form)
            squares = torch.linalg.vector_norm(potentials, dim=places, dtype=form).square()
            self._fire(potentials, first)
        self.total = self.total + total
        self.squares = self.squares + squares

    def _fire(self, potentials: Tensor, first: int) -> None:
        layer, size = self.layer, len(potentials)
        self.best, self.unit = _highest(potentials, layer.block.window, self.seen[0].place.dtype)
        step = torch.arange(first, first + size, dtype=torch.int16, device=potentials.device)
        fires = torch.where(self.now >= 0, step.view(-1, 1, 1, 1, 1), self.steps).amin(dim=0)
        self.times = torch.minimum(self.times, fires.to(torch.int16))

    @property
    def now(self) -> Tensor:
        """Margins at the steps of the chunk [size, B, rows, columns, channels], without kernels of
        windows, else of units.
        """
        return (self.best.to(self.layer.weight.dtype) - self.layer.threshold) / self.layer.spread

    def look(self, first: int, reads: tuple[Tensor, Tensor]) -> None:
        """What the read-outs at the steps [B, 1] see by the end of the chunk."""
        layer, window = self.layer, self.layer.block.window
        if layer.fused:
            from sw.rules.kernels import maps as kernels

            seen = (*self.seen[0], *self.seen[1])
            kernels.look(self.best, layer.threshold, layer.spread, window, first, reads, seen)
            return
        units, margins = math.prod(window), self.now
        for index, read in enumerate(reads):
            place, margin = self.seen[index]
            for slot, now in enumerate(margins):
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
    slices = [unit_of(potentials, window, unit) for unit in range(math.prod(window))]
    best, unit = slices[0], torch.zeros_like(slices[0], dtype=form)
    for index, other in enumerate(slices[1:], 1):
        unit = torch.where(other > best, index, unit)
        best = torch.maximum(best, other)
    return best, unit
