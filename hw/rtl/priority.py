"""Priority encoder: finds the lowest set bit of a vector, and clears it."""

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["LowestBit", "several"]


class LowestBit(wiring.Component):
    """Finds the lowest set bit. Combinational, of logarithmic depth.

    Parameters
    ----------
    width : int, at least 1

    Members
    -------
    i : width
    any : 1
        Some bit is set.
    index : range(width)
        Number of the lowest set bit, 0 if none is set.
    onehot : width
        The lowest set bit alone.
    rest : width
        ``i`` without its lowest set bit.
    several : 1
        ``rest`` has a set bit; on a shorter path.
    """

    def __init__(self, width: int):
        if width < 1:
            raise ValueError(f"Width must be at least 1, not {width!r}")
        self._width = width
        super().__init__(
            {
                "i": In(width),
                "any": Out(1),
                "index": Out(range(width)),
                "onehot": Out(width),
                "rest": Out(width),
                "several": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        # A bit of `upto` is set if that bit or one below it is; each round doubles the reach. The
        # carry chain of i & -i would be smaller, and slower.
        upto = self.i
        reach = 1
        while reach < self._width:
            further = Signal(self._width, name=f"upto_{reach}")
            m.d.comb += further.eq(upto | (upto << reach))
            upto = further
            reach *= 2
        m.d.comb += self.several.eq(several(self.i))
        below = Signal(self._width)
        m.d.comb += below.eq(upto << 1)
        first = [self.i[k] & ~below[k] for k in range(self._width)]
        m.d.comb += [
            self.any.eq(self.i.any()),
            self.onehot.eq(Cat(first)),
            self.rest.eq(self.i & below),
            self.index.eq(
                Cat(
                    Cat(first[k] for k in range(self._width) if k >> place & 1).any()
                    for place in range(len(self.index))
                )
            ),
        ]
        return m


def several(bits: Value) -> Value:
    """Two bits are set, by halves: in one of them two, or in both one."""
    if len(bits) < 2:
        return Const(0)
    low, high = bits[: len(bits) // 2], bits[len(bits) // 2 :]
    return several(low) | several(high) | (low.any() & high.any())
