"""What the readers of one's own data give (:mod:`sw.data.own` has them): examples as the file has
them, before they are split and made bytes.
"""

from dataclasses import dataclass
from enum import Enum

import numpy as np

from sw.data.events import Events

__all__ = ["Kind", "Raw"]


class Kind(Enum):
    """What an example is; it decides how values become bytes, and the recipe."""

    TABLE = "table"  # features of no order
    SERIES = "series"  # one value after the other
    IMAGES = "images"
    EVENTS = "events"


@dataclass(frozen=True, kw_only=True, eq=False)
class Raw:
    """Examples with their labels.

    Parameters
    ----------
    kind : Kind
    inputs : real [N, height, width], or Events
        uint8 are bytes already. A row of a table, or a series, has the height 1.
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
