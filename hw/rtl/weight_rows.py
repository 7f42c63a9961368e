"""The memory of the weights of a whole network, row by row."""

import numpy as np
from amaranth.hdl import Cat, Module, Mux
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from hw.rtl.memories import COLUMN
from hw.rtl.spram import SinglePortMemory
from hw.rtl.weights import LoadLayout, row_word

__all__ = ["WeightRows"]


class WeightRows(wiring.Component):
    """Rows of weights of all layers, in the order of need.

    Latency: 1 cycle.

    Parameters
    ----------
    rows : bool [R, W]
    load_columns : int, a power of two
        Words of a row as it is loaded, at least ⌈W / 16⌉, of which those behind them are not kept.
    loaded : bool
        The weights are not known to the hardware: they come through ``load``.

    Members
    -------
    row : range(R)
    read : 1
    bits : W
        The row that was read in the cycle before.
    load : stream of LoadLayout
        Only where ``loaded``; at any time when no row is read.
    """

    def __init__(self, rows: np.ndarray, *, load_columns: int, loaded: bool):
        self._rows = rows
        self._load_columns = load_columns
        self._loaded = loaded
        depth, width = rows.shape
        load = stream.Signature(LoadLayout(depth * load_columns), always_ready=True)
        super().__init__(
            {
                "row": In(range(depth)),
                "read": In(1),
                "bits": Out(width),
                **({"load": In(load)} if loaded else {}),
            }
        )

    def elaborate(self, platform):
        m = Module()
        depth, width = self._rows.shape
        if not self._loaded:
            m.submodules.rows = rows = memory.Memory(
                shape=width,
                depth=depth,
                init=[row_word(row) for row in self._rows],
                attrs={"ram_style": "block"},
            )
            port = rows.read_port()
            m.d.comb += [port.addr.eq(self.row), port.en.eq(self.read), self.bits.eq(port.data)]
            return m
        columns = -(-width // COLUMN)
        m.submodules.loaded = rows = SinglePortMemory(depth=depth, columns=columns, width=width)
        word, split = self.load.payload, exact_log2(self._load_columns)
        m.d.comb += [
            rows.address.eq(Mux(self.load.valid, word.address >> split, self.row)),
            rows.enable.eq(self.load.valid | self.read),
            rows.write.eq(
                Cat(self.load.valid & (word.address[:split] == k) for k in range(columns))
            ),
            rows.word.eq(word.data),
            self.bits.eq(rows.data),
        ]
        return m
