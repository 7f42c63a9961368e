"""How a drawing becomes an image."""

import numpy as np
import pytest
from pens import DIGITS

from sim import golden
from sim.demo.drawing import MOST_POINTS, parse, render
from sw.cli import UserError
from sw.network import find


def strokes(*given):
    return [np.array(each, float) for each in given]


def centre(image):
    """(x, y) of the centre of mass, in pixels from the corner."""
    mass = image / image.sum()
    along = [(np.arange(n) + 0.5) for n in image.shape]
    return mass.sum(axis=0) @ along[1], mass.sum(axis=1) @ along[0]


def test_a_vertical_stroke_fills_the_box_of_mnist():
    image = render(strokes([[300, 100], [300, 700]]), (28, 28))
    assert image.dtype == np.uint8
    rows = np.flatnonzero(image.max(axis=1) > 127)
    assert (rows[0], rows[-1]) == (4, 23)  # 20 of 28 pixels
    assert image.max() == 255
    columns = np.flatnonzero(image.max(axis=0))
    assert len(columns) <= 4
    assert centre(image) == pytest.approx((14, 14), abs=0.1)


@pytest.mark.parametrize("shape", [(28, 28), (8, 8), (20, 40)])
@pytest.mark.parametrize("digit", [2, 4, 8])
def test_size_and_place_do_not_matter(shape, digit):
    whole = strokes(*DIGITS[digit])
    small = [each / 4 + 700 for each in whole]
    difference = render(whole, shape).astype(int) - render(small, shape)
    assert np.abs(difference).max() <= 1  # rounding


def test_how_many_points_a_line_has_does_not_matter():
    """A slow pen and a fast one."""
    fast = np.array([[10, 5], [30, 90]], float)
    slow = np.linspace(*fast, 900)
    np.testing.assert_array_equal(render([fast], (28, 28)), render([slow], (28, 28)))


def test_it_is_centred_by_its_mass():
    """A 7 has its mass above the middle and to the right."""
    image = render(strokes(*DIGITS[7]), (28, 28))
    rows = np.flatnonzero(image.max(axis=1) > 127)
    assert rows[0] > 4
    assert centre(image) == pytest.approx((14, 14), abs=0.3)


def test_a_small_image_is_filled_and_nothing_leaves_it():
    for digit in DIGITS:
        image = render(strokes(*digit), (8, 8))
        assert image[0].any()
        assert image[-1].any()


def test_a_dot():
    image = render(strokes([[5, 5]]), (28, 28))
    assert image[13:15, 13:15].all()
    assert centre(image) == pytest.approx((14, 14), abs=0.1)


@pytest.mark.parametrize("name", ["mnist-784-600-10-t8", "mnist-512-192-10-t8"])
def test_drawn_digits_are_recognised(name):
    images = np.stack([render(strokes(*digit), (28, 28)) for digit in DIGITS])
    assert golden.run_images(find(name), images).label.tolist() == list(range(10))


def test_parse():
    first, second = parse([[[0, 0.5], [1000, 7]], [], [[3, 3]]])
    assert first.tolist() == [[0, 0.5], [1000, 7]]
    assert second.tolist() == [[3, 3]]


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        "x",
        [1],
        [[1]],
        [[[1]]],
        [[[1, 2, 3]]],
        [[["1", 2]]],
        [[[True, 2]]],
        [[[-1, 2]]],
        [[[1001, 2]]],
        [[[float("nan"), 2]]],
        [[[10**400, 2]]],
    ],
)
def test_refuses_what_is_no_drawing(value):
    with pytest.raises(UserError, match=r"^a drawing must be a list of strokes, each a list of"):
        parse(value)


@pytest.mark.parametrize("value", [[], [[]], [[], []]])
def test_nothing_is_drawn(value):
    with pytest.raises(UserError, match=r"^nothing is drawn yet$"):
        parse(value)


def test_too_many_points():
    with pytest.raises(UserError, match=r"at most 20000 points, not 20001$"):
        parse([[[1, 1]] * (MOST_POINTS + 1)])
