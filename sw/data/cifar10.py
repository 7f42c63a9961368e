"""The data set ``cifar10``: 50,000 and 10,000 colour photographs in ten classes."""

from pathlib import Path

from sw.data import cifar
from sw.data.dataset import Dataset

__all__ = ["SOURCE", "find", "load"]

SOURCE = cifar.Source(
    name="cifar10",
    title="CIFAR-10",
    labels=(
        *("airplane", "automobile", "bird", "cat", "deer"),
        *("dog", "frog", "horse", "ship", "truck"),
    ),
    archive_md5="c58f30108f718f92721af3b95e74349a",
    pixels_md5="2e6fb49eebe443c56c43047720944cd9",
    batches={**{f"data_batch_{k}": "train" for k in range(1, 6)}, "test_batch": "test"},
    key=b"labels",
)


def find(data_dir: Path | None = None) -> Path | None:
    """Where it lies, None if it has to be fetched."""
    return cifar.find(SOURCE, data_dir)


def load(data_dir: Path | None = None) -> Dataset:
    """The data set. Raises as :func:`sw.data.cifar.load` does."""
    return cifar.load(SOURCE, data_dir)
