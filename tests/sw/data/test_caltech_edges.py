"""Faces against motorbikes as oriented edges."""

import numpy as np

from sw.data import caltech, registry
from sw.data.dataset import Dataset
from sw.features import edges


def test_photographs_become_edges(rng, monkeypatch):
    photographs = rng.integers(0, 256, (5, 64, 96)).astype(np.uint8)

    def read(name, height, width, data_dir):
        assert (height, width, data_dir) == (64, 96, None)
        return Dataset(
            name=name,
            train_images=photographs[:3],
            train_labels=np.array([0, 0, 1]),
            test_images=photographs[3:],
            test_labels=np.array([0, 1]),
            labels=("face", "motorbike"),
        )

    monkeypatch.setattr(caltech, "photographs", read)
    loaded = registry.load("caltech_edges")
    assert (loaded.name, loaded.maps, loaded.shape) == ("caltech_edges", 4, (64, 24))
    np.testing.assert_array_equal(loaded.train_images, edges.encode(photographs[:3]))
    np.testing.assert_array_equal(loaded.test_images, edges.encode(photographs[3:]))
    assert loaded.test_labels.tolist() == [0, 1]


def test_real_photographs(caltech, caltech_edges):
    """The same photographs in the same order: a motorbike's white ground has no edges."""
    np.testing.assert_array_equal(caltech_edges.train_labels, caltech.train_labels)
    np.testing.assert_array_equal(caltech_edges.test_labels, caltech.test_labels)
    assert caltech_edges.test_images.shape == (616, 64, 24)
    corner = caltech.test_images[:, :5, :5].reshape(616, -1)
    even = np.flatnonzero(np.ptp(corner, axis=1) == 0)
    assert len(even) > 20
    assert not caltech_edges.test_images.reshape(616, 4, 16, 24)[even, :, 0, 0].any()
