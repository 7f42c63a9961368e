"""What rules that learn from spike times compute, in plain PyTorch, for any device.

Time is walked in chunks of eight steps, so memory does not grow with T.
``sw/rules/kernels/fused.py`` does the same on a GPU, faster; this is what it is compared with.
On a CPU large layers take spike by spike what is a product of flags elsewhere (sw/rules/sparse.py).

Throughout, ``inputs`` are what :func:`sw.rules.neuron.spiked` takes: firing steps integer [B,
N_in], T for never; or, of units that may fire more than once, spikes in each step [B, T, N_in].
"""

import math
from collections.abc import Iterator, Sequence
from functools import reduce
from typing import NamedTuple

import torch
from torch import Tensor

from sw.rules import sparse
from sw.rules.neuron import fire, spiked

__all__ = [
    "FLAT",
    "Part",
    "ReadOut",
    "Trace",
    "Window",
    "arrived_by",
    "input_error",
    "trace",
    "weight_error",
]

_CHUNK = 8  # steps held at a time


class Trace(NamedTuple):
    """What one layer keeps of its forward pass; all [B, N]."""

    times: Tensor  # t, the step of the spike, int64, T for never
    effective: Tensor  # e, int64, 0 … T−1: t, or of a silent unit the step where V peaks
    reached: Tensor  # V(e)


class Part(NamedTuple):
    """A part of a layer's error: how wrong each unit is at one step of its own."""

    error: Tensor  # [B, N]
    step: Tensor  # int64 [B, N], or [B, 1] for one that all units share


class ReadOut(NamedTuple):
    """What the output error needs of the last layer's potentials."""

    decision: Tensor  # t*, int64 [B, 1]
    later: Tensor  # r, int64 [B, 1]
    at_decision: Tensor  # margins in units of the spread, U / s, [B, N]
    at_later: Tensor  # R / s, [B, N]
    at_end: Tensor | None = None  # at step T − 1, where it is measured

    @property
    def first(self) -> Tensor:
        return torch.minimum(self.decision, self.later)

    @property
    def second(self) -> Tensor:
        return torch.maximum(self.decision, self.later)


class Window(NamedTuple):
    """How far a spike teaches a weight, by when it came: ``exp(−(after − before) / ρ)`` if it
    caused what came after, else ``−b · exp(−|after − before| / ρ)``.
    """

    lobe: float = 0.0  # b
    width: float = math.inf  # ρ, steps

    def strength(self, before: Tensor, after: Tensor, caused: Tensor) -> Tensor:
        """All broadcastable to one another; steps, T for never, and bool."""
        window = (-(after - before).abs() / self.width).exp()
        return torch.where(caused, window, -self.lobe * window)


FLAT = Window()  # 1 for what came in time, 0 for the rest


def trace(inputs: Tensor, weight: Tensor, threshold: Tensor, steps: int) -> Trace:
    """Runs one layer: integrates ``inputs`` and fires.

    Parameters
    ----------
    weight : [N_out, N_in]
    threshold : broadcastable to [B, N_out]
    """
    shape, device = (len(inputs), len(weight)), inputs.device
    times = torch.full(shape, steps, device=device)
    effective = torch.zeros(shape, dtype=torch.int64, device=device)
    reached = torch.full(shape, -torch.inf, device=device)  # until a unit fires: its peak so far
    for first, potentials in _potentials(inputs, weight, steps):
        peak = potentials.amax(dim=1)
        fires = peak >= threshold
        # fmin: a threshold that is not finite any more is for the trainer to refuse
        at = fire(potentials, torch.fmin(peak, threshold)[:, None, :])
        potential = potentials.gather(1, at[:, None, :])[:, 0]
        changes = (times == steps) & (fires | (potential > reached))
        times = torch.where(changes & fires, first + at, times)
        effective = torch.where(changes, first + at, effective)
        reached = torch.where(changes, potential, reached)
    return Trace(times, effective, reached)


def arrived_by(inputs: Tensor, step: Tensor | int) -> Tensor:
    """How often each input has fired by the end of ``step``, one or [B, 1]: float32 [B, N_in]."""
    if inputs.dim() == 2:
        return (inputs <= step).float()
    past = torch.arange(inputs.shape[1], device=inputs.device) <= step
    return (inputs * past[..., None]).sum(dim=1, dtype=torch.float32)


def weight_error(
    parts: Sequence[Part], inputs: Tensor, steps: int, window: Window = FLAT
) -> Tensor:
    """``Σ_b Σ_parts error_bj · (spikes of input i by step_bj)``: [N_out, N_in]. Spikes count as
    ``window`` says; if it is not flat, an input has one spike at most.

    Without a B × N_out × N_in tensor: a sum over steps of ``G_tᵀ S_t``, G_t the errors placed at
    step t and S_t what has arrived by then.
    """

    def seen(step: Tensor) -> Tensor:
        if window == FLAT:
            return arrived_by(inputs, step)
        return window.strength(inputs, step, caused=inputs <= step)

    def terms() -> Iterator[Tensor]:
        yield from (part.error.T @ seen(part.step) for part in parts if part.step.shape[1] == 1)
        own = [part for part in parts if part.step.shape[1] > 1]
        if own and window == FLAT and _spike_by_spike(inputs, own[0].error.shape[1], steps):
            yield from _terms_by_spike(own, inputs, steps)
            return
        for first, fired in _chunks(inputs, steps) if own else ():
            size = fired.shape[1]
            slot = torch.arange(first, first + size, device=inputs.device)[:, None]
            if window != FLAT:
                fired = window.strength(inputs[:, None, :], slot, caused=fired > 0)
            placed = reduce(torch.add, (_place(part, slot) for part in own))
            yield placed.flatten(0, 1).T @ fired.flatten(0, 1)

    return reduce(torch.add, terms())


def input_error(parts: Sequence[Part], weight: Tensor, effective: Tensor, steps: int) -> Tensor:
    """``Σ_j weight_ji Σ_parts error_bj · 1[effective_bi ≤ step_bj]``: what arrives at unit i of the
    layer before, [B, N_in].
    """

    def terms() -> Iterator[Tensor]:
        for part in parts:
            if part.step.shape[1] == 1:
                yield (part.error @ weight) * (effective <= part.step)
        own = [part for part in parts if part.step.shape[1] > 1]
        for first, fired in _chunks(effective, steps) if own else ():
            last = first + fired.shape[1]
            slot = torch.arange(first, last, device=effective.device)[:, None]
            placed = reduce(torch.add, (_place(part, slot) for part in own))
            yield ((placed @ weight) * fired).sum(dim=1)

    return reduce(torch.add, terms())


def _spike_by_spike(inputs: Tensor, outputs: int, steps: int) -> bool:
    return sparse.pays(inputs, outputs, min(_CHUNK, steps))


def _potentials(inputs: Tensor, weight: Tensor, steps: int) -> Iterator[tuple[int, Tensor]]:
    """First step of each chunk, and the potentials at the end of its steps: [B, size, N_out]."""
    if not _spike_by_spike(inputs, len(weight), steps):
        for first, fired in _chunks(inputs, steps):
            yield first, fired @ weight.T
        return
    before = torch.zeros(len(inputs), 1, len(weight))
    for first in range(0, steps, _CHUNK):
        size = min(_CHUNK, steps - first)
        potentials = sparse.potentials(inputs, weight, first, size).add_(before)
        before = potentials[:, -1:]
        yield first, potentials


def _terms_by_spike(parts: Sequence[Part], inputs: Tensor, steps: int) -> Iterator[Tensor]:
    """The terms of the weights' error, of each chunk, the last first."""
    later = torch.zeros(len(inputs), 1, parts[0].error.shape[1])
    for first in reversed(range(0, steps, _CHUNK)):
        size = min(_CHUNK, steps - first)
        slot = torch.arange(first + size - 1, first - 1, -1)[:, None]
        placed = reduce(torch.add, (_place(part, slot) for part in parts))
        placed[:, :1] += later
        yield sparse.weight_error(placed, inputs, first)
        later = placed.sum(dim=1, keepdim=True)


def _chunks(inputs: Tensor, steps: int) -> Iterator[tuple[int, Tensor]]:
    """First step of each chunk, and how often each input has fired by the end of its steps."""
    for first in range(0, steps, _CHUNK):
        size = min(_CHUNK, steps - first)
        if inputs.dim() == 2:
            yield first, spiked(inputs - first, size)
        else:
            before = inputs[:, :first].sum(dim=1, keepdim=True, dtype=torch.float32)
            yield first, spiked(inputs[:, first : first + size], size) + before


def _place(part: Part, slot: Tensor) -> Tensor:
    """The error put at its step of a chunk, whose steps are ``slot`` [size, 1]: [B, size, N], zero
    elsewhere.
    """
    return part.error[:, None, :] * (part.step[:, None, :] == slot)
