"""Folding for bistable networks: a trained activation becomes gain, bias and threshold, integers
(docs/spec.md, third part). NumPy only.

A trained unit gives the value ``clip(⌊α S + β⌋, 0, M)`` of S, the sum of its ±1 weights times
values. With α > 0 (else the row is negated) its value is v or more from a least S on, its
*boundary* ``S_v = ⌈(v − β) / α⌉``, v = 1 … M. In hardware the value is
``clip(⌊(c + g S) / θ⌋, 0, M)``, with the boundary ``⌈(v θ − c) / g⌉``. It is the same where ::

    v θ − g S_v  ≤  c  <  v θ − g S_v + g

so for a g and a θ next to ``g / α`` all boundaries are the same if these intervals have an integer
c in common: then all values are, for every input. g = 1, 2, 4, … is tried until there is one. If
none up to the largest g has one, what moves the boundaries least is taken. All is exact: boundaries
are computed with fractions, and those beyond the reach of S do not count.
"""

from fractions import Fraction
from math import ceil
from typing import NamedTuple

import numpy as np

from sw import limits

__all__ = ["FoldedValues", "fold_values"]

_NEAR = (0, 1, -1, 2, -2)  # from the integer nearest to g / α, θ that are tried
_FAR = 1 << 62  # beyond every potential


class FoldedValues(NamedTuple):
    """What is left of a layer's activation.

    Parameters
    ----------
    negate : bool [N]
        All weights of this unit change their sign.
    gain, bias, threshold : int32 [N]
        g, c and θ.
    moved : int64 [N]
        By how much the unit's boundaries differ from the trained ones, summed. 0: its values are
        the same for every input.
    """

    negate: np.ndarray
    gain: np.ndarray
    bias: np.ndarray
    threshold: np.ndarray
    moved: np.ndarray


def fold_values(
    *,
    alpha: np.ndarray,
    beta: np.ndarray,
    steps: int,
    reach: int,
    most_gain: int = 256,
    same_gain: bool = False,
) -> FoldedValues:
    """Folds the activation of N units, or of N channels of a convolution.

    Parameters
    ----------
    alpha, beta : float [N]
        α and β.
    steps : int, 1 … 8
        K; M is 2^K − 1.
    reach : int
        The most that S can be, of either sign.
    most_gain : int, a power of two
        The largest g.
    same_gain : bool
        All units get the largest of their gains.

    Raises
    ------
    ValueError
        α or β is not finite.
    """
    alpha, beta = np.asarray(alpha, np.float64), np.asarray(beta, np.float64)
    if not (np.isfinite(alpha).all() and np.isfinite(beta).all()):
        raise ValueError("Alpha and beta must be finite")
    units = [Fraction(a) for a in np.abs(alpha).tolist()], [Fraction(b) for b in beta.tolist()]
    wanted = np.array([_boundaries(*unit, steps, reach) for unit in zip(*units, strict=True)])
    best = _attempt(alpha, beta, wanted, steps, reach, 1)
    gain = 1
    while gain < most_gain and best.moved.any():
        gain *= 2
        best = _better(best, _attempt(alpha, beta, wanted, steps, reach, gain))
    if same_gain:
        best = _attempt(alpha, beta, wanted, steps, reach, int(best.gain.max()))
    return best._replace(
        gain=best.gain.astype(np.int32),
        bias=best.bias.astype(np.int32),
        threshold=best.threshold.astype(np.int32),
    )


def _boundaries(alpha: Fraction, beta: Fraction, steps: int, reach: int) -> list[int]:
    """The least S of each value 1 … M; −reach where every S has it, reach + 1 where none has."""
    values = range(1, 1 << steps)
    if not alpha:
        return [-reach if beta >= value else reach + 1 for value in values]
    return [min(max(ceil((value - beta) / alpha), -reach), reach + 1) for value in values]


def _attempt(
    alpha: np.ndarray, beta: np.ndarray, wanted: np.ndarray, steps: int, reach: int, gain: int
) -> FoldedValues:
    """The best of this gain."""
    values = np.arange(1, wanted.shape[1] + 1)
    # With a larger θ S reaches one boundary at most, as with this one
    largest = min((2 * reach + 1) * gain, limits.POTENTIAL >> (steps - 1))
    with np.errstate(divide="ignore"):
        nearest = np.rint(np.minimum(gain / np.abs(alpha), largest)).astype(np.int64)
    best: FoldedValues | None = None
    for near in _NEAR:
        threshold = np.clip(nearest + near, 1, largest)
        start = values * threshold[:, None] - gain * wanted
        low = np.where(wanted <= reach, start, -_FAR).max(axis=1)
        high = np.where(wanted > -reach, start + gain - 1, _FAR).min(axis=1)
        # Beyond these c the unit is always silent, or always at its most
        least, most = threshold - 1 - gain * reach, values[-1] * threshold + gain * reach
        bias = np.rint(np.clip(beta * threshold, least, most)).astype(np.int64)
        bias = np.clip(bias, low, np.maximum(low, high))
        missed = low > high
        bias[missed] = np.clip((low + high) // 2, least, most)[missed]
        found = np.clip(-((bias[:, None] - values * threshold[:, None]) // gain), -reach, reach + 1)
        moved = np.abs(found - wanted).sum(axis=1)
        fits = np.abs(bias) + gain * reach <= limits.POTENTIAL
        moved = np.where(fits | (gain == 1), moved, _FAR)
        attempt = FoldedValues(alpha < 0, np.full_like(bias, gain), bias, threshold, moved)
        best = attempt if best is None else _better(best, attempt)
    assert best is not None
    return best


def _better(one: FoldedValues, other: FoldedValues) -> FoldedValues:
    """Of each unit what moves less; ``one`` of equals."""
    take = other.moved < one.moved
    return FoldedValues(*(np.where(take, b, a) for a, b in zip(one, other, strict=True)))
