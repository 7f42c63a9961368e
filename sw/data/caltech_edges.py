"""The data set ``caltech_edges``: the photographs of ``sw.data.caltech``, filtered by
``sw.features.edges``.

At 64 × 96 pixels a photograph becomes four maps of 16 × 24 places, one below the other: an image of
64 × 24, of as many inputs as the grey one has. The split is the same.
"""

from dataclasses import replace
from pathlib import Path

from sw.data import caltech
from sw.data.dataset import Dataset
from sw.features import edges

__all__ = ["find", "load"]


find = caltech.find


def load(data_dir: Path | None = None) -> Dataset:
    """The data set. Raises as :func:`sw.data.caltech.photographs` does."""
    seen = caltech.photographs("caltech_edges", 64, 96, data_dir)
    return replace(
        seen,
        train_images=edges.encode(seen.train_images),
        test_images=edges.encode(seen.test_images),
        maps=edges.ORIENTATIONS,
        oriented=True,
    )
