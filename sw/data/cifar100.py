"""The data set ``cifar100``: 50,000 and 10,000 colour photographs in a hundred classes (the fine
ones).
"""

from pathlib import Path

from sw.data import cifar
from sw.data.dataset import Dataset

__all__ = ["SOURCE", "find", "load"]

SOURCE = cifar.Source(
    name="cifar100",
    title="CIFAR-100",
    labels=(
        *("apple", "aquarium_fish", "baby", "bear", "beaver"),
        *("bed", "bee", "beetle", "bicycle", "bottle"),
        *("bowl", "boy", "bridge", "bus", "butterfly"),
        *("camel", "can", "castle", "caterpillar", "cattle"),
        *("chair", "chimpanzee", "clock", "cloud", "cockroach"),
        *("couch", "crab", "crocodile", "cup", "dinosaur"),
        *("dolphin", "elephant", "flatfish", "forest", "fox"),
        *("girl", "hamster", "house", "kangaroo", "keyboard"),
        *("lamp", "lawn_mower", "leopard", "lion", "lizard"),
        *("lobster", "man", "maple_tree", "motorcycle", "mountain"),
        *("mouse", "mushroom", "oak_tree", "orange", "orchid"),
        *("otter", "palm_tree", "pear", "pickup_truck", "pine_tree"),
        *("plain", "plate", "poppy", "porcupine", "possum"),
        *("rabbit", "raccoon", "ray", "road", "rocket"),
        *("rose", "sea", "seal", "shark", "shrew"),
        *("skunk", "skyscraper", "snail", "snake", "spider"),
        *("squirrel", "streetcar", "sunflower", "sweet_pepper", "table"),
        *("tank", "telephone", "television", "tiger", "tractor"),
        *("train", "trout", "tulip", "turtle", "wardrobe"),
        *("whale", "willow_tree", "wolf", "woman", "worm"),
    ),
    archive_md5="eb9058c3a382ffc7106e4002c42a8d85",
    pixels_md5="8ff3153a1046fd3cff0d4121ec7a0c5b",
    batches={"train": "train", "test": "test"},
    key=b"fine_labels",
)


def find(data_dir: Path | None = None) -> Path | None:
    """Where it lies, None if it has to be fetched."""
    return cifar.find(SOURCE, data_dir)


def load(data_dir: Path | None = None) -> Dataset:
    """The data set. Raises as :func:`sw.data.cifar.load` does."""
    return cifar.load(SOURCE, data_dir)
