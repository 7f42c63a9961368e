"""The data set ``digits``: the 1,797 handwritten digits of 8 × 8 pixels inside scikit-learn.

Pixels of 0 … 16 are scaled to 0 … 255. It has no official split: every fifth image of each class is
for testing (355).
"""

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from sw.cli import UserError
from sw.data.dataset import Dataset

__all__ = ["find", "load"]


def find(data_dir: Path | None = None) -> Path | None:
    """Where scikit-learn lies, None if it is not installed."""
    found = find_spec("sklearn")
    return Path(found.origin).parent if found and found.origin else None


def load(data_dir: Path | None = None) -> Dataset:
    """The data set. It needs no files, so ``data_dir`` is not looked at. Raises UserError where
    scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise UserError(
            "digits: scikit-learn holds this data set and is not installed; "
            "pip install 'firstspike[learn]'"
        ) from None
    bunch = load_digits()
    images = ((bunch.images.astype(np.int32) * 255 + 8) // 16).astype(np.uint8)
    labels = bunch.target.astype(np.int64)
    test = np.zeros(len(labels), bool)
    for label in range(10):
        test[np.flatnonzero(labels == label)[4::5]] = True
    return Dataset.from_mask(images, labels, test, name="digits", labels=tuple("0123456789"))
