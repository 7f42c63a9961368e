"""The data set ``shd``: the Spiking Heidelberg Digits.

By Cramer, Stradmann, Schemmel and Zenke ("The Heidelberg Spiking Data Sets for the Systematic
Evaluation of Spiking Neural Networks", IEEE TNNLS 2020), CC BY 4.0. Spoken digits, 0 to 9 in
English and in German, as spikes of a model of the inner ear with 700 channels; two of the twelve
speakers are in the test set alone. The split is the official one.

Read from ``shd_train.h5.zip`` and ``shd_test.h5.zip`` as they are published. Each holds one HDF5
file: ``spikes/times`` [s] and ``spikes/units``, one array a recording, and ``labels``.

The first 1.4 s count, as in the authors' own example (SpyTorch). ``sw.data.events`` says how
they become steps: a channel keeps all its spikes.
"""

import io
import zipfile
from pathlib import Path

import numpy as np

from sw.cli import UserError
from sw.data import sources
from sw.data.events import EventDataset, Events

__all__ = ["LABELS", "find", "load"]

LABELS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    *("null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun"),
)
_URL = "https://zenkelab.org/datasets/"
_MD5 = {
    "shd_train.h5.zip": "f3252aeb598ac776c1b526422d90eecb",
    "shd_test.h5.zip": "1503a5064faa34311c398fb0a1ed0a6f",
}
_CHANNELS = 700
_WINDOW = 1.4


def find(data_dir: Path | None = None) -> Path | None:
    """Where it lies, None if not both of its files do."""
    paths = [sources.find("shd", (file,), data_dir) for file in _MD5]
    return paths[0] if all(paths) else None


def load(data_dir: Path | None = None) -> EventDataset:
    """The data set, from the first place that has it (``sw.data.sources``), else from the official
    address.

    Raises
    ------
    UserError
        A file is damaged or is not available, or h5py is not installed.
    """
    train, test = (_part(*_content(file, data_dir)) for file in _MD5)
    return EventDataset(
        name="shd",
        train_events=train[0],
        train_labels=train[1],
        test_events=test[0],
        test_labels=test[1],
        labels=LABELS,
    )


def _content(file: str, data_dir: Path | None) -> tuple[object, bytes]:
    """Where ``file`` comes from, and its content."""
    path = sources.find("shd", (file,), data_dir)
    if path is not None:
        return path, sources.official(path, path.read_bytes(), _MD5[file])
    url, path = _URL + file, sources.cache() / "shd" / file
    return path, sources.fetch(
        url,
        path,
        f"shd/{file}",
        lambda content: sources.official(url, content, _MD5[file], "try again later"),
    )


def _part(origin: object, content: bytes) -> tuple[Events, np.ndarray]:
    """Recordings and labels int64 [R] of one file."""
    try:
        import h5py
    except ImportError:
        raise UserError(
            "shd: h5py reads its files and is not installed; pip install 'firstspike[learn]'"
        ) from None
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            (name,) = archive.namelist()
            inner = io.BytesIO(archive.read(name))
        with h5py.File(inner, "r") as file:
            recordings = zip(file["spikes/times"][:], file["spikes/units"][:], strict=True)
            events = Events.collect(recordings, channels=_CHANNELS, window=_WINDOW)
            labels = file["labels"][:].astype(np.int64)
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise UserError(
            f"{origin}: cannot be read as Spiking Heidelberg Digits ({error}); move it away or "
            f"name another --data-dir"
        ) from None
    return events, labels
