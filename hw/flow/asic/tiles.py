"""Tiny Tapeout's tiles, and how much logic is taken to fit on them: one table.

Tiny Tapeout's FAQ says of a tile of about 160 × 100 µm in sky130: "This is enough for about 1000
digital logic gates, depending on their size" (https://tinytapeout.com/faq, read in November 2026).
So a tile is taken to hold 1,000 standard cells, of whatever kind. It is a rule of thumb: what fits
is known when it is placed and routed.
"""

from collections.abc import Mapping

__all__ = ["CELLS_PER_TILE", "LARGEST", "TILES", "cells_of", "fitting"]

CELLS_PER_TILE = 1000

TILES: Mapping[str, int] = {
    "1x1": 1,
    "1x2": 2,
    "2x2": 4,
    "3x2": 6,
    "4x2": 8,
    "6x2": 12,
    "8x2": 16,
    "4x4": 16,
}
"""Tiles of each size that a project may take, by Tiny Tapeout's name: columns x rows."""

LARGEST = max(TILES, key=lambda name: TILES[name])
"""The first of the largest sizes."""


def cells_of(tiles: str) -> int:
    """Standard cells that are taken to fit on ``tiles``, one of :data:`TILES`."""
    return CELLS_PER_TILE * TILES[tiles]


def fitting(cells: int) -> str | None:
    """The smallest of :data:`TILES` for so many standard cells; None if they fit on none."""
    return next((name for name in TILES if cells <= cells_of(name)), None)
