"""The data set ``caltech``: faces against motorbikes, of Caltech-101.

By Li, Andreeto, Ranzato and Perona, CC BY 4.0.

435 photographs of faces (with background: the category ``Faces``) and 798 of motorbikes, as grey
images of 32 × 48 pixels, about the shape of the photographs. Motorbikes mostly stand before white;
images are inverted, so that ink is bright and fires early, as in MNIST. There is no official split:
every second image of each category, by name, is for testing (616 of 1,233). Photographs of one
person lie in both parts of it, as they do in a random split. ``sw.data.caltech_edges`` has the same
photographs as edges.

Read from ``caltech-101.zip``, the official archive, or from a plain tar with the same folders,
``caltech101_faceseasy_faces_motorbikes.tar``. What proves the files intact is one md5 over the
JPEG files of both categories, in the order of their names.
"""

import hashlib
import io
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

import numpy as np

from sw.cli import UserError
from sw.data import sources
from sw.data.dataset import Dataset

__all__ = ["find", "load", "photographs"]

_ARCHIVES = ("caltech101_faceseasy_faces_motorbikes.tar", "caltech-101.zip")
_INNER = "101_ObjectCategories.tar.gz"
_URL = "https://data.caltech.edu/records/mzrjq-6wc02/files/caltech-101.zip?download=1"
_ZIP_MD5 = "3138e1922a9193bfa496528edbbc45d0"
_CATEGORIES = ("Faces", "Motorbikes")
_MD5 = "960704df9d6ca54fca44e75b1b8f8a3c"


def find(data_dir: Path | None = None) -> Path | None:
    """Where the archive lies, None if it has to be fetched."""
    return sources.find("caltech", _ARCHIVES, data_dir)


def load(data_dir: Path | None = None) -> Dataset:
    """The data set, as grey images. Raises as :func:`photographs` does."""
    return photographs("caltech", 32, 48, data_dir)


def photographs(name: str, height: int, width: int, data_dir: Path | None = None) -> Dataset:
    """The photographs as data set ``name``, uint8 [B, height, width], grey and inverted; from the
    first place that has them (``sw.data.sources``), else from the official address.

    Raises
    ------
    UserError
        The archive is damaged or is not available, or Pillow is not installed.
    """
    path = _archive(data_dir)
    files = _files(path)
    found = hashlib.md5(b"".join(content for _, content in files), usedforsecurity=False)
    if found.hexdigest() != _MD5:
        raise UserError(
            f"{path}: images of {' and '.join(_CATEGORIES)} have md5 {found.hexdigest()}, must be "
            f"{_MD5}; move it away or name another --data-dir"
        )
    images = np.stack([_image(content, height, width) for _, content in files])
    labels = np.array([label for label, _ in files], np.int64)
    test = np.zeros(len(labels), bool)
    for label in range(len(_CATEGORIES)):
        test[np.flatnonzero(labels == label)[1::2]] = True
    return Dataset.from_mask(images, labels, test, name=name, labels=("face", "motorbike"))


def _archive(data_dir: Path | None) -> Path:
    path = find(data_dir)
    if path is None:
        path = sources.cache() / "caltech" / "caltech-101.zip"
        sources.fetch(
            _URL,
            path,
            "caltech/caltech-101.zip",
            lambda content: sources.official(_URL, content, _ZIP_MD5, "try again later"),
        )
    return path


def _files(path: Path) -> list[tuple[int, bytes]]:
    """Label and content of each JPEG file, by category, then by name."""
    try:
        if path.suffix == ".tar":
            return _members(tarfile.open(path))
        with zipfile.ZipFile(path) as archive:
            inner = next(name for name in archive.namelist() if name.endswith(_INNER))
            return _members(tarfile.open(fileobj=io.BytesIO(archive.read(inner))))
    except (OSError, EOFError, StopIteration, tarfile.TarError, zipfile.BadZipFile) as error:
        raise UserError(
            f"{path}: cannot be read as Caltech-101 ({str(error) or 'no images inside'}); "
            f"move it away or name another --data-dir"
        ) from None


def _members(archive: tarfile.TarFile) -> list[tuple[int, bytes]]:
    with archive:
        found = {}
        for member in archive:
            place = PurePosixPath(member.name)
            if place.parent.name not in _CATEGORIES or place.suffix != ".jpg":
                continue
            if (file := archive.extractfile(member)) is not None:  # it is None for a folder
                found[_CATEGORIES.index(place.parent.name), place.name] = file.read()
        return [(label, content) for (label, _), content in sorted(found.items())]


def _image(content: bytes, height: int, width: int) -> np.ndarray:
    """uint8 [height, width], grey and inverted, from a JPEG file."""
    try:
        from PIL import Image
    except ImportError:
        raise UserError(
            "caltech: Pillow reads its images and is not installed; pip install 'firstspike[learn]'"
        ) from None
    with Image.open(io.BytesIO(content)) as photograph:
        grey = photograph.convert("L").resize((width, height), Image.Resampling.BILINEAR)
    return 255 - np.asarray(grey)
