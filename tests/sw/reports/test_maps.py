"""Pictures of maps: pixels by hand."""

import numpy as np
import pytest

from sw.reports.maps import shades, tiled, visible


def test_channels_that_are_no_colours_stand_side_by_side(rng):
    for channels in (1, 2, 4):
        image = rng.integers(0, 256, (3, 5, channels), np.uint8)
        shown = visible(image)
        assert shown.shape == (3, 5 * channels)
        for c in range(channels):
            np.testing.assert_array_equal(shown[:, 5 * c : 5 * c + 5], image[:, :, c])
    for shape in ((3, 5), (3, 5, 3)):
        image = rng.integers(0, 256, shape, np.uint8)
        np.testing.assert_array_equal(visible(image), image)


@pytest.mark.parametrize(("count", "columns"), [(1, 1), (5, 2), (4, 4)])
def test_tiles_lie_where_they_belong(rng, count, columns):
    maps = rng.integers(1, 256, (count, 2, 3, 4), np.uint8)
    picture = tiled(maps, columns)
    seen = np.zeros(picture.shape[:2], bool)
    for index in range(count):
        y, x = 3 * (index // columns), 4 * (index % columns)
        np.testing.assert_array_equal(picture[y : y + 2, x : x + 3], maps[index])
        seen[y : y + 2, x : x + 3] = True
    assert not picture[~seen].any()  # gaps are transparent


@pytest.mark.parametrize(("steps", "decision"), [(1, 0), (8, 2), (8, 7)])
def test_the_earlier_the_darker(steps, decision):
    colours = shades(steps, decision).astype(int)
    assert len(colours) == steps + 1
    brightness = colours[: decision + 1, :3].sum(axis=1)
    assert (np.diff(brightness) > 0).all()
    assert (colours[: decision + 1, 3] == 255).all()
    after = colours[decision + 1 : steps]
    assert len(np.unique(after, axis=0)) <= 1  # one grey
    assert (after[:, 3] < 255).all()
    assert (colours[steps, 3] < colours[:steps, 3]).all()
