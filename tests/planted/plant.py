"""``python tests/planted/plant.py [WORD ...]``: plants bugs in a copy of the hardware, and says
which test of the fast tier catches each. With words, only the bugs whose names hold one of them.

Exit status: 0 all were caught, 1 some were not.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bugs import BUGS, Bug

__all__ = ["Caught", "try_bug"]

_ROOT = Path(__file__).parents[2]
_RECORDER = Path(__file__).parent / "recorder.py"
# What a test says that found wrong behaviour; any other exception is a test that could not run.
_FINDINGS = {"AssertionError", "CoreError", "MismatchError", "Failed"}


@dataclass(frozen=True)
class Caught:
    """The first test that a bug made fail.

    Parameters
    ----------
    test : str
        Its name.
    error : str
        Class of the exception.
    message : str
        First line of what it says.
    """

    test: str
    error: str
    message: str


def try_bug(bug: Bug) -> Caught | None:
    """The first test of the fast tier that catches ``bug``, or None.

    Raises
    ------
    ValueError
        The bug's place is not there once, or its tests failed for another reason than what they
        assert.
    """
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name)
        for part in ("hw", "sw", "sim", "tests"):
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(_ROOT / part, copy / part, ignore=ignored)
        for part in ("pyproject.toml", "build"):  # simulators are kept by content
            (copy / part).symlink_to(_ROOT / part)
        file = copy / bug.file
        text = file.read_text(encoding="utf-8")
        if text.count(bug.old) != 1:
            raise ValueError(f"{bug.file}: has {bug.old!r} {text.count(bug.old)} times, not once")
        file.write_text(text.replace(bug.old, bug.new), encoding="utf-8")
        record = copy / "record.json"
        subprocess.run(
            [sys.executable, _RECORDER, record, bug.tests],
            cwd=copy,
            env={**os.environ, "PYTHONPATH": str(copy)},
            capture_output=True,
            check=False,
        )
        if not record.is_file():
            raise ValueError(f"{bug.tests}: no test ran")
        found = json.loads(record.read_text(encoding="utf-8"))
    if not found["failure"]:
        if not found["passed"]:
            raise ValueError(f"{bug.tests}: no test ran")
        return None
    caught = Caught(**found["failure"])
    if caught.error not in _FINDINGS:
        raise ValueError(f"{caught.test}: {caught.error}: {caught.message}")
    return caught


def main() -> int:
    """The command."""
    chosen = {
        name: bug
        for name, bug in BUGS.items()
        if not sys.argv[1:] or any(word in name for word in sys.argv[1:])
    }
    missed = 0
    print("| planted bug | in | caught by |\n|---|---|---|")
    for name, bug in chosen.items():
        try:
            caught = try_bug(bug)
            result = f"`{caught.test}`" if caught else "**nothing**"
        except ValueError as error:
            caught, result = None, f"**{error}**"
        missed += caught is None
        print(f"| {name} | `{bug.file}` | {result} |", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
