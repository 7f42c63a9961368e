"""A drawing becomes an image as MNIST's digits did: scaled to a box, centred by its mass.

The pen's lines are scaled before they are rendered, so that a small digit and a large one have
strokes of the same width.
"""

from collections.abc import Sequence
from itertools import chain

import numpy as np

from sw.cli import UserError

__all__ = ["MOST_POINTS", "parse", "render"]

MOST_POINTS = 20_000
# MNIST: digits fill a box of 20 pixels of 28. In a small image no pixel can be spared: those of
# scikit-learn's digits, of 8 × 8, fill all of it. With these pens the brightness of drawn digits is
# distributed as that of the training images.
_BOX, _PEN = 20 / 28, 2.5 / 28
_SMALL, _LEAST_PEN = 16, 1.3
_FINE = 4  # points per pixel, in each direction

Strokes = Sequence[np.ndarray]


def parse(value: object) -> list[np.ndarray]:
    """The strokes float64 [P, 2] that JSON has as lists of points ``[x, y]``, y downwards.

    Raises
    ------
    UserError
        It is something else, or nothing is drawn.
    """
    fault = UserError(
        "a drawing must be a list of strokes, each a list of points [x, y] in 0 … 1000"
    )
    if not isinstance(value, list) or not all(isinstance(stroke, list) for stroke in value):
        raise fault
    points = list(chain.from_iterable(value))
    if len(points) > MOST_POINTS:
        raise UserError(f"a drawing must have at most {MOST_POINTS} points, not {len(points)}")
    if not all(isinstance(point, list) and len(point) == 2 for point in points):
        raise fault
    if not all(type(x) in (int, float) and 0 <= x <= 1000 for x in chain.from_iterable(points)):
        raise fault
    if not points:
        raise UserError("nothing is drawn yet")
    return [np.array(stroke, np.float64) for stroke in value if stroke]


def render(strokes: Strokes, shape: tuple[int, int]) -> np.ndarray:
    """``strokes`` float64 [P, 2] (x, y) as an image uint8 of ``shape`` (height, width)."""
    size = np.array(shape[::-1], np.float64)
    side = size.min()
    pen = max(_LEAST_PEN, _PEN * side)
    box = size if side < _SMALL else _BOX * size
    points = np.concatenate(strokes)
    low, extent = points.min(axis=0), np.ptp(points, axis=0)
    scale = min(
        ((room - pen) / length for room, length in zip(box, extent, strict=True) if length > 0),
        default=0.0,
    )
    corner = (size - scale * extent) / 2  # of the centred drawing, without the pen's width
    image = _draw([corner + scale * (stroke - low) for stroke in strokes], pen, shape)
    mass = image.astype(np.float64)
    rows, columns = np.indices(shape) + 0.5
    centre = np.array([(columns * mass).sum(), (rows * mass).sum()]) / mass.sum()
    free = np.maximum(corner - pen / 2, 0)  # so far it can go without leaving the image
    corner += np.clip(size / 2 - centre, -free, free)
    return _draw([corner + scale * (stroke - low) for stroke in strokes], pen, shape)


def _draw(strokes: Strokes, pen: float, shape: tuple[int, int]) -> np.ndarray:
    """Lines of width ``pen`` with round ends, as coverage of each pixel."""
    distance = np.full([_FINE * n for n in shape], np.inf)
    y, x = ((np.arange(n) + 0.5) / _FINE for n in distance.shape)
    for stroke in strokes:
        points = _thinned(stroke)
        for begin, end in zip(points, [*points[1:], points[-1]], strict=True):
            near = tuple(
                slice(max(0, int(_FINE * (min(pair) - pen))), int(_FINE * (max(pair) + pen)) + 1)
                for pair in zip(begin[::-1], end[::-1], strict=True)
            )
            place = distance[near]
            np.minimum(place, _distance(x[near[1]], y[near[0], None], begin, end), out=place)
    covered = (0.5 + _FINE * (pen / 2 - distance)).clip(0, 1)
    height, width = shape
    return np.rint(255 * covered.reshape(height, _FINE, width, _FINE).mean(axis=(1, 3))).astype(
        np.uint8
    )


def _thinned(stroke: np.ndarray) -> np.ndarray:
    """Without points within a quarter of a pixel of the one before; the last one stays."""
    kept = [stroke[0]]
    for point in stroke[1:-1]:
        if np.abs(point - kept[-1]).max() >= 0.25:
            kept.append(point)
    return np.array([*kept, stroke[-1]])


def _distance(x: np.ndarray, y: np.ndarray, begin: np.ndarray, end: np.ndarray) -> np.ndarray:
    """From places to the line between two points."""
    along = end - begin
    length = along @ along
    share = ((x - begin[0]) * along[0] + (y - begin[1]) * along[1]) / (length or 1.0)
    share = share.clip(0, 1)
    return np.hypot(x - begin[0] - share * along[0], y - begin[1] - share * along[1])
