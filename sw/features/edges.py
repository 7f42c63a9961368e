"""Oriented edges: how a photograph becomes an image that latency coding suits.

Brightness carries little information: a face before a bright wall and one before a dark wall share
hardly a pixel. So photographs for latency-coded networks have long been filtered as by the first
stages of visual cortex (Masquelier and Thorpe, PLoS Computational Biology 2007; Riesenhuber and
Poggio, Nature Neuroscience 1999), where the best edge fires first. In the order of the signal:

1. **Simple cells.** Gabor filters of 7 × 7 pixels in four orientations, 45° apart; the absolute
   value of each, so that dark before bright is the same edge as bright before dark.
2. **Competition.** What an orientation has above the mean of the four; less is none.
3. **Complex cells.** The best in each square of 4 × 4 pixels: where in it does not matter.
4. **Normalisation** (Heeger, Visual Neuroscience 1992). Divided by twice the mean of all four over
   5 × 5 squares, so that contrast and light hardly matter.

All is computed in integers: the same photograph gives the same image on every machine. The
choice of these stages, and of competition before the maximum, is ours.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

__all__ = ["ORIENTATIONS", "POOL", "encode"]

ORIENTATIONS = 4
POOL = 4  # pixels, edge of the square that becomes one
_SIZE = 7  # pixels, edge of a filter
_DEVIATION, _WAVELENGTH, _ASPECT = 2.0, 5.6, 0.5  # of the Gabor filters; pixels, pixels, ratio
_UNIT = 256  # length of a filter, of which each weight is a whole number
_REACH = 2  # squares, on either side
_FLOOR = 0.02  # of the strongest edge there can be: weaker ones are noise


def encode(photographs: np.ndarray) -> np.ndarray:
    """Images uint8 [B, 4 · height / 4, width / 4] of ``photographs`` uint8 [B, height, width]: the
    maps of the four orientations, one below the other. 255 is an edge that stands out, 0 none.

    Raises
    ------
    ValueError
        Height or width is no multiple of 4.
    """
    count, height, width = photographs.shape
    if height % POOL or width % POOL:
        raise ValueError(f"Height and width must be multiples of {POOL}, not {height} × {width}")
    maps = np.stack([_maps(photograph) for photograph in photographs])
    return maps.reshape(count, ORIENTATIONS * height // POOL, width // POOL)


def _maps(photograph: np.ndarray) -> np.ndarray:
    """uint8 [4, height / 4, width / 4] of one photograph."""
    height, width = photograph.shape
    padded = np.pad(photograph.astype(np.int64), _SIZE // 2, mode="edge")
    seen = sliding_window_view(padded, (_SIZE, _SIZE)).reshape(height * width, _SIZE**2)
    simple = np.abs(_FILTERS @ seen.T)
    ahead = (ORIENTATIONS * simple - simple.sum(axis=0)).clip(min=0)
    squares = ahead.reshape(ORIENTATIONS, height // POOL, POOL, width // POOL, POOL)
    complex_ = squares.max(axis=(2, 4))
    around = np.pad(complex_.sum(axis=0), _REACH, mode="edge")
    size = 2 * _REACH + 1
    total = sliding_window_view(around, (size, size)).sum(axis=(2, 3))
    # 2 · mean + floor, all of it times the number of values in the mean
    values = ORIENTATIONS * size**2
    floor = round(_FLOOR * 255 * _UNIT * ORIENTATIONS)
    return (255 * values * complex_ // (2 * total + values * floor)).clip(max=255).astype(np.uint8)


def _gabors() -> np.ndarray:
    """The filters, integers [4, 49], of sum 0: an even light has no edges."""
    reach = _SIZE // 2
    down, across = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    inside = down**2 + across**2 <= (reach + 0.5) ** 2
    filters = []
    for angle in np.pi * np.arange(ORIENTATIONS) / ORIENTATIONS:
        over = across * np.cos(angle) + down * np.sin(angle)
        along = down * np.cos(angle) - across * np.sin(angle)
        envelope = np.exp(-(over**2 + (_ASPECT * along) ** 2) / (2 * _DEVIATION**2))
        weight = inside * envelope * np.cos(2 * np.pi * over / _WAVELENGTH)
        weight -= inside * weight.sum() / inside.sum()
        whole = np.round(_UNIT * weight / np.linalg.norm(weight)).astype(np.int64)
        whole[reach, reach] -= whole.sum()  # what rounding left
        filters.append(whole.flatten())
    return np.stack(filters)


_FILTERS = _gabors()
