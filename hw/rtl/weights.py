"""Weights as bits: rows of memories, and the words that are loaded into one."""

import numpy as np
from amaranth.lib import data

from hw.rtl.memories import COLUMN, packed
from sw.network import Layer

__all__ = ["LoadLayout", "minus_rows", "row_word", "weight_words"]


def row_word(bits: np.ndarray) -> int:
    """A row of bits, bool [width], as the word of a memory: element k is bit k."""
    return int.from_bytes(np.packbits(bits, bitorder="little").tobytes(), "little")


def weight_words(layer: Layer, lanes: int) -> np.ndarray:
    """What a loaded memory of weights holds, word by word in the order of its addresses.

    A row is ``lanes / 16`` words, one for each column of the memory. Row i · K + k has the weights
    of input i to the units of chunk k; bit b of column c is set if that to unit
    ``k · lanes + 16 · c + b`` is −1. Lanes without a unit have 0.

    Parameters
    ----------
    layer : Layer
    lanes : int, multiple of 16

    Returns
    -------
    uint16 [inputs · K · lanes / 16]
    """
    return packed(minus_rows(layer, lanes), lanes // COLUMN)


def minus_rows(layer: Layer, lanes: int) -> np.ndarray:
    """Rows of a memory with the weights of ``lanes`` units each, bool [inputs · K, lanes]: the
    weight is −1. Row i · K + k is that of input i and of the units from ``k · lanes`` on; lanes
    without a unit are False.
    """
    spare = -layer.outputs % lanes
    minus = np.concatenate([~layer.weight, np.zeros((spare, layer.inputs), bool)])
    return np.ascontiguousarray(minus.T).reshape(-1, lanes)


class LoadLayout(data.StructLayout):
    """A word of weights on its way into the memory.

    Parameters
    ----------
    words : int
        That are loaded.

    Members
    -------
    address : range(words)
    data : 16
    """

    def __init__(self, words: int):
        super().__init__({"address": range(words), "data": COLUMN})
