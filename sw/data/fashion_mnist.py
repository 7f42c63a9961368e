"""The data set ``fashion_mnist``: 60,000 and 10,000 pictures of clothes, by Xiao, Rasul and
Vollgraf (Zalando), MIT licence.
"""

from pathlib import Path

from sw.data import idx
from sw.data.dataset import Dataset

__all__ = ["SOURCE", "find", "load"]

SOURCE = idx.Source(
    name="fashion_mnist",
    url="http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    md5=(
        "f4a8712d7a061bf5bd6d2ca38dc4d50a",
        "9018921c3c673c538a1fc5bad174d6f9",
        "8181f5470baa50b63fa0f6fddb340f0a",
        "15d484375f8d13e6eb1aabb0c3f46965",
    ),
    torchvision="FashionMNIST",
    labels=(
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
)


def find(data_dir: Path | None = None) -> Path | None:
    """Where it lies, None if it has to be fetched."""
    return idx.find(SOURCE, data_dir)


def load(data_dir: Path | None = None) -> Dataset:
    """The data set. Raises as :func:`sw.data.idx.load` does."""
    return idx.load(SOURCE, data_dir)
