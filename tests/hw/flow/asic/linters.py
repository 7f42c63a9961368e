"""The three readers of Verilog that exported text has to be clean in."""

import shutil
import subprocess
from pathlib import Path

import pytest

from hw.flow.tools import find_tool
from sim.verilator import tool

__all__ = ["icarus", "lint", "needs_icarus"]

needs_icarus = pytest.mark.skipif(
    shutil.which("iverilog") is None, reason="iverilog is not installed (apt-get install iverilog)"
)


def icarus() -> bool:
    """Icarus Verilog is there."""
    return shutil.which("iverilog") is not None


def lint(folder: Path, files: list[str], top: str) -> None:
    """Asserts that Verilator, Icarus Verilog and Yosys have nothing to say."""
    made = tool.find().run(
        ["--lint-only", "-Wall", "--quiet", "--top-module", top, *files], cwd=folder
    )
    assert (made.returncode, made.stdout) == (0, "")
    if icarus():
        command = ["iverilog", "-g2005", "-Wall", "-tnull", "-s", top, *files]
        made = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert (made.returncode, made.stdout + made.stderr) == (0, "")
    script = f"read_verilog {' '.join(files)}; hierarchy -check -top {top}; proc; check -assert"
    made = subprocess.run(
        [find_tool("yosys"), "-q", "-p", script],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (made.returncode, made.stdout + made.stderr) == (0, "")
