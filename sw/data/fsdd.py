"""The data set ``fsdd``: the Free Spoken Digit Dataset, encoded by ``sw.features.cochlea``.

By Zohar Jackson and contributors (https://github.com/Jakobovski/free-spoken-digit-dataset), CC
BY-SA 4.0. English digits, spoken 50 times each by six speakers, as 3,000 WAV files of 8 kHz. The
split is the official one: recordings 0 to 4 of each speaker and digit are for testing (300), 5 to
49 for training. So every speaker is in both parts, as in a random part of the training recordings.

Read from the release as GitHub packs it, ``free-spoken-digit-dataset-1.0.10.tar.gz``, or from
``fsdd_v1_26eb9aa.tar.xz``, which holds the same recordings. What proves them intact is one md5 over
the WAV files, in the order of their names.
"""

import hashlib
import io
import lzma
import re
import tarfile
import wave
import zlib
from pathlib import Path

import numpy as np

from sw.cli import UserError
from sw.data import sources
from sw.data.events import EventDataset, Events
from sw.features import cochlea

__all__ = ["find", "load"]

_ARCHIVES = ("fsdd_v1_26eb9aa.tar.xz", "free-spoken-digit-dataset-1.0.10.tar.gz")
_URL = "https://github.com/Jakobovski/free-spoken-digit-dataset/archive/refs/tags/v1.0.10.tar.gz"
_MD5 = "2c93442f2c808e24d4d913f6be24d32c"
_NAME = re.compile(r"(?:.*/)?recordings/((\d)_[a-z]+_(\d+)\.wav)")
_TESTED = 5  # recordings of each speaker and digit
_RATE = 8000  # Hz
_WINDOW = 0.64  # s, longer than 94 % of the recordings


def find(data_dir: Path | None = None) -> Path | None:
    """Where the archive lies, None if it has to be fetched."""
    return sources.find("fsdd", _ARCHIVES, data_dir)


def load(data_dir: Path | None = None) -> EventDataset:
    """The data set, from the first place that has it (``sw.data.sources``), else from the official
    address.

    Raises
    ------
    UserError
        The archive is damaged or is not available.
    """
    path = find(data_dir)
    if path is None:
        path = sources.cache() / "fsdd" / _ARCHIVES[1]
        files = sources.fetch(
            _URL,
            path,
            f"fsdd/{path.name}",
            lambda content: _files(_URL, content, "try again later"),
        )
    else:
        files = _files(path, path.read_bytes(), "move it away or name another --data-dir")
    digits, numbers, sounds = zip(*files, strict=True)
    events = Events.collect(
        (cochlea.encode(sound, _RATE) for sound in sounds),
        channels=cochlea.UNITS,
        window=_WINDOW,
        stride=cochlea.STRIDE,
    )
    labels = np.array(digits, np.int64)
    test = np.array(numbers) < _TESTED
    return EventDataset.from_mask(events, labels, test, name="fsdd", labels=tuple("0123456789"))


def _files(origin: object, content: bytes, remedy: str) -> list[tuple[int, int, np.ndarray]]:
    """Digit, number and sound (int16 [samples]) of each recording, by name."""
    try:
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            found = {
                match.groups(): file.read()
                for member in archive
                if (match := _NAME.fullmatch(member.name))
                and (file := archive.extractfile(member)) is not None
            }
    except (OSError, EOFError, tarfile.TarError, lzma.LZMAError, zlib.error) as error:
        # tarfile lists, line by line, each method that it has tried
        reason = (str(error) or "cut short").splitlines()[0]
        raise UserError(
            f"{origin}: cannot be read as Free Spoken Digit Dataset ({reason}); {remedy}"
        ) from None
    ordered = sorted(found)
    md5 = hashlib.md5(b"".join(found[key] for key in ordered), usedforsecurity=False).hexdigest()
    if md5 != _MD5:
        raise UserError(f"{origin}: recordings have md5 {md5}, must be {_MD5}; {remedy}")
    return [
        (int(digit), int(number), _sound(found[name, digit, number]))
        for name, digit, number in ordered
    ]


def _sound(content: bytes) -> np.ndarray:
    """The samples of a WAV file, int16."""
    with wave.open(io.BytesIO(content)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2")
