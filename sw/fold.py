"""Folding: a scale, a batch norm and a strict comparison become signs and one integer threshold
(docs/spec.md, "Identities"). NumPy only.

A trained unit fires when ``γ (a V − μ) / σ + β ≥ 0``, where V is the sum of its ±1 weights over the
spikes so far, and a the magnitude that its weights share. V is an integer, so with
``c = (μ − β σ / γ) / a``:

- γ > 0: ``V ≥ c``, so θ = ⌈c⌉.
- γ < 0: ``V ≤ c``, which is ``−V ≥ −c``: the row of weights is negated, and θ = ⌈−c⌉.
- γ = 0: always if β ≥ 0 (θ = the least that V can be), else never (θ = the most, plus 1).

For a strict ``> 0`` the ceiling of x becomes ``⌊x⌋ + 1``, and γ = 0 fires if β > 0. All is computed
with fractions, so a unit fires in exactly the same steps as before. Margins are then counted in
units of V: of several outputs in one step the largest ``V − θ`` wins.
"""

from collections.abc import Sequence
from fractions import Fraction
from math import ceil, floor
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["Folded", "Numbers", "fold"]

_INT32 = np.iinfo(np.int32)

Numbers: TypeAlias = ArrayLike | Sequence[Fraction]
"""Of one unit each, or one for all: floats, or fractions where floats would round."""


class Folded(NamedTuple):
    """What is left of a layer's scale and normalisation.

    Parameters
    ----------
    negate : bool [N]
        All weights of this unit change their sign.
    threshold : int32 [N]
        θ, for ``V ≥ θ``.
    """

    negate: np.ndarray
    threshold: np.ndarray


def fold(
    *,
    gamma: Numbers,
    mean: Numbers,
    deviation: Numbers,
    beta: Numbers,
    reach: int,
    scale: Numbers = 1.0,
    strict: bool = False,
) -> Folded:
    """Folds the normalisation of N units (or of N channels, for a convolution).

    Parameters
    ----------
    gamma, mean, deviation, beta : float or Fraction, broadcastable to [N]
        γ, μ, σ and β. σ is above 0, and includes the ε of a batch norm: √(variance + ε).
    reach : int
        The most spikes that a unit gets, which is the most that V can be. The number of its inputs,
        if they fire once.
    scale : float or Fraction, broadcastable to [N]
        The magnitude a, above 0.
    strict : bool
        It fires only above 0.

    Raises
    ------
    ValueError
        A value is not finite, or σ or a is not above 0.
    """
    given = {"gamma": gamma, "mean": mean, "deviation": deviation, "beta": beta, "scale": scale}
    arrays = {name: _array(value) for name, value in given.items()}
    for name, array in arrays.items():
        wrong = array <= 0 if name in ("deviation", "scale") else np.zeros(array.shape, bool)
        if array.dtype != object:
            wrong = wrong | ~np.isfinite(array)
        if wrong.any():
            kind = "above 0 and finite" if name in ("deviation", "scale") else "finite"
            raise ValueError(f"{name.capitalize()} must be {kind}, not {array[wrong].flat[0]}")
    columns = np.broadcast_arrays(*map(np.atleast_1d, arrays.values()))
    units = zip(*(map(Fraction, column.tolist()) for column in columns), strict=True)
    thresholds = [_threshold(*unit, reach=reach, strict=strict) for unit in units]
    return Folded(
        negate=columns[0] < 0,
        threshold=np.array([min(max(t, _INT32.min), _INT32.max) for t in thresholds], np.int32),
    )


def _array(value: Numbers) -> np.ndarray:
    """``value`` as float64, or as an array of fractions if it is one."""
    array = np.asarray(value)
    return array if array.dtype == object else array.astype(np.float64)


def _threshold(
    gamma: Fraction,
    mean: Fraction,
    deviation: Fraction,
    beta: Fraction,
    scale: Fraction,
    *,
    reach: int,
    strict: bool,
) -> int:
    """θ of one unit, after its row was negated if γ < 0."""
    if gamma == 0:
        always = beta > 0 if strict else beta >= 0
        return -reach if always else reach + 1
    crossing = (mean - beta * deviation / gamma) / scale
    if gamma < 0:
        crossing = -crossing
    return floor(crossing) + 1 if strict else ceil(crossing)
