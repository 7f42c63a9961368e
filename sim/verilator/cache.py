"""A cache of folders, each made once, under the digest of all that it is made of."""

import fcntl
import hashlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["digest", "once"]


def digest(parts: Sequence[object]) -> str:
    """Of strings, numbers, and lists of them."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def once(home: Path, make: Callable[[Path], None], names: Sequence[str] = ()) -> Path:
    """The folder ``home``, which appears atomically: ``make`` fills it, in one process at a time,
    unless it is there. One in which a file of ``names`` is missing or empty is made again.
    """
    if not _is_whole(home, names):
        with _alone(home), tempfile.TemporaryDirectory(dir=home.parent, prefix=".build-") as name:
            if not _is_whole(home, names):
                here = Path(name) / "new"
                here.mkdir()
                make(here)
                with suppress(OSError):  # there is none yet
                    home.rename(here.with_name("damaged"))
                with suppress(OSError):  # another process was faster; its is the same
                    here.rename(home)
    return home


def _is_whole(home: Path, names: Sequence[str]) -> bool:
    """Whether the folder is there with these files, none of them empty."""
    paths = [home / name for name in names]
    return home.is_dir() and all(path.is_file() and path.stat().st_size for path in paths)


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Waits until no other process makes ``home``."""
    lock = home.with_name(f".{home.name}.lock")
    with lock.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)  # a process that waits for it finds it made
