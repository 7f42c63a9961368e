"""What the timing rule's Triton kernels share: a layer's record, signs, the loss, and the ends of
the backward kernels.

Potentials of signs are integers and equal those of the plain path exactly. Sums of errors are
made in another order, always the same one, in float32. The errors themselves are float16, each of
one image, without the 1/B that would bring them below its range, and made smaller from layer to
layer by a power of two (:func:`sw.rules.kernels.fused.gradients`), as they would grow beyond it.

Without a GPU the kernels run in Triton's interpreter if ``TRITON_INTERPRET=1`` is set before these
modules are imported; the tests do that.
"""

from typing import NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from sw.rules.kernels.interface import Settings

__all__ = [
    "Layer",
    "faded",
    "loss",
    "loss_settings",
    "read_out",
    "store_gradients",
    "summed",
    "used",
]


class Layer(NamedTuple):
    """What is kept of a layer's forward pass."""

    inputs: Tensor  # firing steps of the layer before, int16 [B, N_in], T for never
    times: Tensor  # t, int16 [B, N], T for never; of by_step N up to the next 16
    effective: Tensor  # e, int16, likewise
    margin: Tensor  # m, likewise, in units of the spread


def loss_settings(settings: Settings) -> tuple[float, ...]:
    """What :func:`loss` takes of the settings, T first."""
    gains = settings.margin_gain, settings.later_gain
    return settings.steps, settings.lead, settings.time_unit, *gains, settings.smoothing


def summed(sums: Tensor, units: int) -> tuple[Tensor, Tensor]:
    """Gradients of weights [N_out, N_in] and thresholds [N_out] from the shares' ``sums``
    [shares, N_out · (N_in + 1)], as :func:`store_gradients` leaves them.
    """
    total = torch.empty_like(sums[0])
    grid = (triton.cdiv(len(total), 256),)
    _total[grid](sums, total, len(sums), len(total), BLOCK=256, num_warps=2)
    return total[:-units].view(units, -1), total[-units:]


@triton.jit
def _total(sums, total, shares, count, BLOCK: tl.constexpr):
    """Of BLOCK numbers over all shares; PyTorch's sum takes longer."""
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    result = tl.zeros([BLOCK], tl.float32)
    for share in range(shares):
        result += tl.load(sums + share * count + place, mask=place < count, other=0.0)
    tl.store(total + place, result, mask=place < count)


@triton.jit
def used(weight, BINARY: tl.constexpr):
    """The weights that spikes meet, from the latent ones."""
    return tl.where(weight >= 0, 1.0, -1.0) if BINARY else weight


@triton.jit
def read_out(time, draw, steps, FROM_START: tl.constexpr):
    """Decision step t* and random step r [IMAGES] of output times [IMAGES, UNITS]; ``draw``, 0 … 1,
    says where the random one lies.
    """
    decision = tl.minimum(tl.min(time, axis=1), steps - 1)
    earliest = tl.zeros_like(decision) if FROM_START else decision
    later = earliest + (draw * (steps - earliest)).to(tl.int32)
    return decision, tl.minimum(later, steps - 1)


@triton.jit
def _softmax(logits):
    powers = tl.exp(logits - tl.max(logits, axis=1)[:, None])
    return powers / tl.sum(powers, axis=1)[:, None]


@triton.jit
def loss(outputs, noisy, settings, labels, error, step, image, unit, images, units, wide, SHARES):
    """Writes the three parts of the output error and their steps, for the images ``image``, in rows
    of ``wide`` places, 0 beyond the real units.

    ``outputs`` are times and effective steps [IMAGES, UNITS], decision and random step [IMAGES],
    and potentials at these two [IMAGES, UNITS]; ``noisy`` thresholds, noise and spread;
    ``settings`` those of :func:`loss_settings`.
    """
    time, own, decision, later, at_decision, at_later = outputs
    threshold, noise, spread = noisy
    steps, lead, beta, margin_gain, later_gain, smoothing = settings
    mask = (image < images)[:, None] & (unit < units)[None, :]
    scale = tl.load(spread)
    theta = tl.load(threshold + unit, mask=unit < units, other=0.0)[None, :]
    theta += scale * tl.load(noise + image, mask=image < images, other=0.0)[:, None]
    if SHARES:
        place = image[:, None] * units + unit[None, :]
        target = tl.load(labels + place, mask=mask, other=0.0)
    else:
        label = tl.load(labels + image, mask=image < images, other=0)
        target = tl.where(unit[None, :] == label[:, None], 1.0, 0.0)
    wanted = target * (1 - smoothing) + smoothing / units
    nothing = float("-inf")
    logits = -(time + lead * target) / beta + margin_gain * (at_decision - theta) / scale
    first = wanted - _softmax(tl.where((unit < units)[None, :], logits, nothing))
    logits = later_gain * (at_later - theta) / scale
    second = wanted - _softmax(tl.where((unit < units)[None, :], logits, nothing))
    beyond = ((time == 0) & (first > 0)) | ((time == steps) & (first < 0))
    place = image[:, None] * wide + unit[None, :]
    part = images * wide
    whole = (image < images)[:, None] & (unit < wide)[None, :]
    tl.store(error + place, tl.where(mask & ~beyond, first / beta, 0.0), mask=whole)
    tl.store(error + part + place, tl.where(mask, margin_gain * first, 0.0), mask=whole)
    tl.store(error + 2 * part + place, tl.where(mask, later_gain * second, 0.0), mask=whole)
    tl.store(step + place, own.to(tl.int16), mask=whole)
    same = tl.zeros_like(own)
    tl.store(step + part + place, (same + decision[:, None]).to(tl.int16), mask=whole)
    tl.store(step + 2 * part + place, (same + later[:, None]).to(tl.int16), mask=whole)


@triton.jit
def faded(passed, time, distance, steps, silent_decay, fired_decay):
    """The error of hidden units from what was passed back to them: it fades with the distance to
    the threshold, and is 0 where a unit fired in step 0 and should fire earlier.
    """
    passed *= tl.exp(tl.where(time == steps, silent_decay, -fired_decay) * distance)
    return tl.where((time == 0) & (passed > 0), 0.0, passed)


@triton.jit
def store_gradients(block, sums, row, column, units, width):
    """Stores a share's block [BLOCK_IN, BLOCK_OUT] of sums; column ``width`` is the threshold's."""
    here = tl.program_id(2) * units * (width + 1)
    weights = row[None, :] * width + column[:, None]
    thresholds = units * width + row[None, :]
    last = (column == width)[:, None]
    place = here + tl.where(last, thresholds, weights)
    real = (row < units)[None, :] & (column <= width)[:, None]
    tl.store(sums + place, tl.where(last, block, -block), mask=real)
