"""The latch (``sw.rules.straight.latched``) on a GPU: one pass forward and one backward, in place
of several per step. Sums are float32, whatever the potentials are.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

__all__ = ["backward", "forward"]

_BLOCK = 1024  # units of one program


def forward(potential: Tensor) -> tuple[Tensor, Tensor]:
    """Has fired by t, and the largest potential so far, of ``potential`` [B, T, …]; laid out as it
    is, unless the units of a step do not lie side by side there.
    """
    count, steps = potential.shape[:2]
    units = potential[0, 0].numel()
    best = torch.empty_like(potential)
    if (steps * units, units) != potential.stride()[:2] or best.stride() != potential.stride():
        potential = potential.contiguous()
        best = torch.empty_like(potential)
    fired = torch.empty_like(potential)
    block = min(_BLOCK, triton.next_power_of_2(units))
    grid = (count, triton.cdiv(units, block))
    _forward[grid](potential, best, fired, steps, units, BLOCK=block)
    return fired, best


def backward(gradient: Tensor, best: Tensor) -> Tensor:
    """The gradient of the potentials, like ``best``."""
    if gradient.stride() != best.stride():
        gradient = torch.empty_like(best).copy_(gradient)
    result = torch.empty_like(best)
    count, steps = best.shape[:2]
    units = best[0, 0].numel()
    block = min(_BLOCK, triton.next_power_of_2(units))
    grid = (count, triton.cdiv(units, block))
    _backward[grid](gradient, best, result, steps, units, BLOCK=block)
    return result


@triton.jit
def _forward(potential, best, fired, steps, units, BLOCK: tl.constexpr):
    unit = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    valid = unit < units
    place = tl.program_id(0).to(tl.int64) * steps * units + unit
    highest = tl.full([BLOCK], float("-inf"), tl.float32)
    for _step in range(steps):
        now = tl.load(potential + place, mask=valid, other=0.0).to(tl.float32)
        highest = tl.maximum(highest, now)
        tl.store(best + place, highest, mask=valid)
        tl.store(fired + place, tl.where(highest >= 0, 1.0, 0.0), mask=valid)
        place += units


@triton.jit
def _backward(gradient, best, result, steps, units, BLOCK: tl.constexpr):
    """From the last step on: what the latch has gathered goes to the step where it rose."""
    unit = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    valid = unit < units
    place = (tl.program_id(0).to(tl.int64) * steps + steps - 1) * units + unit
    highest = tl.load(best + place, mask=valid, other=0.0).to(tl.float32)
    later = tl.zeros([BLOCK], tl.float32)
    for _step in range(steps - 1):
        slope = tl.maximum(1.0 - tl.abs(highest), 0.0)
        later += tl.load(gradient + place, mask=valid, other=0.0).to(tl.float32) * slope
        before = tl.load(best + place - units, mask=valid, other=0.0).to(tl.float32)
        tl.store(result + place, tl.where(highest > before, later, 0.0), mask=valid)
        later = tl.where(highest > before, 0.0, later)
        highest = before
        place -= units
    slope = tl.maximum(1.0 - tl.abs(highest), 0.0)
    later += tl.load(gradient + place, mask=valid, other=0.0).to(tl.float32) * slope
    tl.store(result + place, later, mask=valid)
