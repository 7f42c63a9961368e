"""Spikes as the operands of matrix products, for ``sw/rules/kernels/by_step.py``.

To make operands takes longer than to multiply them, so NVIDIA's GPUs do it by PTX that makes two or
four at once; Triton has no other way to say so. ``PACKED`` says whether; all else, and Triton's
interpreter, gets the same from plain Triton.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

__all__ = ["arrived_by", "flags_by", "packed", "placed_at", "stacked"]


def packed(inputs: Tensor) -> bool:
    """Whether kernels on ``inputs`` can use PTX."""
    return inputs.is_cuda and torch.version.hip is None


@triton.jit
def flags_by(fired, now: tl.constexpr, PACKED: tl.constexpr):
    """64 where a spike has come by the end of step ``now``, else 0: int8, like ``fired``."""
    if PACKED:  # bit 6 of 64 + now − fired, four at once
        return tl.inline_asm_elementwise(
            "{ .reg .b32 ahead; sub.u32 ahead, $2, $1; and.b32 $0, ahead, 0x40404040; }",
            "=r,r,r",
            [fired, tl.full([], 64 + now, tl.int8)],
            dtype=tl.int8,
            is_pure=True,
            pack=4,
        )
    return tl.where(fired <= now, 64, 0).to(tl.int8)


@triton.jit
def stacked(values, COUNT: tl.constexpr):
    """The tensors ``values``, COUNT ≤ 32, a power of 2, along new axes at the end of 2 each."""
    for level in tl.static_range(5):
        pairs = ()
        for place in tl.static_range(COUNT >> (level + 1)):
            pairs += (tl.join(values[place], values[place + (COUNT >> (level + 1))]),)
        if COUNT >> (level + 1):
            values = pairs
    return values[0]


@triton.jit
def arrived_by(fired, now: tl.constexpr, PACKED: tl.constexpr):
    """1 where a spike has come by the end of step ``now``, else 0: float16."""
    if PACKED:  # two at once; the bits of small integers are float16 numbers in the same order
        return tl.inline_asm_elementwise(
            "set.le.f16x2.f16x2 $0, $1, $2;",
            "=r,r,r",
            [fired, tl.full([], now, tl.int16)],
            dtype=tl.float16,
            is_pure=True,
            pack=2,
        )
    return tl.where(fired <= now, 1.0, 0.0).to(tl.float16)


@triton.jit
def placed_at(total, wrong, by, now: tl.constexpr, PACKED: tl.constexpr):
    """``total`` and the errors ``wrong`` whose step ``by`` is ``now``: float16."""
    if PACKED:  # likewise
        return tl.inline_asm_elementwise(
            "{ .reg .b32 here; set.eq.f16x2.f16x2 here, $3, $4; fma.rn.f16x2 $0, here, $2, $1; }",
            "=r,r,r,r,r",
            [total, wrong, by, tl.full([], now, tl.int16)],
            dtype=tl.float16,
            is_pure=True,
            pack=2,
        )
    return total + tl.where(by == now, wrong, 0.0)
