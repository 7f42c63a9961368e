"""Data sets by name, and those that a network takes.

A data set is one module of this folder with functions ``load(data_dir)`` and ``find(data_dir)``,
and one line below.
NumPy only; what a single data set needs beside it is imported when that one is loaded.
"""

from pathlib import Path
from typing import Protocol

import numpy as np

from sw.cli import UserError
from sw.container import quoted
from sw.data import caltech, caltech_edges, digits, fashion_mnist, fsdd, mnist, shd, sources
from sw.data.dataset import Dataset
from sw.data.events import EventDataset
from sw.encoder import Spikes
from sw.network import Network

__all__ = ["DATASETS", "EVENT_DATASETS", "check", "find", "load", "load_dataset_for", "load_for"]


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
        raise UserError(f"Data set must be one of {', '.join(DATASETS)}, not {quoted(name)}")
    sources.check_folders(data_dir)
    return (_IMAGES | _EVENTS)[name].load(data_dir)


def find(name: str, data_dir: Path | None = None) -> Path | None:
    """Where the data set ``name`` lies, None if it has to be fetched; its content is not looked at.
    Raises UserError for a folder that is not there.
    """
    sources.check_folders(data_dir)
    return (_IMAGES | _EVENTS)[name].find(data_dir)


def load_for(
    network: Network,
    name: str | None = None,
    data_dir: Path | None = None,
    count: int | None = None,
) -> tuple[np.ndarray | Spikes, np.ndarray]:
    """The test part of a data set as ``network`` takes it, and its labels.

    Parameters
    ----------
    name : str, optional
        Of the data set; without it, the one that the network was trained on.
    count : int, optional
        Only the first so many.

    Returns
    -------
    (uint8 [B, height, width] or Spikes, int64 [B])

    Raises
    ------
    UserError
        As :func:`load` and :func:`check`.
    """
    data = load_dataset_for(network, name, data_dir)
    return data.test_part(network.steps, count), data.test_labels[:count]


def load_dataset_for(
    network: Network, name: str | None = None, data_dir: Path | None = None
) -> Dataset | EventDataset:
    """The data set ``name``, or without it the one that ``network`` was trained on, if ``network``
    takes it. Raises as :func:`load` and :func:`check` do.
    """
    data = load(name or str(network.provenance["dataset"]), data_dir)
    check(network, data)
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
    raise UserError(
        f"network {network.name!r}: {fault}; name the data set that it was trained on, with "
        "--dataset or in its provenance"
    )
