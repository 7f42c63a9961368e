"""A step of the flow that is not run a second time for the same inputs and the same tools."""

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from hw.flow.implement import sha256_of
from sw.cli import read_json, write_json
from sw.record import Record

__all__ = ["cached", "digest_of"]

R = TypeVar("R", bound=Record)
_DONE = "done.json"


def digest_of(inputs: Mapping[str, object]) -> str:
    """SHA-256, in hexadecimal, of what a step depends on: JSON values by their names."""
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def cached(
    folder: Path, inputs: Mapping[str, object], kind: type[R], make: Callable[[Path], R]
) -> R:
    """What ``make`` gives when it is run in the empty ``folder``, or what it gave before.

    It is run again if ``inputs`` are others than then, or if a file that it left is missing or
    another one. A step that was interrupted begins anew.

    Parameters
    ----------
    inputs : mapping of str to JSON value
        All that the result depends on: texts or digests of files, settings, versions of tools.
    kind : type of Record
        What ``make`` returns.
    """
    digest = digest_of(inputs)
    before = _before(folder, digest, kind)
    if before is not None:
        return before
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    result = make(folder)
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    files = {path.relative_to(folder).as_posix(): sha256_of(path) for path in paths}
    write_json(folder / _DONE, {"digest": digest, "files": files, "result": result.to_dict()})
    return result


def _before(folder: Path, digest: str, kind: type[R]) -> R | None:
    try:
        done = read_json(folder / _DONE)
        if done["digest"] != digest:
            return None
        if any(sha256_of(folder / name) != sha for name, sha in done["files"].items()):
            return None
        return kind.from_dict(done["result"])
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None  # never made, or damaged
