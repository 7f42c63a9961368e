"""Modules of ANNs beyond PyTorch's own: normalised inputs, QCFS activations, residual blocks."""

from collections import OrderedDict
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

__all__ = ["QCFS", "Activation", "Normalise", "ResidualBlock", "convolution"]

Activation = Callable[[], nn.Module]
"""Makes one activation."""


class Normalise(nn.Module):
    """``(x − mean) / deviation``, for each channel.

    Parameters
    ----------
    mean, deviation : sequence of float, C or 1; deviations above 0
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, mean: Sequence[float], deviation: Sequence[float]) -> None:
        super().__init__()
        for name, values in (("mean", mean), ("deviation", deviation)):
            self.register_buffer(name, torch.tensor(list(values)).reshape(-1, 1, 1))

    def forward(self, values: Tensor) -> Tensor:
        return (values - self.mean) / self.deviation


class QCFS(nn.Module):
    """Quantised clip-floor-shift activation: ``λ · clip(floor(x · L / λ + ½) / L, 0, 1)`` with a
    learnt λ; the floor passes gradients as if it were not there.

    Source: Bu et al., "Optimal ANN-SNN conversion for high-accuracy and ultra-low-latency spiking
    neural networks", ICLR 2022 (arXiv 2303.04347), equations 15 and following.

    Parameters
    ----------
    levels : int, at least 1
        L, steps above 0.
    """

    def __init__(self, levels: int) -> None:
        super().__init__()
        self.levels = levels
        self.ceiling = nn.Parameter(torch.tensor(8.0))

    def forward(self, values: Tensor) -> Tensor:
        scaled = values * (self.levels / self.ceiling)
        rounded = scaled + ((scaled + 0.5).floor() - scaled).detach()
        return rounded.clamp(0, self.levels) * (self.ceiling / self.levels)


class ResidualBlock(nn.Module):
    """Two convolutions of 3 × 3 beside a shortcut, added before the last activation (He et al.
    2016). The shortcut is a convolution of 1 × 1 where channels or size change, else nothing.

    Parameters
    ----------
    inputs, channels : int
    stride : int
        Of the first convolution.
    activation : Activation
    """

    def __init__(self, inputs: int, channels: int, stride: int, activation: Activation) -> None:
        super().__init__()
        self.first = convolution(inputs, channels, 3, stride, 1, activation)
        self.second = convolution(channels, channels, 3, 1, 1)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != channels:
            self.shortcut = convolution(inputs, channels, 1, stride, 0)
        self.activation = activation()

    def forward(self, values: Tensor) -> Tensor:
        result: Tensor = self.activation(self.second(self.first(values)) + self.shortcut(values))
        return result


def convolution(
    inputs: int,
    channels: int,
    kernel: int | tuple[int, int],
    stride: int | tuple[int, int],
    padding: int | tuple[int, int],
    activation: Activation | None = None,
) -> nn.Sequential:
    """A convolution with batch norm, and an activation if one is given."""
    parts: OrderedDict[str, nn.Module] = OrderedDict(
        convolution=nn.Conv2d(inputs, channels, kernel, stride, padding, bias=False),
        norm=nn.BatchNorm2d(channels),
    )
    if activation is not None:
        parts["activation"] = activation()
    return nn.Sequential(parts)
