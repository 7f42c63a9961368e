"""The data set ``mnist``: 60,000 and 10,000 handwritten digits, by LeCun, Cortes and Burges."""

from pathlib import Path

from sw.data import idx
from sw.data.dataset import Dataset

__all__ = ["SOURCE", "find", "load"]

SOURCE = idx.Source(
    name="mnist",
    url="https://ossci-datasets.s3.amazonaws.com/mnist/",
    md5=(
        "6bbc9ace898e44ae57da46a324031adb",
        "a25bea736e30d166cdddb491f175f624",
        "2646ac647ad5339dbf082846283269ea",
        "27ae3e4e09519cfbb04c329615203637",
    ),
    torchvision="MNIST",
    labels=tuple("0123456789"),
)


def find(data_dir: Path | None = None) -> Path | None:
    """Where it lies, None if it has to be fetched."""
    return idx.find(SOURCE, data_dir)


def load(data_dir: Path | None = None) -> Dataset:
    """The data set. Raises as :func:`sw.data.idx.load` does."""
    return idx.load(SOURCE, data_dir)
