"""Data sets by name or path, and those that a network takes.

A data set is one module of this folder with functions ``load(data_dir)`` and ``find(data_dir)``,
and one line below. Files and folders of one's own are ``sw.data.own``'s.
NumPy only; what a single data set needs beside it is imported when that one is loaded.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from sw.cli import UserError, warn
from sw.container import quoted
from sw.data import (
    caltech,
    caltech_edges,
    cifar10,
    cifar100,
    digits,
    fashion_mnist,
    fsdd,
    mnist,
    mnist_16,
    own,
    shd,
    sources,
)
from sw.data.dataset import Dataset
from sw.data.events import EventDataset
from sw.data.provenance import reading_of
from sw.encoder import ImageEncoder, Spikes
from sw.network import Network
from sw.selection import TRAINED_ON, Selection

__all__ = [
    "DATASETS",
    "EVENT_DATASETS",
    "check",
    "find",
    "load",
    "load_dataset_for",
    "load_for",
    "load_selected",
    "name_of",
]


class _Module(Protocol):
    def find(self, data_dir: Path | None = None, /) -> Path | None: ...
    def load(self, data_dir: Path | None = None, /) -> Dataset | EventDataset: ...


_IMAGES: dict[str, _Module] = {
    "digits": digits,
    "mnist": mnist,
    "mnist_16": mnist_16,
    "fashion_mnist": fashion_mnist,
    "caltech": caltech,
    "caltech_edges": caltech_edges,
    "cifar10": cifar10,
    "cifar100": cifar100,
}
_EVENTS: dict[str, _Module] = {
    "fsdd": fsdd,
    "shd": shd,
}
EVENT_DATASETS = tuple(_EVENTS)
DATASETS = (*_IMAGES, *EVENT_DATASETS)


def load(name: str, data_dir: Path | None = None) -> Dataset | EventDataset:
    """The data set ``name``, one of :data:`DATASETS`; those of :data:`EVENT_DATASETS` hold events.

    Raises
    ------
    UserError
        No such data set, a file is damaged, or it is not available. One line: file, fault, remedy.
    """
    if name not in DATASETS:
        raise UserError(
            f"Data set must be one of {', '.join(DATASETS)}, or the path of a file or folder, "
            f"not {quoted(name)}"
        )
    sources.check_folders(data_dir)
    return (_IMAGES | _EVENTS)[name].load(data_dir)


def find(name: str, data_dir: Path | None = None) -> Path | None:
    """Where the data set ``name`` lies, None if it has to be fetched; its content is not looked at.
    Raises UserError for a folder that is not there.
    """
    sources.check_folders(data_dir)
    return (_IMAGES | _EVENTS)[name].find(data_dir)


def load_selected(selection: Selection) -> Dataset | EventDataset:
    """The data set that ``selection`` names, or that lies at its path, to learn from. Raises as
    :func:`load` and :func:`sw.data.own.load` do.
    """
    name = str(selection.dataset)
    if name not in DATASETS and own.is_path(name):
        return own.load(name, selection)
    return _load_named(name, selection)


def load_for(
    network: Network, selection: Selection = TRAINED_ON, count: int | None = None
) -> tuple[np.ndarray | Spikes, np.ndarray]:
    """The test part of a data set as ``network`` takes it, and its labels.

    Parameters
    ----------
    selection : Selection
        The data set; without a name or path, the one that the network was trained on.
    count : int, optional
        Only the first so many.

    Returns
    -------
    (uint8 [B, height, width] or Spikes, int64 [B])

    Raises
    ------
    UserError
        As :func:`load`, :func:`sw.data.own.load` and :func:`check`.
    """
    data = load_dataset_for(network, selection)
    return data.test_part(network.steps, count), data.test_labels[:count]


def load_dataset_for(network: Network, selection: Selection = TRAINED_ON) -> Dataset | EventDataset:
    """The data set of ``selection``, or without one the one that ``network`` was trained on, if
    ``network`` takes it. Data of one's own are read as those that it was trained on were.

    Where the path that it was trained on gives other examples than then, or another split of them,
    a warning is printed.

    Raises as :func:`load`, :func:`sw.data.own.load` and :func:`check` do.
    """
    name = name_of(network, selection)
    reading = _reading_for(network)
    if name not in DATASETS and (own.is_path(name) or (reading and selection.dataset is None)):
        data = own.load(name, selection, reading, network.labels)
        same = data.reading["sha256"] == reading.get("sha256", data.reading["sha256"])
        if name == network.provenance["dataset"] and not same:
            warn(
                f"{name}: holds other examples, or is split in another way, than when network "
                f"{network.name!r} was trained: it may have learnt some that are tested"
            )
    else:
        data = _load_named(name, selection, off_channel=bool(reading.get("off_channel")))
    data = data.like(network.encoder)
    check(network, data)
    return data


def name_of(network: Network, selection: Selection) -> str:
    """The name, or path, of the data set of ``selection`` for ``network``."""
    return selection.dataset or str(network.provenance["dataset"])


def _reading_for(network: Network) -> Mapping[str, Any]:
    """How data of one's own are read for ``network``: as they were, and in colour if it takes
    three channels.
    """
    reading, encoder = reading_of(network), network.encoder
    channels = encoder.channels if isinstance(encoder, ImageEncoder) else 1
    if channels == (6 if reading.get("off_channel") else 3):
        return {"grey": False, **reading}
    return reading


def _load_named(
    name: str, selection: Selection, *, off_channel: bool = False
) -> Dataset | EventDataset:
    """The data set ``name``; with ``off_channel`` as a network was trained. Raises as :func:`load`
    does, and for flags that say how to read a file, where there is none.
    """
    for flag in selection.reading():
        if flag != "off_channel":
            raise UserError(
                f"--{flag.replace('_', '-')}: is for data of your own, and {quoted(name)} has a "
                "name; leave it out"
            )
    data = load(name, selection.data_dir)
    if isinstance(data, Dataset) and not data.oriented:
        return data.with_off_channel() if off_channel or selection.off_channel else data
    if selection.off_channel:
        raise UserError(f"--off-channel: is for images, which {name} has not; leave it out")
    return data


def check(network: Network, data: Dataset | EventDataset) -> None:
    """Raises UserError if ``network`` does not take these inputs or does not name these classes.

    The names of data sets are not compared: a network for digits may be asked about other digits.
    """
    encoder = network.encoder
    if not data.fits(encoder):
        fault = f"takes {encoder.examples}, {data.name} has {data.examples}"
    elif network.labels != data.labels:
        fault = f"its classes are not those of {data.name}"
    else:
        return
    remedy = "name the data set that it was trained on, with --dataset or in its provenance"
    if (
        isinstance(data, Dataset)
        and isinstance(encoder, ImageEncoder)
        and (data.maps, data.reading.get("grey")) == (3, False)
        and encoder.shape in (data.map_size, (1, *data.map_size))
    ):
        remedy = "give grey ones; --grey reads the images of a folder as grey"
    raise UserError(f"network {network.name!r}: {fault}; {remedy}")
