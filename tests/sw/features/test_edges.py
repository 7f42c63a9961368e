"""Oriented edges of pictures whose edges are known."""

import re

import numpy as np
import pytest

from sw.features import edges
from sw.features.edges import ORIENTATIONS, encode

UPRIGHT, RISING, LEVEL, FALLING = range(4)  # lines, as they are seen


def maps_of(photograph):
    height, width = photograph.shape
    return encode(photograph[None]).reshape(ORIENTATIONS, height // 4, width // 4)


def picture(inside, shade=200, ground=60):
    """24 × 32 pixels, ``shade`` where ``inside`` of (down, across)."""
    down, across = np.mgrid[:24, :32]
    return np.where(inside(down, across), shade, ground).astype(np.uint8)


@pytest.mark.parametrize(
    ("inside", "orientation"),
    [
        (lambda down, across: across >= 16, UPRIGHT),
        (lambda down, across: abs(across - 16) < 2, UPRIGHT),
        (lambda down, across: down >= 12, LEVEL),
        (lambda down, across: across + down >= 28, RISING),
        (lambda down, across: across - down >= 4, FALLING),
    ],
)
def test_a_line_is_in_its_map_where_it_lies(inside, orientation):
    found = maps_of(picture(inside))
    at = found[orientation]
    assert found.max() == at.max() > 200
    assert found.sum() < 1.4 * at.sum()  # a slanted line seems to bend at the border
    # far from the line there is nothing
    down, across = np.nonzero(at)
    seen = picture(inside).astype(int)
    for row, column in zip(down, across, strict=True):
        near = seen[max(0, 4 * row - 3) : 4 * row + 7, max(0, 4 * column - 3) : 4 * column + 7]
        assert np.ptp(near) > 0


@pytest.mark.smoke
def test_an_even_light_has_no_edges():
    for shade in (0, 77, 255):
        assert not encode(np.full((2, 12, 16), shade, np.uint8)).any()


def test_dark_before_bright_is_bright_before_dark(rng):
    photographs = rng.integers(0, 256, (3, 24, 32)).astype(np.uint8)
    np.testing.assert_array_equal(encode(photographs), encode(255 - photographs))


def test_more_light_changes_nothing_and_contrast_little(rng):
    photographs = rng.integers(0, 100, (3, 24, 32)).astype(np.uint8)
    found = encode(photographs)
    np.testing.assert_array_equal(encode(photographs + np.uint8(100)), found)
    stronger = encode(2 * photographs).astype(int)
    assert abs(stronger - found).max() < 0.15 * 255
    assert (stronger >= found).all()


def test_mirrored_maps_change_places(rng):
    """As ``Dataset.maps`` says, on which augmentation rests."""
    photograph = rng.integers(0, 256, (24, 32)).astype(np.uint8)
    found, mirrored = maps_of(photograph), maps_of(photograph[:, ::-1])
    np.testing.assert_array_equal(mirrored, found[[0, 3, 2, 1], :, ::-1])


def test_a_photograph_by_itself(rng):
    """One image is the same beside others, and every place by the stages one after another."""
    photographs = rng.integers(0, 256, (2, 8, 12)).astype(np.uint8)
    images = encode(photographs)
    assert images.shape == (2, 8, 3)
    assert images.dtype == np.uint8
    np.testing.assert_array_equal(images[1:], encode(photographs[1:]))
    np.testing.assert_array_equal(images[0], by_hand(photographs[0].tolist()))


def by_hand(seen):
    """Image of one photograph of 8 × 12 pixels, place by place."""

    def inside(value, size):
        return min(max(value, 0), size - 1)

    def response(kernel, row, column):
        weights = kernel.reshape(7, 7).tolist()
        return abs(
            sum(
                weights[i][j] * seen[inside(row + i - 3, 8)][inside(column + j - 3, 12)]
                for i in range(7)
                for j in range(7)
            )
        )

    best = {(o, y, x): 0 for o in range(4) for y in range(2) for x in range(3)}
    for row in range(8):
        for column in range(12):
            simple = [response(kernel, row, column) for kernel in edges._FILTERS]
            for o in range(4):
                place = o, row // 4, column // 4
                best[place] = max(best[place], 4 * simple[o] - sum(simple))
    image = np.zeros((4, 2, 3), int)
    for o, y, x in best:
        around = sum(
            best[other, inside(y + i, 2), inside(x + j, 3)]
            for other in range(4)
            for i in range(-2, 3)
            for j in range(-2, 3)
        )
        floor = round(0.02 * 255 * 256 * 4)
        image[o, y, x] = min(255, 255 * 100 * best[o, y, x] // (2 * around + 100 * floor))
    return image.reshape(8, 3)


def test_filters_are_of_one_length_and_see_no_even_light():
    assert (edges._FILTERS.sum(axis=1) == 0).all()
    lengths = np.linalg.norm(edges._FILTERS, axis=1)
    np.testing.assert_allclose(lengths, 256, rtol=0.02)


@pytest.mark.parametrize("shape", [(10, 12), (12, 10)])
def test_sizes_that_do_not_divide_are_refused(shape):
    with pytest.raises(ValueError, match=re.escape(f"not {shape[0]} × {shape[1]}")):
        encode(np.zeros((1, *shape), np.uint8))
