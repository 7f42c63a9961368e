"""What the readers of one's own data give (:mod:`sw.data.own` has them): examples as the file has
them, before they are split and made bytes.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import TypeVar

import numpy as np

from sw.data.events import Events

__all__ = ["FEATURES", "Kind", "Raw", "usual_window", "watched"]

FEATURES = 65_535  # of an example, at most

_IN_WINDOW = 0.99  # share of the events
_File = TypeVar("_File")


class Kind(Enum):
    """What an example is; it decides how values become bytes, and the recipe."""

    TABLE = "table"  # features of no order
    SERIES = "series"  # one value after the other, in one channel or several
    IMAGES = "images"
    EVENTS = "events"
    SOUND = "sound"  # events of the cochlea


@dataclass(frozen=True, kw_only=True, eq=False)
class Raw:
    """Examples with their labels.

    Parameters
    ----------
    kind : Kind
    inputs : real [N, channels, height, width], or Events
        uint8 are bytes already. Features are [N, 1, 1, F], a series [N, C, 1, L].
    labels : array of str or integers [N]
        Names of classes.
    groups : array [N], or None
        Examples of one group lie on one side of the split.
    test : bool [N], or None
        The examples for testing, where the data say it.
    columns : tuple of str
        Names of a table's features.
    """

    kind: Kind
    inputs: np.ndarray | Events
    labels: np.ndarray
    groups: np.ndarray | None = None
    test: np.ndarray | None = None
    columns: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Number of examples, N."""
        return len(self.labels)

    def in_order(self, columns: tuple[str, ...]) -> "Raw":
        """A table with its features in the order of ``columns``, which it all has."""
        assert isinstance(self.inputs, np.ndarray)
        order = [self.columns.index(name) for name in columns]
        return replace(self, inputs=self.inputs[..., order], columns=columns)


def usual_window(times: np.ndarray) -> float:
    """How long the part of recordings is that counts, where nobody says it: in s, the next value of
    three significant digits after 99 % of the events have come.
    """
    reached = float(np.quantile(times, _IN_WINDOW))
    if reached == 0:
        return 1.0
    unit = 10.0 ** (math.floor(math.log10(reached)) - 2)
    return float(f"{(math.floor(reached / unit) + 1) * unit:.3g}")


def watched(files: Sequence[_File]) -> Iterable[_File]:
    """The ``files``, with their progress on a terminal if they take more than two seconds."""
    from tqdm import tqdm

    return tqdm(files, unit="file", leave=False, delay=2, disable=None)
