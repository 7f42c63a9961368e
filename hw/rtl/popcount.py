"""Popcount: how many bits are set, by full adders."""

from collections.abc import Sequence

from amaranth.hdl import Cat, Module, Signal, Value

__all__ = ["added", "compressed"]


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
            sum_, carry = added(m, few, f"{name}_{len(total)}_{len(carries)}")
            level.append(sum_)
            carries.append(carry)
        total += level
        level = carries
    return Cat(total)


def added(m: Module, bits: Sequence[Value], name: str) -> tuple[Value, Value]:
    """Sum and carry of two or three ``bits``: a half or a full adder."""
    half, sum_, carry = (Signal(name=f"{part}_{name}") for part in ("half", "sum", "carry"))
    m.d.comb += half.eq(bits[0] ^ bits[1])
    if len(bits) == 3:
        m.d.comb += [
            sum_.eq(half ^ bits[2]),
            carry.eq((bits[0] & bits[1]) | (half & bits[2])),
        ]
    else:
        m.d.comb += [sum_.eq(half), carry.eq(bits[0] & bits[1])]
    return sum_, carry
