"""MNIST at 16 × 16 pixels."""

import numpy as np

from sw.data import mnist, registry
from sw.data.dataset import Dataset
from sw.features.resize import by_area


def test_the_middle_is_resized(rng, monkeypatch):
    images = rng.integers(0, 256, (5, 28, 28)).astype(np.uint8)
    full = Dataset(
        name="mnist",
        train_images=images[:3],
        train_labels=np.array([0, 0, 1]),
        test_images=images[3:],
        test_labels=np.array([0, 1]),
        labels=("0", "1"),
    )
    monkeypatch.setattr(mnist, "load", lambda data_dir: full)
    loaded = registry.load("mnist_16")
    assert (loaded.name, loaded.shape) == ("mnist_16", (16, 16))
    np.testing.assert_array_equal(loaded.train_images, by_area(images[:3, 2:26, 2:26], 16))
    np.testing.assert_array_equal(loaded.test_images, by_area(images[3:, 2:26, 2:26], 16))
    assert loaded.test_labels.tolist() == [0, 1]
