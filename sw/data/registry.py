"""Data sets by name or path, and those that a network takes.

A data set is one module of this folder with functions ``load(data_dir)`` and ``find(data_dir)``,
and one line below. Files and folders of one's own are ``sw.data.own``'s.
NumPy only; what a single data set needs beside it is imported when that one is loaded.
"""

from pathlib import Path
from typing import Protocol

import numpy as np

from sw.cli import UserError, warn
from sw.container import quoted
from sw.data import caltech, caltech_edges, digits, fashion_mnist, fsdd, mnist, own, shd, sources
from sw.data.dataset import Dataset
from sw.data.events import EventDataset
from sw.data.provenance import reading_of
from sw.encoder import Spikes
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
    "fashion_mnist": fashion_mnist,
    "caltech": caltech,
    "caltech_edges": caltech_edges,
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
    _check_named(name, selection)
    return load(name, selection.data_dir)


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
    reading = reading_of(network)
    if name not in DATASETS and (own.is_path(name) or (reading and selection.dataset is None)):
        data = own.load(name, selection, reading, network.labels)
        same = data.reading["sha256"] == reading.get("sha256", data.reading["sha256"])
        if name == network.provenance["dataset"] and not same:
            warn(
                f"{name}: holds other examples, or is split in another way, than when network "
                f"{network.name!r} was trained: it may have learnt some that are tested"
            )
    else:
        _check_named(name, selection)
        data = load(name, selection.data_dir)
    check(network, data)
    return data


def name_of(network: Network, selection: Selection) -> str:
    """The name, or path, of the data set of ``selection`` for ``network``."""
    return selection.dataset or str(network.provenance["dataset"])


def _check_named(name: str, selection: Selection) -> None:
    """Raises UserError for flags that say how to read a file, where there is none."""
    for flag in selection.reading():
        raise UserError(
            f"--{flag.replace('_', '-')}: is for data of your own, and {quoted(name)} has a name; "
            "leave it out"
        )


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
    raise UserError(
        f"network {network.name!r}: {fault}; name the data set that it was trained on, with "
        "--dataset or in its provenance"
    )
