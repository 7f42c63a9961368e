"""One's own data: the path of a file or folder where a command takes the name of a data set.

A kind of file is one module of this folder with a function that reads it, which gives
:class:`sw.data.raw.Raw`, and one line of :data:`_KINDS`. What they share is here: classes, split,
and bytes by a quantiser that is learnt on the training part.

How the data were read goes into the network's provenance, as ``data``: the flags, the columns, the
quantiser, and a digest of what came of it. Whoever loads data for that network gets them in the
same way: the same split, the same bytes, the same order of columns and classes.
"""

import hashlib
import json
import stat
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from sw import limits
from sw.cli import UserError
from sw.container import quoted
from sw.data import arrays, folders, recordings, tables
from sw.data.classes import classes
from sw.data.dataset import Dataset
from sw.data.events import EventDataset, Events
from sw.data.partition import test_part
from sw.data.raw import FEATURES, Kind, Raw
from sw.features.quantiser import Quantiser
from sw.selection import Selection

__all__ = ["is_path", "load"]

_LARGEST = np.float64(1e300)  # of a value, so that the width of a range is finite
_BRIGHT = 127  # where the median pixel is brighter, images are inverted, so that ink fires first


class _Reader(NamedTuple):
    """A kind of file: whether a path is one, what reads it, and which fields of the selection say
    how, beside those that say how any data are split.
    """

    accepts: Callable[[Path], bool]
    read: Callable[[Path, Selection], Raw]
    fields: tuple[str, ...] = ()


_SPLIT = ("split", "test_fraction")
_KINDS = (
    _Reader(Path.is_dir, folders.read, ("size", "grey", "off_channel")),
    _Reader(
        lambda path: _ends(path, tables.SUFFIXES),
        tables.read,
        ("label_column", "group_column", "series"),
    ),
    _Reader(lambda path: _ends(path, recordings.HDF5), recordings.read_hdf5),
    _Reader(
        lambda path: _ends(path, recordings.NPZ) and recordings.is_events(path),
        recordings.read_npz,
    ),
    _Reader(lambda path: _ends(path, arrays.SUFFIXES), arrays.read, ("series", "off_channel")),
)


def _ends(path: Path, suffixes: tuple[str, ...]) -> bool:
    return path.suffix.lower() in suffixes


def is_path(name: str) -> bool:
    """Whether ``name`` is meant as a path: it has a folder or a suffix, or is there."""
    path = Path(name)
    return len(path.parts) > 1 or bool(path.suffix) or name in (".", "..") or path.exists()


def load(
    name: str,
    selection: Selection,
    trained: Mapping[str, Any] | None = None,
    labels: tuple[str, ...] | None = None,
) -> Dataset | EventDataset:
    """The data at the path ``name``.

    Parameters
    ----------
    selection : Selection
        How they are read.
    trained : mapping, or None
        What the provenance of a network says of its data: these are read as they were. None where
        a network is to be trained.
    labels : tuple of str, or None
        The network's classes; None takes those that the data have, in order.

    Raises
    ------
    UserError
        The path cannot be read, or its content is no data to learn from. One line: where, what,
        remedy.
    """
    path = Path(name)
    if trained is None and selection.test_fraction == 1:
        raise UserError("--test-fraction: 1 leaves nothing to learn from; name a smaller one")
    reader = _reader(path)
    for field in selection.reading():
        if field not in (*reader.fields, *_SPLIT):
            raise UserError(f"--{field.replace('_', '-')}: says nothing of {path}; leave it out")
    off_channel = selection.off_channel
    selection = selection.completed(trained or {})
    raw = _like_trained(path, _read(path, reader, selection), trained or {})
    if off_channel and raw.kind is not Kind.IMAGES:
        raise UserError(f"--off-channel: is for images, and {path} has none; leave it out")
    if not len(raw):
        raise UserError(f"{path}: has no examples; add some")
    names, truth = classes(path, raw.labels, labels)
    test = test_part(path, raw, names, truth, selection)
    reading = {**selection.reading(), "kind": raw.kind.value}
    if isinstance(raw.inputs, Events):
        events = raw.inputs
        reading |= {"window": events.window, "channels": events.channels}
        if events.shape is not None:
            reading["shape"] = list(events.shape)
        return EventDataset.from_mask(
            events,
            truth,
            test,
            name=name,
            labels=names,
            train_groups=_groups(raw, test, selection),
            reading={
                **reading,
                "sha256": _digest(truth, test, events.time, events.unit, events.start),
            },
        )
    images, about = _bytes(path, raw, test, selection, trained)
    reading |= about
    if trained is None and len(json.dumps(reading)) > limits.HEADER * 3 // 4:
        raise UserError(
            f"{path}: names and ranges of {raw.inputs[0].size:,} features do not fit into a "
            "network's file; leave some out, or quantise them to bytes (uint8) in an .npz"
        )
    return Dataset.from_mask(
        images,
        truth,
        test,
        name=name,
        labels=names,
        maps=raw.inputs.shape[1] * (1 + bool(selection.off_channel))
        if raw.kind is Kind.IMAGES
        else 1,
        rows=raw.kind is not Kind.IMAGES,
        train_groups=_groups(raw, test, selection),
        reading={**reading, "sha256": _digest(truth, test, images)},
    )


def _reader(path: Path) -> _Reader:
    """The one for what lies there."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:  # ValueError: a null character
        reason = getattr(error, "strerror", None) or error
        raise UserError(
            f"{path}: cannot be read ({reason}); name the data with --dataset"
        ) from None
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # a pipe would be waited for
        raise UserError(f"{path}: must be a file or folder, not a pipe or device; copy it to one")
    for reader in _KINDS:
        if reader.accepts(path):
            return reader
    suffixes = ", ".join(sorted({*tables.SUFFIXES, *arrays.SUFFIXES, *recordings.HDF5}))
    raise UserError(f"{path}: must be a folder of images or WAV files, or end in one of {suffixes}")


def _read(path: Path, reader: _Reader, selection: Selection) -> Raw:
    try:
        return reader.read(path, selection)
    except ImportError as error:
        raise UserError(
            f"{path}: {error.name} reads it and is not installed; pip install 'firstspike[data]'"
        ) from None
    except OSError as error:
        raise UserError(
            f"{error.filename or path}: cannot be read ({error.strerror or error}); correct it or "
            "name another --dataset"
        ) from None


def _like_trained(path: Path, raw: Raw, trained: Mapping[str, Any]) -> Raw:
    """The columns in the order that the network was trained on; channels, map and window of its
    recordings. What does not fit stays as it is, and whoever checks says so.
    """
    if isinstance(raw.inputs, Events):
        return replace(raw, inputs=_events_like_trained(path, raw.inputs, trained))
    columns = trained.get("columns")
    if not columns or not raw.columns:
        return raw
    for name in columns:
        if name not in raw.columns:
            raise UserError(
                f"{path}: has no column {quoted(name)}, which the network takes; add it"
            )
    return raw.in_order(tuple(columns))


def _events_like_trained(path: Path, events: Events, trained: Mapping[str, Any]) -> Events:
    channels, shape = trained.get("channels", events.channels), trained.get("shape")
    try:
        like = Events(
            channels=channels,
            window=trained.get("window", events.window),
            time=np.zeros(0, np.float32),
            unit=np.zeros(0, np.int16),
            start=np.zeros(1, np.int64),
            shape=None if shape is None else tuple(shape),
        )
    except (TypeError, ValueError) as error:
        raise UserError(f"{path}: the network's provenance is damaged: {error}") from None
    if like.channels < events.channels:
        return events
    if like.shape is None or events.shape is None:
        shape = like.shape or (events.shape if like.channels == events.channels else None)
        return replace(events, channels=like.channels, shape=shape, window=like.window)
    if any(size > most for size, most in zip(events.shape, like.shape, strict=True)):
        return events
    return replace(events.placed_on(like.shape), window=like.window)


def _groups(raw: Raw, test: np.ndarray, selection: Selection) -> np.ndarray | None:
    """Groups of the part to learn from, counted from 0; None where the split is blind to them."""
    if raw.groups is None or selection.split == "classes":
        return None
    return np.unique(raw.groups[~test], return_inverse=True)[1]


def _digest(*values: np.ndarray) -> str:
    """SHA-256 of the examples as they are used, their classes, and which are for testing."""
    digest = hashlib.sha256()
    for each in values:
        digest.update(f"{each.dtype.str} {each.shape} ".encode())
        digest.update(np.ascontiguousarray(each).data)
    return digest.hexdigest()


# Bytes


def _bytes(
    path: Path,
    raw: Raw,
    test: np.ndarray,
    selection: Selection,
    trained: Mapping[str, Any] | None,
) -> tuple[np.ndarray, dict[str, Any]]:
    """Images uint8 [N, height, width], and how they came about."""
    values = raw.inputs
    assert isinstance(values, np.ndarray)
    if not 1 <= (features := values[0].size) <= FEATURES:
        raise UserError(
            f"{path}: has {features:,} features per example, must have 1 … {FEATURES:,}; "
            "leave some out, or scale images down"
        )
    flat = values.reshape(len(values), features)
    _check_finite(path, flat)
    about: dict[str, Any] = {}
    if raw.columns:
        about["columns"] = list(raw.columns)
    if raw.kind is Kind.IMAGES:
        about["grey"] = values.shape[1] == 1
    if trained is None:
        complement = raw.kind is not Kind.IMAGES or bool(selection.off_channel)
        quantiser = _fitted(raw.kind, flat[~test], values.shape[1], complement)
    else:
        quantiser = _kept(path, flat, trained)
        if selection.off_channel:
            quantiser = replace(quantiser or Quantiser.of_bytes(), complement=True)
    if quantiser is not None:
        about["quantiser"] = quantiser.to_dict()
        try:
            flat = quantiser.encode(flat)
        except ValueError as error:
            raise UserError(f"{path}: {error}, as the network was trained") from None
    return flat.reshape(len(values), -1, values.shape[3]), about


def _check_finite(path: Path, flat: np.ndarray) -> None:
    if flat.dtype.kind != "f":
        return
    for index, example in enumerate(flat):
        if not (np.abs(example) <= _LARGEST).all():
            wrong = example[~(np.abs(example) <= _LARGEST)][0]
            raise UserError(
                f"{path}: example {index} has {wrong}, must be finite and within ±{_LARGEST:g}; "
                "correct it, or leave it out"
            )


def _fitted(kind: Kind, train: np.ndarray, channels: int, complement: bool) -> Quantiser | None:
    """What is learnt from the training part, uint8 or real [N, features]; None leaves bytes
    alone.
    """
    features = train.shape[1]
    levels = _levels(features) if kind is Kind.TABLE else 1
    if train.dtype == np.uint8:
        invert = kind is Kind.IMAGES and bool(np.median(train) > _BRIGHT)
        if not (invert or complement):
            return None
        return Quantiser.of_bytes(invert=invert, levels=levels, complement=complement)
    quantiser = Quantiser.fit(
        train,
        ranges=features if kind is Kind.TABLE else channels,
        levels=levels,
        complement=complement,
    )
    bright = kind is Kind.IMAGES and np.median(quantiser.encode(train)[:, :features]) > _BRIGHT
    return quantiser.inverted() if bright else quantiser


def _kept(path: Path, flat: np.ndarray, trained: Mapping[str, Any]) -> Quantiser | None:
    """The network's own."""
    kept = trained.get("quantiser")
    if kept is not None:
        try:
            return Quantiser.from_dict(kept)
        except (TypeError, ValueError) as error:
            raise UserError(f"{path}: the network's provenance is damaged: {error}") from None
    if flat.dtype != np.uint8:
        raise UserError(
            f"{path}: has {flat.dtype}, and the network has no quantiser; give bytes (uint8)"
        )
    return None


def _levels(features: int) -> int:
    """Levels of the features of a table: 4, or fewer so that there are at most 2,048 inputs."""
    return max(1, min(4, 1024 // features))
