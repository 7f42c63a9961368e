"""The ten digits as a hand would draw them: strokes of points (x, y), y downwards."""

from math import cos, pi, sin

__all__ = ["DIGITS"]


def _arc(x, y, across, down, begin, end):
    angles = [begin + (end - begin) * k / 24 for k in range(25)]
    return [[x + across * cos(angle), y + down * sin(angle)] for angle in angles]


DIGITS = (
    [_arc(50, 50, 25, 38, -pi / 2, 1.5 * pi)],
    [[[50, 10], [50, 90]]],
    [[*_arc(50, 32, 24, 22, -pi, 0.25 * pi), [25, 88], [78, 88]]],
    [[*_arc(48, 30, 22, 20, -0.8 * pi, 0.5 * pi), *_arc(48, 70, 25, 20, -0.5 * pi, 0.8 * pi)]],
    [[[35, 10], [25, 55], [75, 55]], [[68, 12], [62, 92]]],
    [[[72, 12], [32, 12], [29, 45], *_arc(48, 64, 24, 24, -0.65 * pi, 0.8 * pi)]],
    [[[62, 8], [42, 35], [31, 62], *_arc(50, 68, 19, 21, pi, -pi)]],
    [[[25, 15], [75, 15], [45, 90]]],
    [_arc(50, 30, 19, 19, 0.5 * pi, 2.5 * pi), _arc(50, 70, 23, 21, -0.5 * pi, 1.5 * pi)],
    [_arc(48, 32, 20, 21, 0, 2 * pi), [[68, 32], [62, 92]]],
)
