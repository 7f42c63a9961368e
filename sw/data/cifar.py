"""The data sets CIFAR-10 and CIFAR-100, by Krizhevsky, Nair and Hinton: each has 50,000 and 10,000
colour photographs of 32 × 32 pixels. The split is the official one.

Read from the archive as it is published, such as ``cifar-10-python.tar.gz``; or from a lossless
copy in PNG files, ``train/<class>/*.png`` and ``test/<class>/*.png``, in a folder or as the zip
that GitHub makes of it (https://github.com/cyizhuo/CIFAR-10-dataset, CIFAR-100-dataset). The md5 of
the archive proves the former intact, one over all pixels, by part, class and name, the latter.
Either gives the same data set: sorted so, then shuffled with a fixed seed.
"""

import hashlib
import io
import pickle
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from sw.cli import UserError
from sw.data import sources
from sw.data.dataset import Dataset
from sw.data.raw import watched

__all__ = ["Source", "find", "load"]

_PARTS = ("train", "test")
_EDGE = 32  # pixels
_Photograph = tuple[str, int, str, np.ndarray]
"""Part, class, name of the file, and uint8 [32, 32, 3]."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where such a data set comes from.

    Parameters
    ----------
    name : str
        Of the data set, and of the folder with its files.
    title : str
        Its official name, which those of the archive and of the copy begin with.
    labels : tuple of str
        Names of the classes: the copy's folders, in the order of the archive's numbers.
    archive_md5, pixels_md5 : str
        Of the archive; of all pixels by part, class and name.
    batches : mapping of str
        The part, ``train`` or ``test``, that each pickled file of the archive is of.
    key : bytes
        What such a file calls its labels.
    """

    name: str
    title: str
    labels: tuple[str, ...]
    archive_md5: str
    pixels_md5: str
    batches: Mapping[str, str]
    key: bytes

    @property
    def archive(self) -> str:
        return f"{self.title.lower()}-python.tar.gz"

    @property
    def url(self) -> str:
        return f"https://www.cs.toronto.edu/~kriz/{self.archive}"

    @property
    def copies(self) -> tuple[str, ...]:
        """Folders, or zips of such."""
        return (f"{self.title}-dataset-main", f"{self.title}-dataset")


def find(source: Source, data_dir: Path | None = None) -> Path | None:
    """Where the archive or a copy lies, None if it has to be fetched."""
    zips = (f"{name}.zip" for name in source.copies)

    def accepts(path: Path) -> bool:
        """Whether it is an archive, or a folder with a copy."""
        return path.is_file() or all((path / part / source.labels[0]).is_dir() for part in _PARTS)

    names = (source.archive, *zips, *source.copies, ".")
    return sources.find(source.name, names, data_dir, accepts=accepts)


def load(source: Source, data_dir: Path | None = None) -> Dataset:
    """The data set, images uint8 [N, 32, 32, 3], from the first place that has it
    (``sw.data.sources``), else from the official address.

    Raises
    ------
    UserError
        It is damaged or not available, or Pillow, which reads the copy, is not installed.
    """
    path = find(source, data_dir)
    if path is None or path.name == source.archive:
        photographs = sorted(_official(source, _content(source, path)), key=_order)
    else:
        photographs = _copied(source, path)
    images = np.stack([image for *_, image in photographs])
    labels = np.array([label for _, label, _, _ in photographs], np.int64)
    test = np.array([part == "test" for part, *_ in photographs])
    order = np.random.default_rng(0).permutation(len(labels))
    return Dataset.from_mask(
        images[order], labels[order], test[order], name=source.name, labels=source.labels, maps=3
    )


def _order(file: tuple[str, int, str, object]) -> tuple[int, int, str]:
    part, label, name, _ = file
    return _PARTS.index(part), label, name


# The official archive


class _Array:
    """What a pickled NumPy array is read as: its bytes."""

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.content = bytes(state[4])


class _DType:
    """What a pickled dtype is read as: nothing."""

    def __init__(self, *arguments: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


class _Unpickler(pickle.Unpickler):
    """Reads plain values and arrays, and can call nothing else."""

    def find_class(self, module: str, name: str) -> Callable[..., object]:
        match module.removesuffix(".core.multiarray"), name:
            case "numpy", "_reconstruct":
                return lambda *arguments: _Array()
            case "numpy", "ndarray" | "dtype":
                return _DType
        raise pickle.UnpicklingError(f"{module}.{name} in it")


def _content(source: Source, path: Path | None) -> bytes:
    """The archive at ``path``, None for the official address, if its md5 is right."""
    if path is not None:
        return sources.official(path, path.read_bytes(), source.archive_md5)
    return sources.fetch(
        source.url,
        sources.cache() / source.name / source.archive,
        f"{source.name}/{source.archive}",
        lambda content: sources.official(
            source.url, content, source.archive_md5, "try again later"
        ),
    )


def _official(source: Source, content: bytes) -> Iterator[_Photograph]:
    """The photographs in the official archive, whose md5 is right."""
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for member in archive:
            part = source.batches.get(PurePosixPath(member.name).name)
            file = archive.extractfile(member) if part else None
            if part is None or file is None:
                continue
            batch = _Unpickler(file, encoding="bytes").load()
            pixels = np.frombuffer(batch[b"data"].content, np.uint8)
            images = np.moveaxis(pixels.reshape(-1, 3, _EDGE, _EDGE), 1, 3)
            names = (each.decode() for each in batch[b"filenames"])
            yield from (
                (part, label, name, image)
                for label, name, image in zip(batch[source.key], names, images, strict=True)
            )


# The copy


def _copied(source: Source, path: Path) -> list[_Photograph]:
    """The photographs of a copy, in order, if their pixels are right."""
    try:
        with zipfile.ZipFile(path) if path.is_file() else nullcontext() as archive:
            photographs = [
                (part, label, name, _pixels(name, read()))
                for part, label, name, read in watched(_files(source, path, archive))
            ]
    except ImportError:
        raise UserError(
            f"{path}: Pillow reads its images and is not installed; pip install 'firstspike[learn]'"
        ) from None
    except (OSError, EOFError, ValueError, SyntaxError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(
            f"{path}: cannot be read as {source.title} ({error}); {sources.REMEDY}"
        ) from None
    digest = hashlib.md5(usedforsecurity=False)
    for *_, pixels in photographs:
        digest.update(pixels.tobytes())
    if digest.hexdigest() != source.pixels_md5:
        raise UserError(
            f"{path}: pixels of {len(photographs):,} images have md5 {digest.hexdigest()}, must be "
            f"{source.pixels_md5}; {sources.REMEDY}"
        )
    return photographs


def _files(
    source: Source, path: Path, archive: zipfile.ZipFile | None
) -> list[tuple[str, int, str, Callable[[], bytes]]]:
    """Part, class, name and what reads it, of each PNG file of the data set, in order."""
    if archive is None:
        found = {file.parts[-3:]: file.read_bytes for file in path.glob("*/*/*.png")}
    else:
        names = (PurePosixPath(name) for name in archive.namelist())
        found = {
            name.parts[-3:]: partial(archive.read, str(name))
            for name in names
            if name.suffix == ".png"
        }
    files = [
        (key[0], source.labels.index(key[1]), key[2], read)
        for key, read in found.items()
        if len(key) == 3 and key[0] in _PARTS and key[1] in source.labels
    ]
    return sorted(files, key=_order)


def _pixels(name: str, content: bytes) -> np.ndarray:
    """uint8 [32, 32, 3] of a PNG file."""
    from PIL import Image

    with Image.open(io.BytesIO(content)) as image:
        if image.size != (_EDGE, _EDGE):
            raise ValueError(f"{name} has {image.height} × {image.width} pixels")
        return np.asarray(image.convert("RGB"))
