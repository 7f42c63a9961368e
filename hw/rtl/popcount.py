"""Popcount: how many bits are set, by full adders."""

from collections.abc import Sequence

from amaranth.hdl import Cat, Module, Signal, Value

__all__ = ["compressed"]


def compressed(m: Module, bits: Sequence[Value], name: str) -> Value:
    """The number of set ``bits``, combinational, by full adders alone.

    Three bits of one weight become one of it and one of the next, until one is left of each weight
    (Wallace, IEEE Transactions on Electronic Computers 1964): n bits take about n full adders. For
    cells that have a full adder this is smaller than a tree of additions, for LUTs of four inputs
    with a carry chain about as large.
    """
    total: list[Value] = []
    level = list(bits)
    while level:
        carries: list[Value] = []
        while len(level) > 1:
            few, level = level[:3], level[3:]
            place = f"{name}_{len(total)}_{len(carries)}"
            half, sum_, carry = (
                Signal(name=f"{part}_{place}") for part in ("half", "sum", "carry")
            )
            m.d.comb += half.eq(few[0] ^ few[1])
            if len(few) == 3:
                m.d.comb += [
                    sum_.eq(half ^ few[2]),
                    carry.eq((few[0] & few[1]) | (half & few[2])),
                ]
            else:
                m.d.comb += [sum_.eq(half), carry.eq(few[0] & few[1])]
            level.append(sum_)
            carries.append(carry)
        total += level
        level = carries
    return Cat(total)
