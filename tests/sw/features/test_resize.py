"""Resizing by area."""

import re

import numpy as np
import pytest

from sw.features.resize import by_area


def by_parts(image, edge):
    """Every pixel is cut into edge² equal parts, and n² of them make a new one."""
    size = len(image)
    parts = image.repeat(edge, axis=0).repeat(edge, axis=1).astype(int)
    cells = parts.reshape(edge, size, edge, size).sum(axis=(1, 3))
    return (2 * cells + size**2) // (2 * size**2)


@pytest.mark.parametrize(("size", "edge"), [(24, 16), (28, 14), (28, 16), (7, 5), (5, 5), (3, 1)])
def test_is_the_mean_of_the_area(rng, size, edge):
    images = rng.integers(0, 256, (4, size, size)).astype(np.uint8)
    small = by_area(images, edge)
    assert small.dtype == np.uint8
    for image, found in zip(images, small, strict=True):
        np.testing.assert_array_equal(found, by_parts(image, edge))


def test_by_hand():
    """3 × 3 to 2 × 2: a corner pixel counts four times, one beside it twice, the middle once."""
    image = np.array([[90, 0, 0], [0, 18, 0], [0, 0, 255]], np.uint8)
    expected = [[(4 * 90 + 18 + 4) // 9, 2], [2, (4 * 255 + 18 + 4) // 9]]
    assert by_area(image[None], 2)[0].tolist() == expected


@pytest.mark.parametrize("shape", [(2, 4, 5), (2, 3, 3)])
def test_refuses_what_it_cannot(shape):
    message = f"Images must be square, of at least 4 × 4 pixels, not {shape[1]} × {shape[2]}"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        by_area(np.zeros(shape, np.uint8), 4)
