"""Two-level priority encoder: finds the lowest set bit of a wide vector, and clears it."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

__all__ = ["LowestBit"]


class LowestBit(wiring.Component):
    """Finds the lowest set bit in groups of about the square root of the width.

    Combinational. About 1.2 LUT4 per input bit; depth grows with the logarithm of the width.

    Parameters
    ----------
    width : int, at least 1

    Members
    -------
    i : width
    any : 1
        Some bit is set.
    index : range(width)
        Number of the lowest set bit; without meaning if none is set.
    rest : width
        ``i`` without its lowest set bit.
    """

    def __init__(self, width: int):
        if width < 1:
            raise ValueError(f"Width must be at least 1, not {width!r}")
        self._width = width
        super().__init__(
            {"i": In(width), "any": Out(1), "index": Out(range(width)), "rest": Out(width)}
        )

    def elaborate(self, platform):
        m = Module()
        group_bits = ceil_log2(self._width) // 2
        size = 1 << group_bits
        groups = [self.i[start : start + size] for start in range(0, self._width, size)]

        group, group_index = _first(m, "group", [bits.any() for bits in groups])
        # The bits of the chosen group: at most one group is chosen, so OR them all.
        chosen = Signal(size)
        m.d.comb += chosen.eq(_or([bits & g.replicate(size) for bits, g in zip(groups, group)]))
        bit, bit_index = _first(m, "bit", list(chosen))
        m.d.comb += [
            self.any.eq(self.i.any()),
            self.index.eq(Cat(bit_index, group_index)),
            self.rest.eq(
                Cat(bits & ~(Cat(bit) & g.replicate(size)) for bits, g in zip(groups, group))
            ),
        ]
        return m


def _first(m, name, bits):
    """The lowest set bit of a short list, one-hot, and its number."""
    onehot = Signal(len(bits), name=f"{name}_onehot")
    index = Signal(range(len(bits)), name=f"{name}_index")
    m.d.comb += onehot.eq(Cat(bit & ~Cat(bits[:k]).any() for k, bit in enumerate(bits)))
    m.d.comb += index.eq(
        Cat(
            Cat(onehot[k] for k in range(len(bits)) if k >> place & 1).any()
            for place in range(len(index))
        )
    )
    return onehot, index


def _or(values):
    result = 0
    for value in values:
        result |= value
    return result
