"""How units are interleaved over banks."""

import numpy as np
import pytest

from hw.rtl.banks import bank_of, bank_rows, row_of, unit_at, units_of


@pytest.mark.parametrize("banks", [1, 2, 4, 8])
@pytest.mark.parametrize("units", [1, 4, 9])
def test_every_unit_has_a_place_of_its_own(units, banks):
    places = [(bank_of(unit, banks), row_of(unit, banks)) for unit in range(units)]
    assert len(set(places)) == units
    for unit, (bank, row) in enumerate(places):
        assert bank == unit % banks
        assert 0 <= row < bank_rows(units, banks)
        assert unit_at(row, bank, banks) == unit
        assert list(range(units))[units_of(bank, banks)][row] == unit


def test_of_arrays():
    units = np.arange(9)
    assert bank_of(units, 4).tolist() == [0, 1, 2, 3, 0, 1, 2, 3, 0]
    assert row_of(units, 4).tolist() == [0, 0, 0, 0, 1, 1, 1, 1, 2]
