"""Sign-like activations, found by their values.

What has two values on float32 of every size, and rises from the one to the other at one place, is a
step. Bisection finds the place to the float. So any spelling of it is understood, in any framework,
with any pair of values. NumPy only.
"""

from collections.abc import Callable
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from sw.convert.errors import ConversionError

__all__ = ["Elementwise", "Step", "step_of"]

Elementwise = Callable[[np.ndarray], np.ndarray]
"""A function of float32 values, each by itself, to values of the same shape."""


class Step(NamedTuple):
    """A sign-like activation: ``high`` from ``least`` on, ``low`` below it.

    Parameters
    ----------
    low, high : Fraction
    least : Fraction
        The least float32 where it is high.
    zero : bool
        At exactly 0, just below ``least``, it has a third value, as torch.sign has.
    """

    low: Fraction
    high: Fraction
    least: Fraction
    zero: bool = False


def step_of(name: str, function: Elementwise) -> Step:
    """The step that ``function`` is.

    Raises
    ------
    ConversionError
        It is none.
    """
    exponents = np.arange(-149, 128, dtype=np.float64)
    positive = np.unique(np.concatenate([2.0**exponents, 1.5 * 2.0 ** exponents[24:]]))
    positive = positive[positive <= np.finfo(np.float32).max]
    values = np.concatenate([-positive[::-1], [0.0], positive]).astype(np.float32)
    outputs = function(values)
    found = np.unique(outputs)
    zero = len(values) // 2
    third = len(found) == 3 and outputs[zero] == found[1] and (outputs == found[1]).sum() == 1
    if third:
        outputs[zero] = found[0]
        found = found[[0, 2]]
    if len(found) != 2 or not np.isfinite(found).all():
        raise ConversionError(
            f"{name}: an activation of more than two values; a unit has fired or it has not"
            if len(found) > 2
            else f"{name}: no activation: it does not depend on its input"
        )
    if (np.diff(outputs) < 0).any():
        raise ConversionError(f"{name}: an activation must rise once and never fall")
    if third:
        least = float(np.float32(2.0**-149))
    else:
        least = _bisected(function, values, outputs == found[1])
    low, high = (Fraction(float(value)) for value in found)
    return Step(low, high, Fraction(least), zero=third)


def _bisected(function: Elementwise, values: np.ndarray, fires: np.ndarray) -> float:
    """The least float32 where the activation is high."""
    first = int(fires.argmax())
    below, above = float(values[first - 1]), float(values[first])
    high = function(np.array([above], np.float32))[0]
    while True:
        middle = float(np.float32((below + above) / 2))
        if middle in (below, above):
            return above
        if function(np.array([middle], np.float32))[0] == high:
            above = middle
        else:
            below = middle
