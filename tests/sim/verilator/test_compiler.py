"""Programs that are made once."""

import os
import subprocess
from dataclasses import replace

import pytest
from cases import VERIFY

from sim.verilator import compiler, tool
from sw.cli import UserError

SOURCES = {
    "top.v": "module top(input clk); endmodule\n",
    "main.cpp": (
        '#include <cstdio>\n#include "Dut.h"\n#include "add.h"\n'
        'int main() { Dut dut; dut.eval(); std::printf("it runs %d\\n", add(20, 22)); }\n'
    ),
}
LIBRARY = {
    "add.h": "int add(int, int);\n",
    "add.cpp": '#include "add.h"\nint add(int a, int b) { return a + b; }\n',
}


def build(folder, sources=SOURCES, library=LIBRARY):
    return compiler.build(sources, library=library, top="top", folder=folder)


@pytest.fixture
def folder(tmp_path):
    """An empty folder for programs, with spaces in its path, but for what all designs share."""
    build(VERIFY)
    folder = tmp_path / "two words" / "verify"
    folder.mkdir(parents=True)
    for path in VERIFY.glob("runtime-*"):
        (folder / path.name).symlink_to(path)
    return folder


def refuse(*_, **__):
    raise AssertionError("compiled again")


def test_builds_once(folder, monkeypatch):
    program = build(folder)
    output = subprocess.run([program], capture_output=True, text=True, check=True).stdout
    assert output == "it runs 42\n"
    made = [path.name for path in folder.iterdir() if path.name.startswith(".")]
    assert made == [], "something half-made is left"

    program.chmod(0o644)
    monkeypatch.setattr(compiler, "_run", refuse)
    assert build(folder) == program
    assert os.access(program, os.X_OK)
    monkeypatch.setattr(tool.Verilator, "run", refuse)
    whole = program.read_bytes()
    program.write_bytes(b"")
    with pytest.raises(AssertionError, match="compiled again"):
        build(folder)
    program.write_bytes(whole)
    for name in SOURCES:
        changed = {**SOURCES, name: SOURCES[name] + "// changed\n"}
        with pytest.raises(AssertionError, match="compiled again"):
            build(folder, changed)


def test_the_library_is_compiled_once_for_all_designs(folder):
    build(folder)
    made = {path.name for path in folder.iterdir()}
    build(folder, {**SOURCES, "top.v": "module top(input clk, input rst); endmodule\n"})
    (another,) = {path.name for path in folder.iterdir()} - made
    assert not another.startswith(("library", "runtime"))
    build(folder, library={**LIBRARY, "add.cpp": LIBRARY["add.cpp"] + "// changed\n"})
    assert len(list(folder.glob("library-*"))) == 2


def test_verilator_lies_in_a_folder_with_spaces(folder, monkeypatch):
    found = tool.find()
    root = folder.parent / "verilator"
    root.symlink_to(found.root)
    command = tuple(part.replace(str(found.root), str(root)) for part in found.command)
    monkeypatch.setattr(compiler, "find", lambda: replace(found, root=root, command=command))
    assert build(folder).is_file()


BROKEN = {
    "Verilator failed: %Error: top.v:2": {"top.v": "module top(input clk)\nendmodule\n"},
    r"g\+\+ failed: main.cpp:1:.* error": {"main.cpp": "int main() { return nothing; }\n"},
}


@pytest.mark.parametrize("message", BROKEN)
def test_a_failed_build_leaves_nothing(folder, message):
    before = sorted(folder.iterdir())
    with pytest.raises(UserError, match=f"^{message}") as error:
        build(folder, {**SOURCES, **BROKEN[message]}, {})
    assert "\n" not in str(error.value)
    assert sorted(path for path in folder.iterdir() if "library" not in path.name) == before


@pytest.mark.smoke
def test_a_folder_that_cannot_be(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"file: cannot be written .*name another --build-dir"):
        build(tmp_path / "file")
