"""Data sets in four IDX files, as MNIST has them: 28 × 28 pixels, ten classes.

The files are taken as they are published, packed with gzip, or unpacked; also from the folders that
torchvision makes (``MNIST/raw``). What proves a file intact is the md5 of its unpacked content:
headers of gzip differ between mirrors.
"""

import gzip
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sw.cli import UserError
from sw.data import sources
from sw.data.dataset import Dataset

__all__ = ["FILES", "Source", "find", "load"]

FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
_EDGE = 28  # pixels


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where such a data set comes from.

    Parameters
    ----------
    name : str
        Of the data set, and of the folder with its files.
    url : str
        Folder with the packed files.
    md5 : sequence of str
        Of each of :data:`FILES`, unpacked.
    torchvision : str
        The folder that torchvision makes for it.
    labels : tuple of str
        Names of the classes.
    """

    name: str
    url: str
    md5: Sequence[str]
    torchvision: str
    labels: tuple[str, ...]


def load(source: Source, data_dir: Path | None = None) -> Dataset:
    """The data set, from the first place that has it, else from its address.

    Raises
    ------
    UserError
        A file is damaged or is not available.
    """
    train_images, train_labels, test_images, test_labels = (
        _array(_content(source, file, md5, data_dir))
        for file, md5 in zip(FILES, source.md5, strict=True)
    )
    return Dataset(
        name=source.name,
        train_images=train_images,
        train_labels=train_labels.astype(np.int64),
        test_images=test_images,
        test_labels=test_labels.astype(np.int64),
        labels=source.labels,
    )


def find(source: Source, data_dir: Path | None = None) -> Path | None:
    """Where the data set lies, None if not all of its files do."""
    paths = [_find(source, file, data_dir) for file in FILES]
    return paths[0] if all(paths) else None


def _find(source: Source, file: str, data_dir: Path | None) -> Path | None:
    folders = (source.torchvision, f"{source.torchvision}/raw", "raw")
    return sources.find(source.name, (f"{file}.gz", file), data_dir, folders)


def _array(content: bytes) -> np.ndarray:
    """The array in an IDX file whose checksum was right: uint8 [N] or [N, 28, 28]."""
    dimensions = content[3]
    flat = np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions)
    return flat.reshape(-1, _EDGE, _EDGE) if dimensions == 3 else flat


def _content(source: Source, file: str, md5: str, data_dir: Path | None) -> bytes:
    """Unpacked content of ``file``."""
    path = _find(source, file, data_dir)
    if path is None:
        return _download(source, file, md5)
    content = path.read_bytes()
    if path.suffix != ".gz":
        return sources.official(path, content, md5)
    return _unpacked(path, content, md5, sources.REMEDY)


def _download(source: Source, file: str, md5: str) -> bytes:
    url = f"{source.url}{file}.gz"
    path = sources.cache() / source.name / f"{file}.gz"
    return sources.fetch(
        url,
        path,
        f"{source.name}/{file}.gz",
        lambda packed: _unpacked(url, packed, md5, "try again later"),
    )


def _unpacked(origin: object, packed: bytes, md5: str, remedy: str) -> bytes:
    """The unpacked content of ``packed``, if it is the official one."""
    try:
        content = gzip.decompress(packed)
    except (EOFError, zlib.error, OSError) as error:
        raise UserError(f"{origin}: is not intact as gzip ({error}); {remedy}") from None
    return sources.official(origin, content, md5, remedy)
