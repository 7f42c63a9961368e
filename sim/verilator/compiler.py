"""Verilog and a C++ harness, compiled into a program, once.

g++ is called directly, not by the makefiles that Verilator writes: those cannot have spaces in
paths, and compile the same runtime, headers and harness for every design. Here what all designs
share is compiled once and kept, and so is every program, by the digest of all that it is made of.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

from sim.verilator.cache import digest, once
from sim.verilator.tool import Verilator, find
from sw.cli import UserError

__all__ = ["RANDOM_START", "build"]

# Options for Verilator: state that is not reset must not matter, so it starts at random.
RANDOM_START = ("--x-initial", "unique", "--x-assign", "unique")

_FLAGS = ("-std=gnu++17", "-DVERILATOR=1", "-DVM_TRACE=0", "-DVM_COVERAGE=0", "-DVM_SC=0")
_RUNTIME = ("verilated", "verilated_dpi", "verilated_threads")
# Every model includes these; a precompiled header only serves what is compiled with its options.
_HEADER = "common.h"
_HEADERS = '#include "verilated.h"\n#include "verilated_dpi.h"\n'
_MODEL_OPTION = "-O1"


def build(
    sources: Mapping[str, str],
    *,
    top: str,
    folder: Path,
    options: Sequence[str] = (),
    library: Mapping[str, str] | None = None,
    optimise: str = _MODEL_OPTION,
    link: Sequence[str] = (),
) -> Path:
    """The program that Verilator and g++ make of ``sources``; reused when it was made before.

    Parameters
    ----------
    sources : dict of str to str
        Name and content of each file: ``.v``, ``.sv``, and ``.cpp`` that are compiled together with
        the model, whose header is ``Dut.h``; they may include further files.
    top : str
        The top module.
    folder : Path
        Programs lie here, in one folder per digest of all that they are made of.
    options : sequence of str
        For Verilator.
    library : dict of str to str, optional
        Name and content of C++ that knows no design, and of its headers, which ``sources`` may
        include: compiled once, whatever the design.
    optimise : str
        Option of g++ for the model.
    link : sequence of str
        Options of g++ for linking.

    Raises
    ------
    UserError
        A tool is missing, or refuses the sources.
    """
    tool, folder = find(), Path(folder).absolute()
    arguments = [
        *("--cc", "--prefix", "Dut", "--top-module", top, "-O3", "--no-timing", "--quiet"),
        *("-Wno-fatal", "-Mdir", "model", "--output-split", "0", *options),
    ]
    tools = [tool.version, _compiler_version(), _FLAGS, _HEADERS]
    library = dict(library or {})
    program = [arguments, sorted(sources.items()), sorted(library.items()), optimise, list(link)]

    def make_program(here: Path) -> None:
        for name, content in sources.items():
            (here / name).write_text(content, encoding="utf-8")
        with ThreadPoolExecutor(1) as pool:
            common = pool.submit(_common, tool, library, folder, tools)
            verilog = sorted(name for name in sources if name.endswith((".v", ".sv")))
            result = tool.run([*arguments, *verilog], cwd=here)
            _check(result, "Verilator")
            runtime, harness = common.result()
        parts = [f"model/{path.name}" for path in sorted((here / "model").glob("*.cpp"))]
        parts += sorted(name for name in sources if name.endswith(".cpp"))
        (here / "all.cpp").write_text(
            "".join(f'#include "{part}"\n' for part in parts), encoding="utf-8"
        )
        header = ["-include", str(runtime / _HEADER)] if optimise == _MODEL_OPTION else []
        paths = [*_includes(tool), "-Imodel", f"-I{harness}"]
        _compile([optimise, *header, *paths, "-c", "all.cpp", "-o", "all.o"], here)
        objects = sorted(str(path) for path in harness.glob("*.o"))
        libraries = [str(runtime / "runtime.a"), "-pthread", *link]
        _compile(["all.o", *objects, *libraries, "-o", "program"], here)
        shutil.rmtree(here / "model")
        (here / "all.o").unlink()

    try:
        folder.mkdir(parents=True, exist_ok=True)
        home = folder / digest([*tools, *program])
        made = once(home, make_program, ["program"]) / "program"
        if not os.access(made, os.X_OK):  # as copying may leave it
            made.chmod(0o755)
        return made
    except OSError as error:
        raise UserError(
            f"{folder}: cannot be written ({error.strerror}); name another --build-dir"
        ) from None


def _common(
    tool: Verilator, library: Mapping[str, str], folder: Path, tools: Sequence[object]
) -> tuple[Path, Path]:
    """The folders of what is compiled once for all designs: the runtime, and ``library``."""

    def make_runtime(here: Path) -> None:
        (here / _HEADER).write_text(_HEADERS, encoding="utf-8")
        header = [_MODEL_OPTION, "-x", "c++-header", _HEADER, "-o", f"{_HEADER}.gch"]
        sources = {f"{name}.o": tool.root / "include" / f"{name}.cpp" for name in _RUNTIME}
        objects = [["-Os", "-c", str(path), "-o", name] for name, path in sources.items()]
        with ThreadPoolExecutor(2) as pool:
            for _ in pool.map(
                lambda options: _compile([*_includes(tool), *options], here), [*objects, header]
            ):
                pass
        _check(_run(["ar", "rcs", "runtime.a", *sources], here), "ar")

    def make_library(here: Path) -> None:
        for name, content in library.items():
            (here / name).write_text(content, encoding="utf-8")
        for name in library:
            if name.endswith(".cpp"):
                _compile(["-O2", *_includes(tool), "-c", name, "-o", f"{name}.o"], here)

    return (
        once(folder / f"runtime-{digest(tools)}", make_runtime, ["runtime.a", _HEADER]),
        once(
            folder / f"library-{digest([*tools, sorted(library.items())])}",
            make_library,
            [f"{name}.o" for name in library if name.endswith(".cpp")],
        ),
    )


def _includes(tool: Verilator) -> list[str]:
    return [f"-I{tool.root / 'include'}", f"-I{tool.root / 'include' / 'vltstd'}"]


@cache
def _compiler_version() -> str:
    return _run(["g++", "-v"], Path.cwd()).stdout


def _compile(options: Sequence[str], cwd: Path) -> None:
    _check(_run(["g++", *_FLAGS, *options], cwd), "g++")


def _run(command: Sequence[str], cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, "LC_ALL": "C"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        check=False,
    )


def _check(result: subprocess.CompletedProcess[str], name: str) -> None:
    if result.returncode:
        lines = [line for line in result.stdout.splitlines() if "rror" in line]
        raise UserError(f"{name} failed: {(lines or [result.stdout.strip()])[0]}")
