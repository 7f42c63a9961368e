"""Functions with a derivative of their own: signs, the spike that is latched, the normalisation of
maps. What learns through a surrogate shares them.

Maps and their gradients may be of half precision on a GPU; sums over many places are float32. What
batch norm needs there are the passes that PyTorch's SyncBatchNorm is made of, since the statistics
that a unit fires by are not those that its gradient goes through.
"""

import math
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.autograd.function import BackwardCFunction, FunctionCtx, once_differentiable
from torch.nn.functional import max_pool2d

from sw.rules.neuron import sign

__all__ = ["annealed_sign", "latched", "moments", "normalised", "pooled", "straight_sign"]

_Gradients: TypeAlias = tuple[Any, ...]
_TRITON = find_spec("triton") is not None  # comes with PyTorch for GPUs
_WINDOW = 256  # places of a window that the kernel tells apart
_PLACES = (0, 2, 3)  # of a map, all but the channel
_LEAST = 1e-4  # ε, added to a variance


class _StraightSign(torch.autograd.Function):
    @staticmethod
    def forward(context: object, weight: Tensor) -> Tensor:
        return sign(weight)

    @staticmethod
    def backward(context: object, gradient: Tensor) -> Tensor:
        return gradient


class _AnnealedSign(torch.autograd.Function):
    @staticmethod
    def forward(context: object, weight: Tensor, sharpness: Tensor) -> Tensor:
        return torch.where(sharpness > 0, torch.tanh(sharpness * weight), sign(weight))

    @staticmethod
    def backward(context: object, gradient: Tensor) -> _Gradients:
        return gradient, None


class _Latched(torch.autograd.Function):
    @staticmethod
    def forward(context: FunctionCtx, potential: Tensor) -> Tensor:
        if potential.is_cuda and _TRITON:
            from sw.rules.kernels import latch

            fired, best = latch.forward(potential)
        else:
            best = torch.empty_like(potential)
            best[:, 0] = potential[:, 0]
            for step in range(1, potential.shape[1]):
                torch.maximum(potential[:, step], best[:, step - 1], out=best[:, step])
            fired = (best >= 0).to(potential.dtype)
        context.save_for_backward(best)
        return fired

    @staticmethod
    @once_differentiable
    def backward(context: BackwardCFunction, gradient: Tensor) -> Tensor:
        (best,) = context.saved_tensors
        if gradient.is_cuda and _TRITON:
            from sw.rules.kernels import latch

            return latch.backward(gradient, best)
        gradient = gradient * (1 - best.abs()).clamp_(min=0)
        result = torch.empty_like(gradient)
        later = gradient[:, -1]
        for step in range(best.shape[1] - 1, 0, -1):
            rises = best[:, step] > best[:, step - 1]
            torch.mul(later, rises, out=result[:, step])
            later = gradient[:, step - 1] + (later - result[:, step])
        result[:, 0] = later
        return result


class _Pooled(torch.autograd.Function):
    """On a GPU, of maps whose channels lie innermost."""

    @staticmethod
    def forward(context: FunctionCtx, maps: Tensor, window: tuple[int, int]) -> Tensor:
        from sw.rules.kernels import pool

        best, place = pool.forward(maps, window)
        context.save_for_backward(place)
        context.form = *maps.shape[2:], window  # type: ignore[attr-defined]
        return best

    @staticmethod
    @once_differentiable
    def backward(context: BackwardCFunction, gradient: Tensor) -> _Gradients:
        from sw.rules.kernels import pool

        (place,) = context.saved_tensors
        return pool.backward(gradient, place, *context.form), None  # type: ignore[attr-defined]


class _Normalised(torch.autograd.Function):
    @staticmethod
    def forward(
        context: FunctionCtx,
        potential: Tensor,
        bias: Tensor,
        mean: Tensor,
        deviation: Tensor,
        threshold: Tensor,
        scale: Tensor,
    ) -> Tensor:
        context.save_for_backward(potential, mean, deviation)
        if potential.is_cuda:
            return torch.batch_norm_elemt(potential, None, None, threshold, 1 / scale, 0.0)
        return _affine(potential, 1 / scale, -threshold / scale).to(potential.dtype)

    @staticmethod
    @once_differentiable
    def backward(context: BackwardCFunction, gradient: Tensor) -> _Gradients:
        potential, mean, deviation = tuple(context.saved_tensors)
        count = gradient.numel() // gradient.shape[1]
        if potential.is_cuda:
            gradient = gradient.contiguous(memory_format=torch.channels_last)
            batch_norm = (gradient, potential, mean, 1 / deviation, None)
            total, moment, *_ = torch.batch_norm_backward_reduce(*batch_norm, True, False, False)
            counts = torch.full((1,), count, dtype=torch.int32, device=gradient.device)
            result = torch.batch_norm_backward_elemt(*batch_norm, total, moment, counts)
        else:
            # (g − mean of g − (V − μ) / σ · mean of g · (V − μ) / σ) / σ
            gradient = gradient.float()
            total = gradient.sum(_PLACES)
            moment = (gradient * potential).sum(_PLACES) - mean * total  # Σ g · (V − μ)
            factor = -moment / (count * deviation**3)
            rest = _affine(potential, factor, -total / (count * deviation) - mean * factor)
            result = rest.addcmul_(gradient, 1 / deviation[:, None, None]).to(potential.dtype)
        return result, total, None, None, None, None


def _affine(maps: Tensor, factor: Tensor, offset: Tensor) -> Tensor:
    """``maps · factor + offset`` in float32, with a factor and an offset for each channel."""
    return torch.addcmul(offset[:, None, None], maps.float(), factor[:, None, None])


def moments(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Mean, and √(variance + ε), of each channel of ``maps`` [N, C, H, W]: float32 [C]."""
    if maps.is_cuda:
        mean, inverse = torch.batch_norm_stats(maps, _LEAST)
        return mean, 1 / inverse
    # Potentials are small integers: no need of a second pass, as var_mean has it.
    maps, count = maps.float(), maps.numel() // maps.shape[1]
    mean = maps.sum(_PLACES) / count
    variance = (maps.square().sum(_PLACES) / count - mean.square()).clamp_(min=0)
    return mean, (variance + _LEAST).sqrt()


def pooled(maps: Tensor, window: tuple[int, int]) -> Tensor:
    """The largest value of each window of ``maps`` [N, C, H, W]; its gradient goes to the first of
    equals.
    """
    innermost = maps.is_contiguous(memory_format=torch.channels_last)
    if maps.is_cuda and _TRITON and innermost and math.prod(window) <= _WINDOW:
        return _pooled(maps, window)
    return max_pool2d(maps, window)


_pooled: Callable[[Tensor, tuple[int, int]], Tensor] = _Pooled.apply

straight_sign: Callable[[Tensor], Tensor] = _StraightSign.apply
"""The sign of a latent weight; the gradient passes as it is."""

annealed_sign: Callable[[Tensor, Tensor], Tensor] = _AnnealedSign.apply
"""``tanh(sharpness · w)``, or with a sharpness of 0 the sign; the gradient passes as it is."""

latched: Callable[[Tensor], Tensor] = _Latched.apply
"""1 once ``u`` [B, T, …] has reached 0 in this step or an earlier one, else 0. The derivative is a
triangle of half width 1 about 0, at the step of the largest ``u`` so far; of equal ones the first
counts, in an order that is always the same.
"""

normalised: Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor], Tensor] = _Normalised.apply
"""``(V − threshold) / scale`` of a map V [N, C, H, W], with the gradient of a batch norm.

The further arguments are float32 [C]: bias β; mean μ and deviation σ of V over all places;
threshold; scale. The gradient is that of ``(V − μ) / σ + β``, also through μ and σ.
"""
