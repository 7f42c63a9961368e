"""Data sets: where their files lie, what proves them whole, and how they become arrays.

NumPy only; scikit-learn (for ``digits``) and tqdm (for a download) are imported where they are
needed.

Files are looked for in this order, each place as ``<place>/<name>/<file>`` (``-`` or ``_`` in the
name) or ``<place>/<file>``:

1. ``--data-dir``
2. the environment variable ``FIRSTSPIKE_DATA``
3. the cache, ``~/.cache/firstspike``
4. the system, ``/usr/share/datasets`` (Debian's ``dataset-fashion-mnist`` puts its files there)
5. the official download, into the cache

A file whose content is not the official one is refused and left alone.
"""

import gzip
import hashlib
import os
import urllib.request
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TypeVar

import numpy as np

from sw.cli import UserError, atomic_path
from sw.data.events import EventDataset
from sw.encoder import EventsEncoder, LatencyEncoder, Spikes
from sw.network import Network

__all__ = [
    "DATASETS",
    "EVENT_DATASETS",
    "Dataset",
    "cache",
    "fetch",
    "find",
    "load",
    "load_for",
    "load_images",
    "official",
    "places",
    "split",
]

_Checked = TypeVar("_Checked")
_SYSTEM = Path("/usr/share/datasets")
_TIMEOUT = 30  # seconds without a byte until a download gives up
_DIGITS = tuple("0123456789")
_REMEDY = "move it away or name another --data-dir"


@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """Images with their labels, in two parts.

    Parameters
    ----------
    name : str
    train_images, test_images : uint8 [N, height, width]
        0 is background, 255 the brightest.
    train_labels, test_labels : int64 [N]
        Index into ``labels``.
    labels : tuple of str
        Names of the classes.
    maps : int
        An image is so many maps of the same height, one below the other: of brightness (1), or of
        orientations that divide 180° evenly, from the upright one on (``sw.features.edges``).
    """

    name: str
    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    labels: tuple[str, ...]
    maps: int = 1

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of an image in pixels."""
        return self.train_images.shape[1:]

    @property
    def train_inputs(self) -> np.ndarray:
        """``train_images``, by the name that data sets of both kinds have."""
        return self.train_images

    @property
    def test_inputs(self) -> np.ndarray:
        """``test_images``, likewise."""
        return self.test_images


@dataclass(frozen=True, kw_only=True)
class _Idx:
    """A data set of four gzip'd IDX files, as MNIST has them."""

    url: str
    md5: dict[str, str]  # of the decompressed files: gzip headers differ between mirrors
    labels: tuple[str, ...]


_IDX = {
    "mnist": _Idx(
        url="https://ossci-datasets.s3.amazonaws.com/mnist/",
        md5={
            "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
            "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
            "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
            "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
        },
        labels=_DIGITS,
    ),
    "fashion_mnist": _Idx(
        url="http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        md5={
            "train-images-idx3-ubyte": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
            "train-labels-idx1-ubyte": "9018921c3c673c538a1fc5bad174d6f9",
            "t10k-images-idx3-ubyte": "8181f5470baa50b63fa0f6fddb340f0a",
            "t10k-labels-idx1-ubyte": "15d484375f8d13e6eb1aabb0c3f46965",
        },
        labels=(
            "T-shirt/top",
            "Trouser",
            "Pullover",
            "Dress",
            "Coat",
            "Sandal",
            "Shirt",
            "Sneaker",
            "Bag",
            "Ankle boot",
        ),
    ),
}

EVENT_DATASETS = ("fsdd", "shd")
_MODULES = ("caltech", "caltech_edges", *EVENT_DATASETS)  # sw.<name> has a load() of its own
DATASETS = ("digits", *_IDX, *_MODULES)


def load(name: str, data_dir: Path | None = None) -> Dataset | EventDataset:
    """The data set ``name``, one of :data:`DATASETS`; those of :data:`EVENT_DATASETS` hold events.

    Raises
    ------
    UserError
        No such data set, a file is damaged, or it cannot be had. One line: file, fault, remedy.
    """
    if name not in DATASETS:
        raise UserError(f"Data set must be one of {', '.join(DATASETS)}, not {name!r}")
    if data_dir is not None and not Path(data_dir).is_dir():
        raise UserError(f"{data_dir}: no such folder; name one that exists with --data-dir")
    if name == "digits":
        return _digits()
    if name in _MODULES:
        return import_module(f"sw.{name}").load(data_dir)
    source = _IDX[name]
    parts = [_idx(_content(name, file, data_dir), images="images" in file) for file in source.md5]
    return Dataset(
        name=name,
        train_images=parts[0],
        train_labels=parts[1].astype(np.int64),
        test_images=parts[2],
        test_labels=parts[3].astype(np.int64),
        labels=source.labels,
    )


def load_images(name: str, data_dir: Path | None = None) -> Dataset:
    """The data set ``name`` for who can take images only. As :func:`load`, which see."""
    if name in EVENT_DATASETS:
        raise UserError(f"{name}: holds events, not images; only images are taken here")
    return load(name, data_dir)


def load_for(
    network: Network, name: str, data_dir: Path | None = None, count: int | None = None
) -> tuple[np.ndarray | Spikes, np.ndarray]:
    """The test part of the data set ``name`` as ``network`` takes it, and its labels.

    Parameters
    ----------
    count : int, optional
        Only the first so many.

    Returns
    -------
    (uint8 [B, height, width] or Spikes, int64 [B])

    Raises
    ------
    UserError
        As :func:`load`, or the network takes other inputs.
    """
    data, encoder = load(name, data_dir), network.encoder
    if isinstance(data, EventDataset):
        found = f"events of {data.channels} channels"
        fits = encoder == EventsEncoder(channels=data.channels)
    else:
        found = f"images of {data.shape} pixels"
        fits = isinstance(encoder, LatencyEncoder) and encoder.shape == data.shape
    if not fits:
        takes = getattr(encoder, "shape", None) or f"{encoder.inputs} channels of events"
        raise UserError(
            f"{name}: {found}, network {network.name!r} takes {takes}; "
            "name the data set it was trained on"
        )
    labels = data.test_labels[:count]
    if isinstance(data, EventDataset):
        return data.test_events.spikes(network.steps).part(0, len(labels)), labels
    return data.test_images[:count], labels


def split(labels: np.ndarray, fraction: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Splits a training set into a part to learn from and a part held out for validation.

    Parameters
    ----------
    labels : int [N]
    fraction : float, 0 … below 1
        Share of each class that is held out, rounded to whole images.
    seed : int
        The same seed always gives the same split.

    Returns
    -------
    (int64 [N − V], int64 [V])
        Indices of the two parts, ascending.
    """
    if not 0 <= fraction < 1:
        raise ValueError(f"Fraction must be in 0 … below 1, not {fraction!r}")
    generator = np.random.default_rng(seed)
    held_out = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = generator.permutation(np.flatnonzero(labels == label))
        held_out[members[: round(fraction * len(members))]] = True
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)


def _digits() -> Dataset:
    """The 8×8 digits inside scikit-learn, 0 … 16 scaled to 0 … 255. It comes in one piece: every
    fifth image of each class is for testing (355 of 1,797).
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise UserError(
            "digits: scikit-learn holds this data set and is not installed; "
            "pip install 'firstspike[learn]'"
        ) from None
    bunch = load_digits()
    images = (bunch.images.astype(np.int32) * 255 + 8) // 16
    labels = bunch.target.astype(np.int64)
    test = np.zeros(len(labels), bool)
    for label in range(10):
        test[np.flatnonzero(labels == label)[4::5]] = True
    return Dataset(
        name="digits",
        train_images=images[~test].astype(np.uint8),
        train_labels=labels[~test],
        test_images=images[test].astype(np.uint8),
        test_labels=labels[test],
        labels=_DIGITS,
    )


def _idx(content: bytes, *, images: bool) -> np.ndarray:
    """The array in an IDX file whose checksum was right."""
    header = 16 if images else 8
    array = np.frombuffer(content, np.uint8, offset=header)
    return array.reshape(-1, 28, 28) if images else array


def _content(name: str, file: str, data_dir: Path | None) -> bytes:
    """Decompressed content of ``<file>.gz`` from the first place that has it."""
    path = find(name, (f"{file}.gz",), data_dir)
    if path is not None:
        return _checked(path, path.read_bytes(), _IDX[name].md5[file])
    return _download(name, file)


def find(name: str, files: Sequence[str], data_dir: Path | None) -> Path | None:
    """The first of ``files`` in the first place that has one for the data set ``name``."""
    for place in places(data_dir):
        for folder in (place / name, place / name.replace("_", "-"), place):
            for file in files:
                if (folder / file).is_file():
                    return folder / file
    return None


def places(data_dir: Path | None) -> list[Path]:
    """Where files are looked for before they are fetched."""
    given = [data_dir, os.environ.get("FIRSTSPIKE_DATA")]
    return [*(Path(place) for place in given if place), cache(), _SYSTEM]


def cache() -> Path:
    """Where fetched files go."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "firstspike"


def official(origin: object, content: bytes, md5: str, remedy: str = _REMEDY) -> bytes:
    """``content``, read from ``origin``, if its checksum is ``md5``. Raises UserError if not."""
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if found != md5:
        raise UserError(f"{origin}: content has md5 {found}, must be {md5}; {remedy}")
    return content


def _checked(origin: object, packed: bytes, md5: str, remedy: str = _REMEDY) -> bytes:
    """The decompressed content of ``packed``, if it is the official one."""
    try:
        content = gzip.decompress(packed)
    except (EOFError, zlib.error, OSError) as error:
        raise UserError(f"{origin}: is not whole as gzip ({error}); {remedy}") from None
    return official(origin, content, md5, remedy)


def _download(name: str, file: str) -> bytes:
    """Fetches ``<file>.gz`` into the cache, whole and checked or not at all."""
    url, md5 = f"{_IDX[name].url}{file}.gz", _IDX[name].md5[file]
    path = cache() / name / f"{file}.gz"
    return fetch(
        url, path, f"{name}/{file}.gz", lambda packed: _checked(url, packed, md5, "try again later")
    )


def fetch(url: str, path: Path, title: str, check: Callable[[bytes], _Checked]) -> _Checked:
    """Fetches ``url`` into ``path`` with a progress bar, whole and passed by ``check`` or not at
    all. Returns what ``check`` makes of the content.

    Raises
    ------
    UserError
        It cannot be fetched, or ``check`` says so.
    """
    from tqdm import tqdm

    with atomic_path(path) as temporary:
        try:
            with urllib.request.urlopen(url, timeout=_TIMEOUT) as answer:
                size = int(answer.headers.get("Content-Length") or 0) or None
                with (
                    temporary.open("wb") as target,
                    tqdm(total=size, unit="B", unit_scale=True, desc=title) as bar,
                ):
                    while block := answer.read(1 << 16):
                        target.write(block)
                        bar.update(len(block))
        except OSError as error:  # URLError, timeouts and refused connections are OSErrors
            reason = getattr(error, "reason", None) or error
            raise UserError(
                f"{url}: cannot be fetched ({reason}); put the file into a folder "
                f"{path.parent.name}/ and name the folder above it with --data-dir or "
                f"FIRSTSPIKE_DATA"
            ) from None
        return check(temporary.read_bytes())
