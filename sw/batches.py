"""Batches on the training device: augmentation and latency coding of images, by PyTorch."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample, interpolate

from sw.encoder import LatencyEncoder

__all__ = ["Augmentation", "encode", "informative_inputs"]

_CONTROL = 7  # pixels between the control points of an elastic change


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Random affine changes of images, drawn anew for each image of each batch.

    Parameters
    ----------
    degrees : float
        Rotation by up to this, either way.
    scale : float
        Size changed by up to this share, either way.
    shift : float
        Moved by up to this many pixels, either way, down and across.
    elastic : float
        Bent: every control point of a square grid, 7 pixels apart, is moved by normal noise of
        this many pixels, and the image between them smoothly with it (after Simard et al. 2003).
    flip : bool
        Mirrored left to right, half of the images.
    """

    degrees: float = 10.0
    scale: float = 0.1
    shift: float = 0.7
    elastic: float = 0.0
    flip: bool = False

    def __call__(self, images: Tensor) -> Tensor:
        """Changed ``images``, uint8 [B, height, width] in and out; what comes in from outside is 0.
        Random numbers come from the default generator.
        """
        count, height, width = images.shape
        angle, scale, down, across = 2 * torch.rand(4, count, device=images.device) - 1
        angle = angle * (self.degrees * torch.pi / 180)
        scale = 1 + self.scale * scale
        cosine, sine = angle.cos() * scale, angle.sin() * scale
        # affine_grid measures in half edges: 2 / width of them are one pixel
        rows = (
            torch.stack([cosine, -sine, across * (2 * self.shift / width)], dim=1),
            torch.stack([sine, cosine, down * (2 * self.shift / height)], dim=1),
        )
        grid = affine_grid(torch.stack(rows, dim=1), [count, 1, height, width], align_corners=False)
        if self.elastic:
            points = [1 + -(-edge // _CONTROL) for edge in (height, width)]
            noise = torch.randn(count, 2, *points, device=images.device)
            bend = interpolate(noise, (height, width), mode="bicubic", align_corners=True)
            across, down = (2 * self.elastic / edge for edge in (width, height))
            grid = grid + torch.stack([bend[:, 0] * across, bend[:, 1] * down], dim=3)
        if self.flip:
            sign = 1 - 2 * (torch.rand(count, 1, 1, device=images.device) < 0.5).float()
            grid = torch.stack([grid[..., 0] * sign, grid[..., 1]], dim=3)
        moved = grid_sample(images[:, None].float(), grid, align_corners=False)
        return moved[:, 0].round().clamp(0, 255).to(torch.uint8)


def encode(images: Tensor, encoder: LatencyEncoder, select: Tensor | None, steps: int) -> Tensor:
    """Firing steps int64 [B, inputs] of ``images`` uint8 [B, height, width]; T means never. Equals
    ``encoder.times``; ``select`` is ``encoder.select`` as a tensor on the device of the images.
    """
    pixels = images.int()
    if encoder.pool > 1:
        pool, (height, width) = encoder.pool, encoder.shape
        blocks = pixels.reshape(-1, height // pool, pool, width // pool, pool)
        pixels = (blocks.sum(dim=(2, 4)) + pool**2 // 2) // pool**2
    pixels = pixels.flatten(1)
    if select is not None:
        pixels = pixels[:, select]
    times = ((255 - pixels) * steps) >> 8
    return times.masked_fill(pixels < encoder.silent_below, steps).long()


def informative_inputs(times: np.ndarray, labels: np.ndarray, count: int) -> tuple[int, ...]:
    """The ``count`` inputs whose firing step alone tells most about the class, ascending.

    Measured by the mutual information of firing step and label over a training set.

    Parameters
    ----------
    times : int [B, N]
        Firing steps, T for never.
    labels : int [B]
    count : int, 1 … N
    """
    if not 1 <= count <= times.shape[1]:
        raise ValueError(f"Inputs must be in 1 … {times.shape[1]}, not {count!r}")
    classes = labels[:, None] == np.unique(labels)
    joint = np.stack(
        [(times == step).T.astype(np.float64) @ classes for step in np.unique(times)], axis=1
    )  # [N, steps, classes]
    joint /= len(times)
    independent = joint.sum(axis=1, keepdims=True) * joint.sum(axis=2, keepdims=True)
    ratio = np.divide(joint, independent, out=np.ones_like(joint), where=joint > 0)
    information = (joint * np.log2(ratio)).sum(axis=(1, 2))
    chosen = np.argsort(-information, kind="stable")[:count]
    return tuple(sorted(chosen.tolist()))
