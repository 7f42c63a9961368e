"""Figures of Matplotlib, each a picture in a file, whole or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sw.cli import save_picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["drawn", "plain"]


@contextmanager
def drawn(path: Path, size: tuple[float, float]) -> "Iterator[Figure]":
    """A new figure of ``size`` inches that is saved to ``path`` at the end."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    yield figure
    save_picture(path, figure, dpi=120)


def plain(text: str) -> str:
    """``text`` so that Matplotlib finds no formula in it."""
    return text.replace("$", r"\$")
