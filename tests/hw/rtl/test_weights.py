"""Weights as bits: rows and words of memories, and what is loaded."""

import numpy as np

from hw.rtl.weights import minus_rows, row_word, weight_words
from sw.network import Layer


def layer_of(rng, units, inputs):
    threshold = np.zeros(units, np.int32)
    return Layer(weight=rng.random((units, inputs)) < 0.5, threshold=threshold)


def test_the_first_element_of_a_row_is_the_lowest_bit():
    assert row_word(np.array([True, False, False, True])) == 0b1001
    assert row_word(np.eye(100, dtype=bool)[70]) == 1 << 70
    assert row_word(np.zeros(9, bool)) == 0


def test_rows_of_lanes(rng):
    """Row i · K + k; lanes of the last chunk that no unit has are clear."""
    layer = layer_of(rng, 10, inputs=3)
    rows = minus_rows(layer, 4)
    assert rows.shape == (3 * 3, 4)
    for source in range(3):
        for unit in range(12):
            expected = unit < 10 and not layer.weight[unit, source]
            assert rows[3 * source + unit // 4, unit % 4] == expected


def test_words_of_weights(rng):
    """Bit by bit: input, chunk, column, then the column's lanes; set for −1."""
    layer = layer_of(rng, 70, inputs=3)
    words = weight_words(layer, 32)
    assert words.dtype == np.uint16
    assert len(words) == 3 * 3 * 2
    for address, word in enumerate(words.tolist()):
        row, column = divmod(address, 2)
        source, chunk = divmod(row, 3)
        units = range(32 * chunk + 16 * column, 32 * chunk + 16 * column + 16)
        bits = [unit < 70 and not layer.weight[unit, source] for unit in units]
        assert word == sum(bit << place for place, bit in enumerate(bits))
