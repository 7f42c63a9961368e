"""From measurements to bytes: the range that a network's training data had, learnt once and kept
in its provenance, so that each later value becomes the same byte wherever it is computed.

A value x of a feature with the range low … high has the share s = (x − low) / (high − low), and
becomes ``floor(s · 255 + ½)`` in float64, at least 0 and at most 255. The range is the one between
two quantiles of the training part, so that a few outliers do not squeeze all else into a few bytes.
Where these are equal it is least … greatest, and where those are, the byte is 0. ``high`` below
``low`` inverts.

With L ``levels`` a value becomes L bytes in as many rows, each for one L-th of the range from the
lowest on: ``floor(min(max(s · L − l, 0), 1) · 255 + ½)`` for l = 0 … L − 1 (thermometer coding).
With ``complement``, each row of bytes b is followed by a row of 255 − b: a byte fires early where
it is large, its complement where it is small. So 1-bit weights can tell parts of a range apart, and
a low value tells as much as a high one.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["QUANTILES", "Quantiser"]

QUANTILES = (0.01, 0.99)
_DIGITS = 5  # of a range's width, to which its ends are rounded
_LEVELS = 16
_CHUNK = 1 << 20  # values whose bytes are computed at a time, so that float64 takes little memory


@dataclass(frozen=True, kw_only=True)
class Quantiser:
    """How values become bytes.

    Parameters
    ----------
    low, high : tuple of float
        Ends of R ranges, for as many equal runs of an example's F features: F ranges are one for
        each of them, C ranges one for each channel of [C, …], and one range is for all.
    levels : int, 1 … 16
    complement : bool

    Raises
    ------
    ValueError
        The ends are not finite, or not of one number; or levels are out of their range.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    levels: int = 1
    complement: bool = False

    def __post_init__(self) -> None:
        if len(self.low) != len(self.high) or not self.low:
            raise ValueError(
                f"Ends must be as many as each other, not {len(self.low)} and {len(self.high)}"
            )
        if not np.isfinite([b - a for a, b in zip(self.low, self.high, strict=True)]).all():
            raise ValueError("Ends must be finite, and the width between them")
        if not 1 <= self.levels <= _LEVELS:
            raise ValueError(f"Levels must be in 1 … {_LEVELS}, not {self.levels}")

    @classmethod
    def fit(
        cls, values: np.ndarray, *, ranges: int, levels: int = 1, complement: bool = False
    ) -> "Quantiser":
        """The one for ``values`` real [N, F] of a training part, with so many ``ranges``, which
        divide F. Their ends are rounded to a 10,000th of the width or finer, to be kept in a file.
        """
        runs = values.reshape(len(values), ranges, -1).swapaxes(1, 2).reshape(-1, ranges)
        ends = np.quantile(runs.astype(np.float64), QUANTILES, axis=0)
        same = ends[0] == ends[1]
        ends[:, same] = runs.min(axis=0)[same], runs.max(axis=0)[same]
        low, high = zip(*(_rounded(*pair) for pair in ends.T.tolist()), strict=True)
        return cls(low=low, high=high, levels=levels, complement=complement)

    @classmethod
    def of_bytes(
        cls, *, invert: bool = False, levels: int = 1, complement: bool = False
    ) -> "Quantiser":
        """The one for values that are bytes already."""
        low, high = (255.0, 0.0) if invert else (0.0, 255.0)
        return cls(low=(low,), high=(high,), levels=levels, complement=complement)

    def inverted(self) -> "Quantiser":
        """The one by which high values become low bytes."""
        return Quantiser(
            low=self.high, high=self.low, levels=self.levels, complement=self.complement
        )

    def encode(self, values: np.ndarray) -> np.ndarray:
        """Bytes uint8 [N, rows · F] of ``values`` real [N, F]: a row of F for each level, followed
        by its complement's. Raises ValueError if F is no multiple of the ranges.
        """
        count, features = values.shape
        if features % len(self.low):
            raise ValueError(f"Features must be {len(self.low)}, not {features}")
        low, high = (np.repeat(end, features // len(self.low)) for end in (self.low, self.high))
        span = np.where(high == low, 1.0, high - low)
        result = np.empty((count, self.levels, 1 + self.complement, features), np.uint8)
        step = max(1, _CHUNK // features)
        for start in range(0, count, step):
            part = slice(start, start + step)
            with np.errstate(over="ignore"):  # of a width near 0; infinity is a share like others
                shares = (values[part].astype(np.float64) - low) / span
            for level in range(self.levels):
                within = (shares * self.levels - level).clip(0, 1)
                row = np.where(high == low, 0, np.floor(within * 255 + 0.5))
                result[part, level, 0] = row
                if self.complement:
                    result[part, level, 1] = 255 - row
        return result.reshape(count, -1)

    def to_dict(self) -> dict[str, object]:
        """As plain values, for a network's provenance."""
        return {
            "low": list(self.low),
            "high": list(self.high),
            "levels": self.levels,
            "complement": self.complement,
            "quantiles": list(QUANTILES),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> "Quantiser":
        """The reverse of :meth:`to_dict`. Raises ValueError for anything else."""
        match dict[str, Any](values):
            case {
                "low": [*low],
                "high": [*high],
                "levels": int(levels),
                "complement": bool(complement),
            } if all(isinstance(end, int | float) for end in (*low, *high)):
                return cls(low=tuple(low), high=tuple(high), levels=levels, complement=complement)
        raise ValueError("Quantiser must have low, high, levels and complement")


def _rounded(low: float, high: float) -> tuple[float, float]:
    """The ends with as few digits as tell values within the range apart."""
    width = high - low
    if not 0 < width < math.inf:
        return low, high
    digits = _DIGITS - 1 - math.floor(math.log10(width))
    return round(low, digits), round(high, digits)
