"""Which data set, where it lies, and how files of one's own are read: what the flags say."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

__all__ = ["TEST_FRACTION", "TRAINED_ON", "Selection"]

TEST_FRACTION = 0.2  # share for testing, where neither data nor flags say it

_READING = (
    *("label_column", "group_column", "size", "grey", "off_channel", "series"),
    *("split", "test_fraction"),
)


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What the flags of :func:`sw.flags.parser` say of data. What is None is taken from the
    network, as it was trained, or is as usual.

    Parameters
    ----------
    dataset : str, or None
        A name, or the path of a file or folder; None is the one that the network was trained on.
    data_dir : Path, or None
        Where data sets that have a name lie.
    label_column, group_column : str, or None
        Columns of a table: the class, and what must lie on one side of the split only.
    size : (int, int), or None
        Height and width that images are scaled to.
    grey : bool, or None
        Whether images are read as grey; None keeps what colours there are.
    off_channel : bool, or None
        Whether each channel x of an image gets another one, 255 − x.
    series : bool, or None
        Whether arrays and rows of a table are time series.
    split : str, or None
        What says which examples are for testing: ``given`` (the data), ``groups`` (whole ones) or
        ``classes`` (a share of each); None takes the first of these that the data have.
    test_fraction : float, above 0, at most 1; or None
        Share of the examples that is for testing, where the data do not say it themselves.
    """

    dataset: str | None = None
    data_dir: Path | None = None
    label_column: str | None = None
    group_column: str | None = None
    size: tuple[int, int] | None = None
    grey: bool | None = None
    off_channel: bool | None = None
    series: bool | None = None
    split: str | None = None
    test_fraction: float | None = None

    @classmethod
    def of(cls, args: argparse.Namespace) -> "Selection":
        """What parsed flags say."""
        return cls(
            dataset=args.dataset,
            data_dir=args.data_dir,
            size=tuple(args.size) if args.size else None,
            **{name: getattr(args, name) for name in _READING if name != "size"},
        )

    def completed(self, reading: Mapping[str, Any]) -> "Selection":
        """With what :meth:`reading` gave when the network was trained, where it says nothing."""
        missing: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in reading.items()
            if name in _READING and getattr(self, name) is None
        }
        return replace(self, **missing)

    def reading(self) -> dict[str, object]:
        """How files are read, as plain values, for a network's provenance."""
        given = {name: getattr(self, name) for name in _READING}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in given.items()
            if value is not None
        }


TRAINED_ON = Selection()
"""The data that a network was trained on, read as they were then."""
