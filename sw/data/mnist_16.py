"""The data set ``mnist_16``: the digits of ``sw.data.mnist`` at 16 × 16 pixels.

Two pixels are cut off on each side, which are empty on nearly all images, and the 24 × 24 in the
middle are resized by area (``sw.features.resize``). Small chips take such images, mostly with one
bit per pixel: an encoder with T = 1 and a threshold ``silent_below``.
"""

from dataclasses import replace
from pathlib import Path

from sw.data import mnist
from sw.data.dataset import Dataset
from sw.features.resize import by_area

__all__ = ["find", "load"]

_EDGE = 16
_CUT = 2  # pixels, on each side


find = mnist.find


def load(data_dir: Path | None = None) -> Dataset:
    """The data set. Raises as :func:`sw.data.mnist.load` does."""
    full = mnist.load(data_dir)
    middle = slice(_CUT, -_CUT)
    return replace(
        full,
        name="mnist_16",
        train_images=by_area(full.train_images[:, middle, middle], _EDGE),
        test_images=by_area(full.test_images[:, middle, middle], _EDGE),
    )
