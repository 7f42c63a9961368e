"""Programmers are called as their own documentation says, and what they say is passed on."""

import re
import shutil
import subprocess
import sys

import pytest
from stubs import Programs

from hw.boards.programmers import PACKAGES
from hw.boards.table import BOARDS
from hw.flow.errors import UnusableToolError
from hw.flow.programming import find_programmer, program
from sw.cli import UserError

# The command lines that write a bitstream, but for its name
COMMANDS = {
    "icebreaker": ["iceprog", "openFPGALoader -b ice40_generic -f"],
    "upduino3": ["iceprog"],
    "ice40hx8k": ["iceprog", "openFPGALoader -b ice40_generic -f"],
    "icestick": ["iceprog", "openFPGALoader -b ice40_generic -f"],
    "ulx3s": ["openFPGALoader -b ulx3s"],
    "orangecrab": ["dfu-util -a 0 -D", "openFPGALoader -b orangeCrab"],
    "tangnano9k": ["openFPGALoader -b tangnano9k"],
}


@pytest.fixture
def programs(tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return Programs(tmp_path / "bin")


@pytest.fixture
def bitstream(tmp_path):
    path = tmp_path / "a folder" / "net.bin"
    path.parent.mkdir()
    path.touch()
    return path


@pytest.mark.parametrize("name", BOARDS)
def test_command_lines(programs, bitstream, name):
    board = BOARDS[name]
    for number, line in reversed(list(enumerate(COMMANDS[name]))):  # the preferred one comes last
        tool = line.split()[0]
        programs.put(tool)
        used = program(board, bitstream)
        assert used == find_programmer(board) == board.programmers[number]
        assert used.keeps == (name not in ("ulx3s", "tangnano9k"))
        assert programs.calls()[-1] == f"{line} {bitstream}"
    assert len(board.programmers) == len(programs.calls())


@pytest.mark.parametrize(
    ("system", "line"),
    [("linux", "sudo apt-get install fpga-icestorm"), ("darwin", "brew install icestorm")],
)
def test_none_is_installed(programs, bitstream, monkeypatch, system, line):
    monkeypatch.setattr(sys, "platform", system)
    message = rf"^iceprog is not installed; {line}, then iceprog '{re.escape(str(bitstream))}'$"
    with pytest.raises(UserError, match=message):
        program(BOARDS["icestick"], bitstream)


@pytest.mark.parametrize("quiet", [False, True])
def test_what_it_says_is_shown(programs, bitstream, capfd, quiet):
    programs.put("iceprog", "echo init..; echo programming.. >&2")
    program(BOARDS["icestick"], bitstream, quiet=quiet)
    assert capfd.readouterr() == ("", "" if quiet else "init..\nprogramming..\n")
    assert bitstream.with_name("program.log").read_text() == "init..\nprogramming..\n"


@pytest.mark.parametrize(
    ("tool", "said", "told"),
    [  # as the tools themselves end without a board
        (
            "iceprog",
            r"init..\nCan\'t find iCE FTDI USB device (0403:6010).\nABORT.\n",
            r"Can't find iCE FTDI USB device \(0403:6010\)\. ABORT\.",
        ),
        (
            "openFPGALoader",
            r"unable to open ftdi device: -3\nError: Failed to claim cable\n",
            r"unable to open ftdi device: -3 Error: Failed to claim cable",
        ),
        ("iceprog", r"at 1 %%\rat 2 %%\r\nVERIFY ERROR\n", r"at 2 % VERIFY ERROR"),
        ("iceprog", "", r"no output"),
    ],
)
def test_failure(programs, bitstream, tool, said, told):
    programs.put(tool, f"printf $'{said}'; exit 2", interpreter=shutil.which("bash", path="/bin"))
    log = re.escape(str(bitstream.with_name("program.log")))
    message = (
        rf"^{tool} failed: {told} \(its log: {log}\); check that the board is connected and that "
        rf"you may use it \(group plugdev\); the bitstream is {re.escape(str(bitstream))}$"
    )
    with pytest.raises(UserError, match=message):
        program(BOARDS["icestick"], bitstream, quiet=True)
    assert bitstream.exists()


def test_one_that_cannot_be_started(programs, bitstream):
    programs.put("iceprog", interpreter="/no/such/interpreter")
    with pytest.raises(UnusableToolError, match=r"^iceprog: .*/iceprog cannot be run \(No such fi"):
        program(BOARDS["icestick"], bitstream)


# What a real tool's own help must list
OPTIONS = {
    "iceprog": ["-o <offset"],
    "openFPGALoader": ["-b, --board", "-f, --write-flash", "-o, --offset"],
    "dfu-util": ["-a --alt", "-D --download"],
}


@pytest.mark.parametrize("tool", PACKAGES)
def test_real_tools_know_our_options(tool):
    """None is asked to write anything: a board may be connected."""
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")

    def says(option):
        result = subprocess.run(
            [tool, option], capture_output=True, text=True, errors="replace", check=False
        )
        return " ".join((result.stdout + result.stderr).split())

    shown = says("--help")
    for option in OPTIONS[tool]:
        assert option in shown
    ours = {
        each.options[1]
        for board in BOARDS.values()
        for each in board.programmers
        if each.program == tool and each.options[:1] == ("-b",)
    }
    if ours:
        assert ours <= set(says("--list-boards").split())
