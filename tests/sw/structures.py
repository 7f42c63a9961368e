"""Layers of random structures on maps, drawn by Hypothesis: each as text, with the size (rows,
columns) of its maps.
"""

from hypothesis import strategies as st


def convolution(draw, size, *, channels, kernel, stride):
    """A convolution on maps of ``size``, its channels, kernel and stride up to these and its
    padding up to 2; None where it does not fit.
    """
    kernel, stride, padding = (
        [draw(st.integers(low, high)) for _ in range(count)]
        for low, high, count in ((1, kernel, 2), (1, stride, 2), (0, 2, 4))
    )
    rows = (size[0] + sum(padding[:2]) - kernel[0]) // stride[0] + 1
    columns = (size[1] + sum(padding[2:]) - kernel[1]) // stride[1] + 1
    if rows < 1 or columns < 1:
        return None
    edges = f"{kernel[0]}x{kernel[1]}s{stride[0]}x{stride[1]}"
    dots = ".".join(map(str, padding))
    return f"{draw(st.integers(1, channels))}c{edges}p{dots}", (rows, columns)


def pooling(draw, size, letters):
    """A pooling of one of the ``letters`` on maps of ``size``, its windows up to 3 × 3."""
    down, across = (draw(st.integers(1, min(3, edge))) for edge in size)
    letter = draw(st.sampled_from(letters))
    return f"{letter}{down}x{across}", (size[0] // down, size[1] // across)


def dense(draw):
    """One or two dense layers."""
    return map(str, draw(st.lists(st.integers(1, 12), min_size=1, max_size=2)))
