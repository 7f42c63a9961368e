"""Popcounts of several sets of the same bits, with full adders that they share."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from amaranth.hdl import Cat, Const, Module, Value

from hw.rtl.popcount import added

__all__ = ["Shared", "counts", "shared_adders"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Shared:
    """An adder of three bits that several sets have.

    Parameters
    ----------
    bits : (int, int, int)
        Which ones; a number from that of all bits on is the sum of an adder before.
    takers : bool [sets]
        Sets that have its sum, and its carry among the bits of the next weight, in their place.
    """

    bits: tuple[int, int, int]
    takers: np.ndarray


def counts(m: Module, bits: Sequence[Value], sets: np.ndarray, name: str) -> list[Value]:
    """The number of set bits in each of the ``sets``, combinational, by full adders.

    As hw.rtl.popcount, three bits of one weight become one of it and one of the next; three that
    several sets have are added once for them.

    Parameters
    ----------
    sets : bool [sets, bits]
    """
    totals: list[list[Value]] = [[] for _ in sets]
    level, users = list(bits), sets.T
    while users.any():
        weight = len(totals[0])
        carries: list[Value] = []
        adders, users = shared_adders(users)
        for number, adder in enumerate(adders):
            three = [level[k] for k in adder.bits]
            sum_, carry = added(m, three, f"{name}_{weight}_{number}")
            level.append(sum_)
            carries.append(carry)
        takers = [adder.takers for adder in adders]
        for k, total in enumerate(totals):
            mine = [level[item] for item in np.flatnonzero(users[:, k])]
            while len(mine) > 1:
                few, mine = mine[:3], mine[3:]
                sum_, carry = added(m, few, f"{name}_{weight}_{len(carries)}_of_{k}")
                mine.append(sum_)
                carries.append(carry)
                takers.append(np.arange(len(sets)) == k)
            total += mine or [Const(0, 1)]
        level, users = carries, np.array(takers, bool).reshape(len(carries), len(sets))
    return [Cat(total) for total in totals]


def shared_adders(users: np.ndarray) -> tuple[list[Shared], np.ndarray]:
    """Adders for sets that have bits in common, and which bits and sums each set has then.

    Greedy, as for multiplications by constants (Paar, IEEE ISIT 1997): the two bits that most sets
    have in common, with the third that most of these have, until no three bits are in two sets.

    Parameters
    ----------
    users : bool [bits, sets]

    Returns
    -------
    adders : list of Shared
    users : bool [bits + adders, sets]
    """
    adders: list[Shared] = []
    # One slot for each bit that two sets still have. Floats, as products of them are fast.
    has, bit_of = users.astype(np.float32), list(range(len(users)))
    left = dict(enumerate(has.copy()))
    pairs = np.triu(has @ has.T, 1)
    while pairs.size and pairs.max() >= 2:
        x, y = divmod(int(pairs.argmax()), len(pairs))
        both = has[x] * has[y]
        thirds = has @ both
        thirds[[x, y]] = 0
        z = int(thirds.argmax())
        if thirds[z] < 2:
            pairs[x, y] = 0
            continue
        takers = both * has[z]
        adders.append(Shared(bits=(bit_of[x], bit_of[y], bit_of[z]), takers=takers.astype(bool)))
        has[[x, y, z]] -= takers
        slot = next((k for k in (x, y, z) if has[k].sum() <= 1), len(has))
        if slot == len(has):
            has, pairs = np.pad(has, ((0, 1), (0, 0))), np.pad(pairs, (0, 1))
            bit_of.append(0)
        else:
            left[bit_of[slot]] = has[slot].copy()
        has[slot], bit_of[slot] = takers, len(users) + len(adders) - 1
        for k in {x, y, z, slot}:
            common = has @ has[k]
            pairs[:k, k], pairs[k, k + 1 :] = common[:k], common[k + 1 :]
    left.update(zip(bit_of, has, strict=True))
    return adders, np.array([left[bit] for bit in sorted(left)], bool)
