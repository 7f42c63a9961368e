"""``hw.build --program``: the bitstream of this network reaches the programmer, and is kept if that
fails.
"""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time

import pytest
from samples import command, deep
from stubs import ICE40_TOOLS, Programs

from hw import build as builder
from hw.boards.programmers import PACKAGES
from hw.boards.table import BOARDS
from hw.link.weight_image import pack
from hw.rtl.config import find_config
from hw.rtl.core import loaded_words
from sw.cli import UserError

LOADED = find_config("folded-16-spram,event")


@pytest.fixture
def programmers(tmp_path, monkeypatch):
    """Stand-ins, found before the system's."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    return Programs(tmp_path / "bin")


@pytest.fixture
def build(stubs, tiny, tmp_path):
    """Runs the command on a small network."""
    tiny.save(tmp_path / "tiny.safetensors")

    def run(*arguments):
        where = ["--board", "ice40", "--build-dir", tmp_path / "b", "--no-report"]
        return list(map(str, [tmp_path / "tiny.safetensors", *where, *arguments]))

    return run


@pytest.fixture
def bitstream(tmp_path):
    return tmp_path / "b" / "icebreaker" / "tiny" / "tiny.bin"


def test_built_once_and_programmed_each_time(stubs, programmers, build, bitstream):
    programmers.put("iceprog", "echo programming..")
    programmed = f"{bitstream} is in the board's flash"
    result = command("hw.build", *build("--program"), **stubs.variables)
    assert (result.returncode, result.stderr) == (0, "programming..\n")
    verification = f"verify its RTL:   python -m sim.verify {build()[0]}"
    assert result.stdout.endswith(f"bitstream:        {bitstream}\n{verification}\n{programmed}\n")
    assert stubs.take_runs() == ICE40_TOOLS
    result = command("hw.build", *build("--program"), **stubs.variables)
    assert result.returncode == 0
    assert f"{bitstream} is up to date\n" in result.stdout
    assert result.stdout.endswith(f"{programmed}\n")
    assert stubs.take_runs() == []
    result = command("hw.build", *build("--program", "--quiet"), **stubs.variables)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert programmers.calls() == [f"iceprog {bitstream}"] * 3


def test_the_flash_image_where_weights_come_from_the_flash(
    stubs, programmers, lanes, tmp_path, capsys
):
    programmers.put("iceprog", f'cp "$1" {shlex.quote(str(tmp_path))}/flash')
    lanes.save(tmp_path / "tiny.safetensors")
    arguments = [str(tmp_path / "tiny.safetensors"), "--engine", LOADED.name, "--program"]
    arguments += ["--build-dir", str(tmp_path / "b")]
    builder.main([*arguments, "--board", "icebreaker"])
    flash = (tmp_path / "flash").read_bytes()
    assert flash.startswith(b"whole\n\xff\xff")
    assert flash[BOARDS["icebreaker"].weights_at :] == pack(lanes, loaded_words(lanes, LOADED))
    # A board that cannot read its flash gets its bitstream, and its user is told of the host.
    builder.main([*arguments, "--board", "upduino3"])
    assert (tmp_path / "flash").read_bytes() == b"whole\n"
    assert "--load " in capsys.readouterr().out


def test_the_sram_forgets(stubs, programmers, tiny, tmp_path, capsys):
    programmers.put("openFPGALoader")
    tiny.save(tmp_path / "tiny.safetensors")
    arguments = [tmp_path / "tiny.safetensors", "--board", "ecp5", "--build-dir", tmp_path / "b"]
    builder.main([*map(str, arguments), "--program"])
    bitstream = tmp_path / "b" / "ulx3s" / "tiny" / "tiny.bit"
    last = f"{bitstream} is in the board's SRAM, until power-off\n"
    assert capsys.readouterr().out.endswith(last)


def test_without_a_programmer(stubs, build, bitstream, monkeypatch, capsys):
    """It is said before the build, which takes minutes, and is the last word after it."""
    which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if name in PACKAGES else which(name))
    message = r"^iceprog is not installed; .* install .*icestorm, then iceprog .*tiny\.bin$"
    with pytest.raises(UserError, match=message):
        builder.main(build("--program"))
    first, *_ = capsys.readouterr().out.splitlines()
    assert first.startswith("iceprog is not installed, and --program needs it: ")
    assert bitstream.read_text() == "whole\n"


def test_a_programmer_that_fails(stubs, programmers, build, bitstream):
    programmers.put("iceprog", "echo Can\\'t find iCE FTDI USB device; echo ABORT.; exit 2")
    result = command("hw.build", *build("--program", "-q"), **stubs.variables)
    assert result.returncode == 2
    assert result.stderr.startswith(
        "error: iceprog failed: Can't find iCE FTDI USB device ABORT. (its log: "
    )
    assert result.stderr.endswith(f"; the bitstream is {bitstream}\n")
    assert result.stderr.count("\n") == 1
    assert bitstream.read_text() == "whole\n"


@pytest.mark.parametrize("end", [signal.SIGINT, *deep(signal.SIGTERM)])
def test_a_programmer_that_hangs(stubs, programmers, build, bitstream, tmp_path, end):
    """Ctrl-C ends it, too."""
    hang = f'echo $$ > "{tmp_path}/pid"; trap "" INT; while :; do sleep 1; done'
    programmers.put("iceprog", hang)
    with subprocess.Popen(
        [sys.executable, "-m", "hw.build", *build("--program")],
        env={**os.environ, **stubs.variables},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    ) as process:
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text().strip():
            time.sleep(0.05)
        process.send_signal(end)
        assert process.wait() == 128 + end
        assert process.stderr.read() in ("\ninterrupted\n", "\nterminated\n")
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
    assert bitstream.read_text() == "whole\n"


def test_dry_run(stubs, programmers, build, bitstream, capsys):
    programmers.put("openFPGALoader")
    programmers.put("iceprog")
    builder.main(build("--program", "--dry-run"))
    assert capsys.readouterr().out.splitlines()[-1] == f"  iceprog {bitstream}"
    assert programmers.calls() == []
