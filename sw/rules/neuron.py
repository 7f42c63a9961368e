"""What a neuron does (docs/spec.md), by PyTorch, every step at once: what all rules share."""

import torch
from torch import Tensor
from torch.nn import functional

from sw.structure import Conv

__all__ = ["convolved", "fire", "sign", "spiked"]

_CHANNELS = 8  # multiples of it are what tensor cores take in half precision


def sign(weight: Tensor) -> Tensor:
    """−1 or +1, float32: the 1-bit weight of a latent one. 0 counts as +1, −0 too."""
    return (weight >= 0).float() * 2 - 1


def spiked(inputs: Tensor, steps: int) -> Tensor:
    """How often each unit has fired by the end of each step: float32 [B, T, N].

    Parameters
    ----------
    inputs : integer [B, N] or [B, T, N]
        The step of each unit's one spike, where ``steps`` (T) means never; or, of units that may
        fire more than once, the number of spikes in each step.
    """
    if inputs.dim() == 3:
        return inputs.cumsum(dim=1, dtype=torch.float32)
    step = torch.arange(steps, device=inputs.device, dtype=inputs.dtype)
    return (inputs[:, None, :] <= step[:, None]).float()


def fire(potentials: Tensor, threshold: Tensor | float) -> Tensor:
    """First step whose potential reaches the threshold, T for never: int64 [B, N].

    Parameters
    ----------
    potentials : [B, T, N]
    threshold : broadcastable to [B, T, N]
    """
    steps = potentials.shape[1]
    step = torch.arange(steps, device=potentials.device, dtype=torch.float32)[:, None]
    return torch.where(potentials >= threshold, step, float(steps)).amin(dim=1).long()


def convolved(spikes: Tensor, weight: Tensor, kind: Conv) -> Tensor:
    """The potentials that ``spikes`` give, both of one floating type: [B, C_out, rows, columns].

    Parameters
    ----------
    spikes : [B, C_in, H, W]
    weight : [C_out, C_in · kh · kw]
    """
    top, bottom, left, right = kind.padding
    if (top, left) != (bottom, right):
        spikes, top, left = functional.pad(spikes, (left, right, top, bottom)), 0, 0
    filters = weight.view(len(weight), spikes.shape[1], *kind.kernel)
    if spikes.dtype == torch.float16:
        if spare := -spikes.shape[1] % _CHANNELS:
            spikes = functional.pad(spikes, (0, 0, 0, 0, 0, spare))
            filters = functional.pad(filters, (0, 0, 0, 0, 0, spare))
        spikes = spikes.contiguous(memory_format=torch.channels_last)
    if spikes.shape[1] == 1 and not spikes.is_cuda:
        # Pooling is fast where channels lie innermost. Of one channel they do either way, but the
        # convolution goes by the strides: with those of channels last it is twice as fast, too.
        height, width = spikes.shape[2:]
        spikes = spikes.contiguous().as_strided(spikes.shape, (height * width, 1, width, 1))
    result = functional.conv2d(spikes, filters, stride=kind.stride, padding=(top, left))
    return result if result.is_cuda else result.contiguous(memory_format=torch.channels_last)
