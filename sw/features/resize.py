"""Resizing by area: each pixel of the smaller image is the mean of the area that it covers.

Computed in integers, so that the same image gives the same pixels on every machine: with g the
greatest common divisor of both edges, a pixel counts as (new/g)² equal parts, and a new pixel
is the mean of the (old/g)² parts that it covers, rounded to the nearest whole number.
"""

from math import gcd

import numpy as np

__all__ = ["by_area"]


def by_area(images: np.ndarray, edge: int) -> np.ndarray:
    """Images uint8 [B, edge, edge] of square ``images`` uint8 [B, n, n].

    Raises
    ------
    ValueError
        The images are not square, or smaller than ``edge``.
    """
    height, width = images.shape[1:]
    if height != width or not 1 <= edge <= height:
        raise ValueError(
            f"Images must be square, of at least {edge} × {edge} pixels, not {height} × {width}"
        )
    share = _shares(height, edge)
    area = int(share[0].sum()) ** 2
    total = share @ images.astype(np.int32) @ share.T
    return ((total + area // 2) // area).astype(np.uint8)


def _shares(old: int, new: int) -> np.ndarray:
    """How many parts of each old pixel a new one covers along an edge, int32 [new, old]."""
    parts = old // gcd(old, new)
    owner = np.repeat(np.arange(old), new // gcd(old, new)).reshape(new, parts)
    return np.stack([np.bincount(row, minlength=old) for row in owner]).astype(np.int32)
