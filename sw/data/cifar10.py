"""The data set ``cifar10``: 50,000 and 10,000 colour photographs of 32 × 32 pixels in ten classes,
by Krizhevsky, Nair and Hinton. The split is the official one.

Read from ``cifar-10-python.tar.gz`` as it is published; or from a lossless copy in PNG files,
``train/<class>/*.png`` and ``test/<class>/*.png``, in a folder or as the zip that GitHub makes of
it (https://github.com/cyizhuo/CIFAR-10-dataset). The md5 of the archive proves the former intact,
one over all pixels, by part, class and name, the latter. Either gives the same data set: sorted so,
then shuffled with a fixed seed.
"""

import hashlib
import io
import pickle
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from sw.cli import UserError
from sw.data import sources
from sw.data.dataset import Dataset
from sw.data.raw import watched

__all__ = ["LABELS", "find", "load"]

LABELS = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
_TAR = "cifar-10-python.tar.gz"
_URL = f"https://www.cs.toronto.edu/~kriz/{_TAR}"
_TAR_MD5 = "c58f30108f718f92721af3b95e74349a"
_COPIES = ("CIFAR-10-dataset-main", "CIFAR-10-dataset")
_PIXELS_MD5 = "2e6fb49eebe443c56c43047720944cd9"
_PARTS = ("train", "test")
_EDGE = 32  # pixels
_Photograph = tuple[str, int, str, np.ndarray]
"""Part, class, name of the file, and uint8 [32, 32, 3]."""


def find(data_dir: Path | None = None) -> Path | None:
    """Where the archive or a copy lies, None if it has to be fetched."""
    names = (_TAR, *(f"{name}.zip" for name in _COPIES), *_COPIES, ".")
    return sources.find("cifar10", names, data_dir, accepts=_is_source)


def load(data_dir: Path | None = None) -> Dataset:
    """The data set, images uint8 [N, 32, 32, 3], from the first place that has it
    (``sw.data.sources``), else from the official address.

    Raises
    ------
    UserError
        It is damaged or not available, or Pillow, which reads the copy, is not installed.
    """
    path = find(data_dir)
    if path is None:
        path = sources.cache() / "cifar10" / _TAR
        content = sources.fetch(
            _URL,
            path,
            f"cifar10/{_TAR}",
            lambda content: sources.official(_URL, content, _TAR_MD5, "try again later"),
        )
        photographs = sorted(_official(content), key=_order)
    elif path.name == _TAR:
        content = sources.official(path, path.read_bytes(), _TAR_MD5)
        photographs = sorted(_official(content), key=_order)
    else:
        photographs = _copied(path)
    images = np.stack([image for *_, image in photographs])
    labels = np.array([label for _, label, _, _ in photographs], np.int64)
    test = np.array([part == "test" for part, *_ in photographs])
    order = np.random.default_rng(0).permutation(len(labels))
    return Dataset.from_mask(
        images[order], labels[order], test[order], name="cifar10", labels=LABELS, maps=3
    )


def _order(file: tuple[str, int, str, object]) -> tuple[int, int, str]:
    part, label, name, _ = file
    return _PARTS.index(part), label, name


def _is_source(path: Path) -> bool:
    """Whether it is an archive, or a folder with a copy."""
    return path.is_file() or all((path / part / LABELS[0]).is_dir() for part in _PARTS)


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


def _official(content: bytes) -> Iterator[_Photograph]:
    """The photographs in the official archive, whose md5 is right."""
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for member in archive:
            name = PurePosixPath(member.name).name
            part = {"data_batch": "train", "test_batch": "test"}.get(name.rstrip("_12345"))
            file = archive.extractfile(member) if part else None
            if part is None or file is None:
                continue
            batch = _Unpickler(file, encoding="bytes").load()
            pixels = np.frombuffer(batch[b"data"].content, np.uint8)
            images = np.moveaxis(pixels.reshape(-1, 3, _EDGE, _EDGE), 1, 3)
            names = (each.decode() for each in batch[b"filenames"])
            yield from (
                (part, label, name, image)
                for label, name, image in zip(batch[b"labels"], names, images, strict=True)
            )


# The copy


def _copied(path: Path) -> list[_Photograph]:
    """The photographs of a copy, in order, if their pixels are right."""
    try:
        with zipfile.ZipFile(path) if path.is_file() else nullcontext() as archive:
            photographs = [
                (part, label, name, _pixels(name, read()))
                for part, label, name, read in watched(_files(path, archive))
            ]
    except ImportError:
        raise UserError(
            f"{path}: Pillow reads its images and is not installed; pip install 'firstspike[learn]'"
        ) from None
    except (OSError, EOFError, ValueError, SyntaxError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"{path}: cannot be read as CIFAR-10 ({error}); {sources.REMEDY}") from None
    digest = hashlib.md5(usedforsecurity=False)
    for *_, pixels in photographs:
        digest.update(pixels.tobytes())
    if digest.hexdigest() != _PIXELS_MD5:
        raise UserError(
            f"{path}: pixels of {len(photographs):,} images have md5 {digest.hexdigest()}, must be "
            f"{_PIXELS_MD5}; {sources.REMEDY}"
        )
    return photographs


def _files(
    path: Path, archive: zipfile.ZipFile | None
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
        (key[0], LABELS.index(key[1]), key[2], read)
        for key, read in found.items()
        if len(key) == 3 and key[0] in _PARTS and key[1] in LABELS
    ]
    return sorted(files, key=_order)


def _pixels(name: str, content: bytes) -> np.ndarray:
    """uint8 [32, 32, 3] of a PNG file."""
    from PIL import Image

    with Image.open(io.BytesIO(content)) as image:
        if image.size != (_EDGE, _EDGE):
            raise ValueError(f"{name} has {image.height} × {image.width} pixels")
        return np.asarray(image.convert("RGB"))
