"""One's own data: the path of a file or folder where a command takes the name of a data set.

A kind of file is one module of this folder with ``read(path, selection)``, which gives
:class:`sw.data.raw.Raw`, and one line of :data:`_KINDS`. What they share is here: classes, split,
and bytes by a quantiser that is learnt on the training part.

How the data were read goes into the network's provenance, as ``data``: the flags, the columns, the
quantiser. Whoever loads data for that network gets them in the same way: the same split, the same
bytes, the same order of columns and classes.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from sw import limits
from sw.cli import UserError, printable
from sw.container import quoted
from sw.data import arrays, folders, npz, partition, recordings, tables
from sw.data.dataset import Dataset
from sw.data.events import EventDataset, Events
from sw.data.raw import Kind, Raw
from sw.features.quantiser import Quantiser
from sw.selection import Selection

__all__ = ["FEATURES", "is_path", "load"]

FEATURES = 65_535  # of an example
_TEST = 0.2  # share for testing, without --test-fraction
_BRIGHT = 127  # where the median pixel is brighter, images are inverted, so that ink fires first


class _Reader(NamedTuple):
    """A kind of file: whether a path is one, and what reads it."""

    accepts: Callable[[Path], bool]
    read: Callable[[Path, Selection], Raw]


_KINDS = (
    _Reader(Path.is_dir, folders.read),
    _Reader(lambda path: _ends(path, tables.SUFFIXES), tables.read),
    _Reader(lambda path: _ends(path, recordings.SUFFIXES) and _has_events(path), recordings.read),
    _Reader(lambda path: _ends(path, arrays.SUFFIXES), arrays.read),
)


def _ends(path: Path, suffixes: tuple[str, ...]) -> bool:
    return path.suffix.lower() in suffixes


def _has_events(path: Path) -> bool:
    return set(recordings.ARRAYS) <= set(npz.names(path))


def is_path(name: str) -> bool:
    """Whether ``name`` is meant as a path: it has a folder or a suffix, or is there."""
    path = Path(name)
    return len(path.parts) > 1 or bool(path.suffix) or name in (".", "..") or path.exists()


def load(
    name: str,
    selection: Selection,
    data: Mapping[str, Any] | None = None,
    labels: tuple[str, ...] | None = None,
) -> Dataset | EventDataset:
    """The data at the path ``name``.

    Parameters
    ----------
    selection : Selection
        How they are read.
    data : mapping, or None
        What the provenance of a network says of its data: they are read as that network's were.
    labels : tuple of str, or None
        The network's classes; None takes those that the data have, in order.

    Raises
    ------
    UserError
        The path cannot be read, or its content is no data to learn from. One line: where, what,
        remedy.
    """
    path = Path(name)
    trained = data or {}
    selection = selection.completed(trained)
    raw = _read(path, selection)
    if not len(raw):
        raise UserError(f"{path}: has no examples; add some")
    raw = _like_trained(path, raw, trained)
    classes, truth = _classes(path, raw.labels, labels)
    test = _test_part(path, raw, classes, truth, selection)
    if isinstance(raw.inputs, Events):
        return _events(name, raw, classes, truth, test, selection)
    return _images(name, raw, classes, truth, test, selection, trained)


def _read(path: Path, selection: Selection) -> Raw:
    try:
        path.stat()
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({error.strerror}); name the data with --dataset"
        ) from None
    for reader in _KINDS:
        if reader.accepts(path):
            try:
                return reader.read(path, selection)
            except OSError as error:
                where = error.filename or path
                raise UserError(
                    f"{where}: cannot be read ({error.strerror or error}); mend it or name "
                    "another --dataset"
                ) from None
    suffixes = ", ".join(sorted({*tables.SUFFIXES, *arrays.SUFFIXES}))
    raise UserError(f"{path}: must be a folder of images, or end in one of {suffixes}")


def _like_trained(path: Path, raw: Raw, trained: Mapping[str, Any]) -> Raw:
    """The columns in the order that the network was trained on; channels and window of its
    recordings.
    """
    columns = trained.get("columns")
    if isinstance(raw.inputs, Events):
        window = trained.get("window", raw.inputs.window)
        channels = trained.get("channels", raw.inputs.channels)
        if channels < raw.inputs.channels:
            return raw  # does not fit, and whoever checks says so
        return replace(raw, inputs=replace(raw.inputs, window=window, channels=channels))
    if not columns or not raw.columns:
        return raw
    for name in columns:
        if name not in raw.columns:
            raise UserError(
                f"{path}: has no column {quoted(name)}, which the network takes; add it"
            )
    order = [raw.columns.index(name) for name in columns]
    return replace(raw, inputs=raw.inputs[:, :, order], columns=tuple(columns))


def _classes(
    path: Path, given: np.ndarray, labels: tuple[str, ...] | None
) -> tuple[tuple[str, ...], np.ndarray]:
    """Names of the classes, and the class of each example int64 [N]."""
    if given.dtype.kind == "f" or (given.dtype.kind == "U" and (real := _real_numbers(given))):
        shown = real if given.dtype.kind == "U" else f"{given.dtype} such as {given[0]!s}"
        raise UserError(
            f"{path}: labels must be names or integers, not {shown}; a network tells classes apart"
        )
    if given.dtype.kind not in "biuU":
        raise UserError(f"{path}: labels must be names or integers, not {given.dtype}")
    found, index = np.unique(given, return_inverse=True)
    names = [str(each) for each in found]
    if labels is not None:
        for each in names:
            if each not in labels:
                raise UserError(
                    f"{path}: has the class {quoted(each)}, and the network tells "
                    f"{printable(', '.join(labels), 120)}; name the data that it was trained on "
                    "with --dataset"
                )
        return labels, np.array([labels.index(each) for each in names])[index]
    if all(each.removeprefix("-").isdecimal() for each in names):
        order = sorted(range(len(names)), key=lambda place: int(names[place]))
    else:
        order = list(range(len(names)))
    if len(names) < 2:
        raise UserError(f"{path}: has one class only, {quoted(names[0])}; there must be two")
    for each in names:
        if not each or len(each) > limits.TEXT:
            raise UserError(
                f"{path}: the name of a class must have 1 … {limits.TEXT} characters, "
                f"not {quoted(each)}"
            )
    return tuple(names[place] for place in order), np.argsort(order)[index]


def _real_numbers(given: np.ndarray) -> str:
    """The first label that is no integer, if all are numbers; as a message has it."""
    try:
        given.astype(np.float64)
    except ValueError:
        return ""
    others = [str(each) for each in given if not str(each).removeprefix("-").isdecimal()]
    return quoted(others[0]) if others else ""


def _test_part(
    path: Path, raw: Raw, classes: tuple[str, ...], truth: np.ndarray, selection: Selection
) -> np.ndarray:
    """The examples for testing, bool [N]."""
    fraction = _TEST if selection.test_fraction is None else selection.test_fraction
    if selection.test_fraction == 1:
        return np.ones(len(raw), bool)
    test = raw.test
    if test is None and raw.groups is not None:
        found, groups = np.unique(raw.groups, return_inverse=True)
        if len(found) < 2:
            raise UserError(
                f"{path}: has one group only, {quoted(str(found[0]))}; there must be two"
            )
        test = partition.by_group(truth, groups, fraction)
        if test is None:
            raise UserError(
                f"{path}: no split by groups leaves each class a group to learn from; leave out "
                "the groups, or classes of one group"
            )
    counts = np.bincount(truth, minlength=len(classes))
    if test is None:
        if (counts == 1).any():
            single = classes[int((counts == 1).argmax())]
            raise UserError(
                f"{path}: class {quoted(single)} has one example, which cannot be both learnt and "
                "tested; add some, or leave it out"
            )
        test = partition.by_class(truth, fraction)
    for part, what in ((~test, "to learn from"), (test, "for testing")):
        if not part.any():
            raise UserError(f"{path}: has no examples {what}; add some")
    unseen = np.setdiff1d(truth[test], truth[~test])
    if len(unseen):
        raise UserError(
            f"{path}: class {quoted(classes[unseen[0]])} is in the test part only, and nothing can "
            "learn it; split the data in another way"
        )
    return test


def _events(
    name: str,
    raw: Raw,
    classes: tuple[str, ...],
    truth: np.ndarray,
    test: np.ndarray,
    selection: Selection,
) -> EventDataset:
    events = raw.inputs
    assert isinstance(events, Events)
    reading = {"window": events.window, "channels": events.channels}
    return EventDataset(
        name=name,
        train_events=events[np.flatnonzero(~test)],
        train_labels=truth[~test],
        test_events=events[np.flatnonzero(test)],
        test_labels=truth[test],
        labels=classes,
        train_groups=_groups(raw, ~test),
        reading={**selection.reading(), "kind": raw.kind.value, **reading},
    )


def _images(
    name: str,
    raw: Raw,
    classes: tuple[str, ...],
    truth: np.ndarray,
    test: np.ndarray,
    selection: Selection,
    trained: Mapping[str, Any],
) -> Dataset:
    values = raw.inputs
    assert isinstance(values, np.ndarray)
    if (features := values[0].size) > FEATURES or not features:
        raise UserError(
            f"{name}: has {features:,} features per example, must have 1 … {FEATURES:,}; "
            "leave some out, or scale images down"
        )
    _check_finite(name, values)
    reading: dict[str, Any] = {**selection.reading(), "kind": raw.kind.value}
    if raw.columns:
        reading["columns"] = list(raw.columns)
    quantiser = _quantiser(name, raw.kind, values[~test], trained)
    if quantiser is not None:
        reading["quantiser"] = quantiser.to_dict()
        try:
            values = quantiser.encode(values)
        except ValueError as error:
            raise UserError(f"{name}: {error}, as the network was trained") from None
    if not trained and len(json.dumps(reading)) > limits.HEADER * 3 // 4:
        raise UserError(
            f"{name}: names and ranges of {features:,} features do not fit into a network's file; "
            "leave some out, or quantise them to bytes (uint8) in an .npz"
        )
    return Dataset(
        name=name,
        train_images=values[~test],
        train_labels=truth[~test],
        test_images=values[test],
        test_labels=truth[test],
        labels=classes,
        train_groups=_groups(raw, ~test),
        reading=reading,
    )


def _groups(raw: Raw, part: np.ndarray) -> np.ndarray | None:
    """Groups of the examples of ``part``, counted from 0."""
    return None if raw.groups is None else np.unique(raw.groups[part], return_inverse=True)[1]


def _check_finite(name: str, values: np.ndarray) -> None:
    if values.dtype.kind != "f":
        return
    for index, example in enumerate(values):
        if not np.isfinite(example).all():
            wrong = example[~np.isfinite(example)][0]
            raise UserError(f"{name}: example {index} has {wrong}; mend it, or leave it out")


def _quantiser(
    name: str, kind: Kind, train: np.ndarray, trained: Mapping[str, Any]
) -> Quantiser | None:
    """The network's own, or one that is learnt from the training part; None leaves bytes alone."""
    if trained:
        try:
            kept = trained.get("quantiser")
            return None if kept is None else Quantiser.from_dict(kept)
        except ValueError as error:
            raise UserError(f"{name}: the network's provenance is damaged: {error}") from None
    if not len(train):
        return None  # nothing to learn from: whoever trains says so
    complement = kind is not Kind.IMAGES
    levels = _levels(train[0].size) if kind is Kind.TABLE else 1
    if train.dtype != np.uint8:
        quantiser = Quantiser.fit(
            train, per_feature=kind is Kind.TABLE, levels=levels, complement=complement
        )
        if kind is Kind.IMAGES and np.median(quantiser.encode(train)) > _BRIGHT:
            return replace(quantiser, low=quantiser.high, high=quantiser.low)
        return quantiser
    invert = kind is Kind.IMAGES and bool(np.median(train) > _BRIGHT)
    if not (invert or complement):
        return None
    return Quantiser.of_bytes(invert=invert, levels=levels, complement=complement)


def _levels(features: int) -> int:
    """Levels of the features of a table: 4, or fewer so that there are at most 2,048 inputs."""
    return max(1, min(4, 1024 // features))
