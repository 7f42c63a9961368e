"""The programs of an ASIC flow, which come as Debian packages."""

import re
import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from hw.flow.errors import ToolFailedError
from hw.flow.tools import run_logged
from sw.cli import UserError

__all__ = ["PROGRAMS", "QFLOW", "find_program", "program_version", "require", "run_program"]

QFLOW = Path("/usr/lib/qflow/bin")  # what only qflow's scripts call

# The Debian package of each.
PROGRAMS = {
    "sta": "opensta",
    "iverilog": "iverilog",
    "vvp": "iverilog",
    "tcsh": "tcsh",
    "qflow": "qflow",
    "blif2BSpice": "qflow",
    "graywolf": "graywolf",
    "qrouter": "qrouter",
    "magic": "magic",
    "netgen-lvs": "netgen-lvs",
    "ngspice": "ngspice",
}


@cache
def find_program(name: str) -> str:
    """Path of a program. Raises :class:`UserError`, which names its package, if it is missing."""
    path = shutil.which(name) or shutil.which(name, path=str(QFLOW))
    if path is None:
        raise UserError(f"{name} is not installed; apt-get install {PROGRAMS[name]}")
    return path


def require(names: Sequence[str]) -> None:
    """Refuses, before any work, if one of the programs is missing."""
    for name in names:
        find_program(name)


@cache
def program_version(name: str) -> str:
    """The version of a program's Debian package; what it is if that is not known."""
    path = find_program(name)
    if shutil.which("dpkg-query"):
        asked = subprocess.run(
            ["dpkg-query", "--showformat", "${Version}", "--show", PROGRAMS[name]],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        if asked.returncode == 0 and asked.stdout:
            return f"{PROGRAMS[name]} {asked.stdout.strip()}"
    status = Path(path).stat()
    return f"{path} of {status.st_size} bytes, {int(status.st_mtime)}"


def run_program(
    name: str,
    arguments: Sequence[str | Path],
    *,
    folder: Path,
    log: str,
    makes: Sequence[str] = (),
    minutes: float = 120,
) -> str:
    """Runs a program in ``folder``, its output in the file ``log`` there; returns its output.

    Raises
    ------
    ToolFailedError
        It ended with an error, or without a file that it ``makes``.
    """
    path = folder / log
    command = [find_program(name), *map(str, arguments)]
    status = run_logged(name, command, cwd=folder, log=path, minutes=minutes)
    text = path.read_text(encoding="utf-8", errors="replace")
    if status:
        raise ToolFailedError(name, _reason(text), path)
    for file in makes:
        if not (folder / file).is_file():
            raise ToolFailedError(name, f"it made no {file}", path)
    return text


def _reason(text: str) -> str:
    """The program's own line about what went wrong."""
    lines = [line.strip() for line in text.splitlines() if line.strip()] or ["no output"]
    return next((line for line in lines if re.search(r"error", line, re.IGNORECASE)), lines[-1])
