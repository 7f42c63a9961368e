"""Where the files of data sets lie, how they are fetched, and what proves them intact.

Files are looked for in this order, each place as ``<place>/<data set>/<file>`` (``-`` or ``_`` in
the name), ``<place>/<file>``, or in other folders that a data set names:

1. ``--data-dir``
2. the environment variable ``FIRSTSPIKE_DATA``
3. the cache, ``~/.cache/firstspike``
4. the system, ``/usr/share/datasets`` (Debian's ``dataset-fashion-mnist`` puts its files there)
5. the official download, into the cache

A file whose content is not the official one is refused and left alone.
"""

import hashlib
import os
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from sw.cli import UserError, atomic_path

__all__ = ["REMEDY", "cache", "check_folders", "fetch", "find", "official", "places"]

_Checked = TypeVar("_Checked")
_ENVIRONMENT = "FIRSTSPIKE_DATA"
_SYSTEM = Path("/usr/share/datasets")
_TIMEOUT = 30  # seconds without a byte until a download gives up
REMEDY = "move it away or name another --data-dir"


def check_folders(data_dir: Path | None) -> None:
    """Raises UserError if ``data_dir``, or the folder that the environment names, does not exist:
    a typing error there must not end in a download.
    """
    if data_dir is not None and not Path(data_dir).is_dir():
        raise UserError(f"{data_dir}: no such folder; name one that exists with --data-dir")
    named = os.environ.get(_ENVIRONMENT)
    if named and not Path(named).is_dir():
        raise UserError(
            f"{named}: no such folder; set {_ENVIRONMENT} to one that exists, or unset it"
        )


def places(data_dir: Path | None) -> Iterator[Path]:
    """Where files are looked for before they are fetched."""
    given = [data_dir, os.environ.get(_ENVIRONMENT)]
    yield from (Path(place) for place in given if place)
    with suppress(UserError):  # there is none without a home
        yield cache()
    yield _SYSTEM


def cache() -> Path:
    """Where fetched files go. Raises UserError where nothing says so."""
    try:
        home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    except RuntimeError:  # a user without an entry in the system's list, as in some containers
        raise UserError(
            "there is no home folder to keep data sets in; set HOME or XDG_CACHE_HOME, or name the "
            "folder where they lie with --data-dir"
        ) from None
    return Path(home) / "firstspike"


def find(
    name: str,
    files: Sequence[str],
    data_dir: Path | None,
    folders: Sequence[str] = (),
    *,
    accepts: Callable[[Path], bool] = Path.is_file,
) -> Path | None:
    """The first of ``files`` in the first place that has one for the data set ``name``.

    Parameters
    ----------
    folders : sequence of str
        Other folders of a place where these files may lie.
    accepts : function of a path
        Whether it is what is looked for.
    """
    for place in places(data_dir):
        for folder in (name, name.replace("_", "-"), *folders, "."):
            for file in files:
                if accepts(place / folder / file):
                    return place / folder / file
    return None


def official(origin: object, content: bytes, md5: str, remedy: str = REMEDY) -> bytes:
    """``content``, read from ``origin``, if its checksum is ``md5``. Raises UserError if not."""
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if found != md5:
        raise UserError(f"{origin}: content has md5 {found}, must be {md5}; {remedy}")
    return content


def fetch(url: str, path: Path, title: str, check: Callable[[bytes], _Checked]) -> _Checked:
    """Fetches ``url`` into ``path`` with a progress bar, complete and passed by ``check`` or not at
    all. Returns what ``check`` makes of the content.

    Raises
    ------
    UserError
        It cannot be fetched, or ``check`` says so.
    """
    from tqdm import tqdm

    with atomic_path(path) as temporary:
        try:
            with urllib.request.urlopen(url, timeout=_TIMEOUT) as response:
                size = int(response.headers.get("Content-Length") or 0) or None
                with (
                    temporary.open("wb") as target,
                    tqdm(total=size, unit="B", unit_scale=True, desc=title) as bar,
                ):
                    while block := response.read(1 << 16):
                        target.write(block)
                        bar.update(len(block))
        except OSError as error:  # URLError, timeouts and refused connections are OSErrors
            reason = getattr(error, "reason", None) or error
            raise UserError(
                f"{url}: cannot be fetched ({reason}); put the file into a folder "
                f"{path.parent.name}/ and name the folder above it with --data-dir or "
                f"{_ENVIRONMENT}"
            ) from None
        return check(temporary.read_bytes())
