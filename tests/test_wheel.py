"""What ``pip wheel`` packs is all that an installation needs, outside of any clone."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from sw import __version__

pytestmark = pytest.mark.deep
ROOT = Path(__file__).parents[1]
PACKAGES = ("hw", "sw", "sim")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in PACKAGES:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copyfile(ROOT / name, source / name)
    pip("wheel", "--no-build-isolation", "--wheel-dir", target, source)
    (path,) = target.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The environment of a process that finds the wheel's modules before this clone's."""
    folder = tmp_path_factory.mktemp("site")
    pip("install", "--target", folder, wheel)
    return {**os.environ, "PYTHONPATH": str(folder)}


def pip(*arguments):
    command = [sys.executable, "-m", "pip", arguments[0], "--quiet", "--no-deps", *arguments[1:]]
    subprocess.run([*map(str, command)], check=True)


def test_it_holds_every_file_of_the_packages_and_nothing_else(wheel):
    files = {
        str(path.relative_to(ROOT))
        for name in PACKAGES
        for path in (ROOT / name).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {Path(file).suffix for file in files} >= {".py", ".v", ".cpp", ".safetensors"}
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert packed == files


def test_its_name_is_the_version(wheel):
    assert wheel.name == f"firstspike-{__version__}-py3-none-any.whl"


def test_a_command_runs_elsewhere(installed, tmp_path):
    """Export reads the zoo and yosys' rules for widths, which are no Python files."""
    command = [sys.executable, "-m", "sw.firstspike", "export", "digits-64-38-10-t2"]
    result = subprocess.run(
        command, cwd=tmp_path, env=installed, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    (verilog,) = tmp_path.rglob("firstspike.v")
    assert f"firstspike {__version__}" in verilog.read_text()


def test_modules_come_from_the_wheel(installed, tmp_path):
    code = "import hw, sw, sim; print(*(p.__path__[0] for p in (hw, sw, sim)), sep='\\n')"
    shown = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=installed,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\n")
    assert shown[:-1] == [f"{installed['PYTHONPATH']}/{name}" for name in PACKAGES]
