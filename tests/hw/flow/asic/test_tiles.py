"""How much logic fits on Tiny Tapeout's tiles."""

import pytest

from hw.flow.asic.tiles import TILES, cells_of, fitting


def test_a_name_says_how_many_tiles():
    for name, count in TILES.items():
        columns, rows = map(int, name.split("x"))
        assert columns * rows == count
    assert list(TILES.values()) == sorted(TILES.values())  # the smallest is found first


@pytest.mark.parametrize(
    ("cells", "tiles"),
    [(1, "1x1"), (1000, "1x1"), (1001, "1x2"), (4000, "2x2"), (12_001, "8x2"), (16_001, None)],
)
def test_the_smallest_tiles_that_hold_it(cells, tiles):
    assert fitting(cells) == tiles


def test_cells_of_tiles():
    assert [cells_of(name) for name in ("1x1", "1x2", "2x2", "4x4")] == [1000, 2000, 4000, 16_000]
