"""Maps, kernels and images as pictures: what a layer on maps holds, side by side."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_kernels", "draw_times", "draw_values", "shades", "tiled", "visible"]

# Colours of a bitmap cannot follow the page's scheme: these stand on light and dark paper
_PLUS, _MINUS = (0x2B, 0x7B, 0xBA, 255), (0x80, 0x88, 0x92, 70)
_EARLY, _LATE = (0x0A, 0x4E, 0x8C), (0x9F, 0xCF, 0xF2)
_AFTER = (0x80, 0x88, 0x92, 90)
_NEVER = (0x80, 0x88, 0x92, 24)


def visible(image: np.ndarray) -> np.ndarray:
    """An image uint8 [H, W] or [H, W, C] as it can be shown: grey [H, W], or colours [H, W, 3].
    Channels that are neither stand side by side.
    """
    if image.ndim == 3 and image.shape[2] != 3:
        return np.concatenate(list(np.moveaxis(image, 2, 0)), axis=1)
    return image


def tiled(maps: np.ndarray, columns: int) -> np.ndarray:
    """Pictures uint8 [N, H, W, 4] side by side, in rows of so many, with a gap of one pixel that
    is transparent.
    """
    count, height, width, _ = maps.shape
    rows = -(-count // columns)
    result = np.zeros((rows * (height + 1) - 1, columns * (width + 1) - 1, 4), np.uint8)
    for index, each in enumerate(maps):
        y, x = (height + 1) * (index // columns), (width + 1) * (index % columns)
        result[y : y + height, x : x + width] = each
    return result


def draw_kernels(axes: "Axes", kernels: np.ndarray, columns: int) -> None:
    """Kernels bool [N, kh, kw], True for +1, in rows of so many."""
    colours = np.array([_MINUS, _PLUS], np.uint8)
    _show(axes, tiled(colours[kernels.astype(int)], columns))


def draw_times(axes: "Axes", times: np.ndarray, *, steps: int, decision: int, columns: int) -> None:
    """When the units of maps fire: int [C, H, W], ``steps`` for never. Dark is early; what comes
    after the step ``decision`` is grey.
    """
    _show(axes, tiled(shades(steps, decision)[times], columns))


def draw_values(axes: "Axes", values: np.ndarray, *, most: int, columns: int) -> None:
    """The values int [C, H, W], 0 … ``most``, of the units of maps: dark is large."""
    colours = np.concatenate([shades(most, most)[:most], [_NEVER]]).astype(np.uint8)
    _show(axes, tiled(colours[::-1][values], columns))


def shades(steps: int, decision: int) -> np.ndarray:
    """The colour of each step, and of never: uint8 [T + 1, 4]."""
    share = np.linspace(0, 1, decision + 1)[:, None]
    early = (1 - share) * np.array([_EARLY]) + share * np.array([_LATE])
    result = np.empty((steps + 1, 4), np.uint8)
    result[:] = _AFTER
    result[: decision + 1] = np.concatenate([early, np.full_like(share, 255)], axis=1)
    result[steps] = _NEVER
    return result


def _show(axes: "Axes", picture: np.ndarray) -> None:
    axes.imshow(picture, interpolation="none")
    axes.set_axis_off()
