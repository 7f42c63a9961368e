"""What every command does with impossible values, paths and settings: one line that says so,
exit status 2, and nothing left behind. Flags are found by asking each command for its own, so a new
one is held to the same.
"""

import argparse
import ast
import errno
import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from sw import flags
from sw.cli import UserError, exclusive
from sw.commands import COMMANDS
from sw.guard import guard

ROOT = Path(__file__).parents[1]
DIGITS = "digits-64-38-10-t2"
# What each command must be given.
REQUIRED = {
    "asic": [DIGITS],
    "build": ["--board", "ice40"],
    "evaluate": [DIGITS],
    "convert": [DIGITS, "--out", "network.nir"],
    "demo": [DIGITS, "--no-browser"],
    "export": [DIGITS],
    "host": ["--port", "/dev/null"],
    "raster": [DIGITS, "--out", "picture.png"],
    "report": [DIGITS],
    "sweep": ["--vary", "hidden=8"],
    "verify": [DIGITS],
    "board": [DIGITS],
    "bench-conversion": ["ann.safetensors"],
}
NUMBERS = {
    flags.positive_int: ("0", "-1", "1.5", "nan", "x", "", "1e3", "99999999999", "9" * 5000),
    flags.natural: ("-1", "1.5", "nan", "x", "", "99999999999"),
    flags.tcp_port: ("-1", "1.5", "nan", "x", "", "65536"),
    flags.positive_float: ("0", "-1", "nan", "inf", "1e400", "x", ""),
    flags.rate: ("0", "-1", "nan", "inf", "1000.1", "1e300", "x", ""),
    flags.finite: ("nan", "inf", "1e400", "x", ""),
    flags.fraction: ("-0.1", "1.1", "nan", "inf", "x"),
    flags.positive_fraction: ("0", "-0.1", "1.1", "nan", "inf", "x"),
    flags.share: ("-0.1", "1", "nan", "inf", "x"),
    flags.seconds: ("0", "-1", "nan", "inf", "1e10", "x"),
    flags.megahertz: ("0", "-1", "nan", "inf", "1e300", "x"),
}
PAIRS = ("--size", "--input-range")
OUTPUTS = {
    flags.output_file: (
        "",
        "new/",
        "folder",
        "file/inside",
        "file/in/side",
        "sealed/file",
        "n" * 300,
    ),
    flags.link_file: ("", "new/", "folder", "file", "file/inside", "sealed/file", "n" * 300),
    flags.output_folder: ("file", "file/inside", "sealed/folder", "n" * 300),
    flags.picture_file: ("folder.png", "file/inside.png", "sealed/x.png", "x", "x.bmp", ".png"),
}
INPUTS = {
    flags.input_file: ("folder", "missing", "file/inside", "n" * 300),
    flags.input_folder: ("file", "missing", "file/inside"),
}
OTHER_TYPES = {
    None: "text",
    "_layers": "",
    "_windows": "",
    "setting": "",
    "_name": "",
    "_extra": "",
}


class AskedError(Exception):
    """A command has made its parser."""


@pytest.fixture(scope="module")
def parsers():
    """Each command's parser."""

    def stop(self, *args, **kwargs):
        raise AskedError(self)

    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "parse_args", stop)
        for name, command in COMMANDS.items():
            with pytest.raises(AskedError) as asked:
                import_module(command.module).main([])
            found[name] = asked.value.args[0]
    return found


@pytest.fixture
def places(tmp_path, monkeypatch):
    """A working folder with things of the wrong kind in it."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "file").write_text("")
    (tmp_path / "sealed").mkdir(mode=0o500)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(name, arguments):
    """Runs the command; the line that it is refused with."""
    with pytest.raises(UserError) as error:
        import_module(COMMANDS[name].module).main([*REQUIRED.get(name, []), *arguments])
    line = str(error.value)
    assert "\n" not in line
    assert len(line) > 10
    return line


def given(parsers, kinds):
    """Command, flag and value, for every flag of these types."""
    for name, parser in parsers.items():
        for action in parser._actions:
            for value in kinds.get(action.type, ()):
                yield name, action.option_strings[0], value


def test_every_value_has_a_type_that_checks_it(parsers):
    for name, parser in parsers.items():
        for action in parser._actions:
            known = action.type in {*NUMBERS, *OUTPUTS, *INPUTS}
            other = getattr(action.type, "__name__", None) in OTHER_TYPES
            assert known or other, (name, action.option_strings)


def test_numbers(parsers, places):
    tried = 0
    for name, flag, value in given(parsers, NUMBERS):
        line = refused(name, [flag, value, value] if flag in PAIRS else [f"{flag}={value}"])
        assert line.startswith(f"{flag} must be "), line
        tried += 1
    assert tried > 150


def test_places_to_write(parsers, places):
    tried = 0
    for name, flag, value in given(parsers, OUTPUTS):
        if value.startswith("sealed") and os.access("sealed", os.W_OK):
            continue  # to the administrator no folder is closed
        before = sorted(places.rglob("*"))
        line = refused(name, [flag, value])
        assert line.startswith(flag), line
        assert value in line or ".png" in line, line
        assert sorted(places.rglob("*")) == before
        tried += 1
    assert tried > 80


def test_places_to_read(parsers, places):
    for name, flag, value in given(parsers, INPUTS):
        line = refused(name, [flag, value])
        assert line.startswith(f"{flag}: {value}: cannot be read ("), line


NETWORKS = [name for name, arguments in REQUIRED.items() if DIGITS in arguments]


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("network", ["missing", "folder", "file", "file/inside", "n" * 300])
def test_networks(name, network, places):
    rest = [each for each in REQUIRED[name] if each != DIGITS]
    with pytest.raises(UserError) as error:
        import_module(COMMANDS[name].module).main([network, *rest])
    assert str(error.value).startswith(f"{network}: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "arguments", "line"),
    [
        ("estimate", ["--board", "ice40", "--picture", "x.png"], "--picture: plots the result of"),
        ("build", ["--dry-run", "--json", "x"], "--json: a --dry-run gives no figures"),
        ("bench-training", ["--only", "nosuch"], "--only: invalid choice: 'nosuch'"),
        ("bench-training", ["--steps", "8", "300"], "Steps must be in 1 … 256, not 300"),
        ("bench-training", ["--hidden", "9999999"], "--layers: Units must be an integer in 1 … "),
        ("train", ["--validation", "0.9999"], "Validation 0.9999: leaves nothing to learn from"),
        ("bench-training", ["--profile"], "--profile: needs --device cuda"),
        ("bench-training", ["--only", "bstdg, plain"], "--only bstdg, plain: needs its package"),
        ("host", ["--image", "file", "--images", "3"], "--image: is all that is sent; leave out"),
        ("host", ["--image", "file", "--dataset", "digits"], "--image: is all that is sent"),
        ("export", ["--out", "a", "--build-dir", "b"], "--build-dir: not allowed with argument"),
        ("report", ["--out", "a", "--build-dir", "b"], "--build-dir: not allowed with argument"),
        ("catalogue", ["--json", "x"], "unrecognized arguments: --json x"),
        ("calibrate", ["--json", "x"], "unrecognized arguments: --json x"),
        ("raster", ["--json", "x"], "unrecognized arguments: --json x"),
    ],
)
def test_flags_that_cannot_be_or_would_do_nothing(name, arguments, line, places):
    assert refused(name, arguments).startswith(line)


@pytest.mark.parametrize(
    ("name", "arguments", "line"),
    [
        ("train", ["--dataset", "file", "--out", "file"], "--out: file: is also --dataset"),
        ("train", ["--dataset", "file", "--json", "link"], "--json: link: is also --dataset"),
        ("train", ["--start", "file", "--out", "./file"], "--out: file: is also --start"),
        (
            "train",
            ["--json", "new", "--out", "folder/../new"],
            "--out: folder/../new: is also --js",
        ),
        ("refine", ["file", "--out", "file"], "--out: file: is also network"),
        ("estimate", ["file", "--board", "ice40", "--json", "file"], "--json: file: is also netw"),
        ("area", ["missing", "file:lines", "--json", "file"], "--json: file: is also points"),
        ("bench-conversion", ["file", "--json", "file"], "--json: file: is also anns"),
        ("host", ["--image", "file", "--json", "file"], "--json: file: is also --image"),
    ],
)
def test_no_file_is_written_that_is_read_or_twice(name, arguments, line, places):
    (places / "link").symlink_to("file")
    before = sorted(places.rglob("*"))
    assert refused(name, arguments).startswith(line)
    assert sorted(places.rglob("*")) == before


@pytest.mark.parametrize("name", ["train", "refine"])
def test_a_device_is_written_twice(name, places):
    line = refused(name, ["--json=/dev/null", "--out=/dev/null", "missing"])
    assert "/dev/null" not in line


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("train", "train"),
        ("train", "report"),
        ("train-ann", "train_ann"),
        ("bench-conversion", "bench_conversion"),
        ("sweep", "sweep"),
        ("report", "report"),
        ("build", "icebreaker"),
        ("build", "report"),
        ("table", "icebreaker"),
        ("export", "export"),
        ("verify", "verify"),
        ("verify", "report"),
        ("energy", "verify"),
        ("energy", "report"),
        ("board", "board"),
    ],
)
def test_a_file_where_results_would_go(name, folder, places):
    """Also in the folder that nobody named."""
    (places / "build").mkdir()
    (places / "build" / folder).write_text("mine")
    page = ["--out", str(ROOT / "docs" / "results.md")] if name == "table" else []
    line = refused(name, ["-q", *page])
    assert line.startswith(f"build/{folder}")
    assert "cannot be written (Not a directory); name another" in line
    assert (places / "build" / folder).read_text() == "mine"


def test_two_builds_in_one_folder(places):
    with exclusive(places / "build" / "icebreaker" / "mnist-512-192-10-t8"):
        assert "another run works there" in refused("build", ["-q"])


def test_two_trainings_in_one_folder(places):
    with exclusive(places / "build" / "train" / "digits-64-8-10-t16"):
        assert "another run works there" in refused("train", ["-q", "--hidden", "8"])


def test_a_full_disk_ends_a_training_in_one_line(places, monkeypatch):
    """PyTorch has an error of its own for it; nothing is left."""

    def write(self, content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = sorted(places.rglob("*"))
    monkeypatch.setattr(Path, "write_bytes", write)
    line = refused("train", ["-q", "--hidden", "8", "--epochs", "1"])
    assert "checkpoint.pt: cannot be written (No space left on device)" in line
    assert sorted(places.rglob("*")) == before


@pytest.mark.deep
@pytest.mark.parametrize(
    "arguments",
    [
        ("sw.train", "--epochs", "1", "-q"),
        ("sw.sweep", "--vary", "hidden=32", "--seeds", "1", "-q", "--", "--epochs", "1"),
        ("sw.report", DIGITS),
        ("sim.raster", DIGITS, "--out", "build/picture.svg"),
        ("hw.export", DIGITS),
        ("hw.build", "--board", "icestick"),
    ],
)
def test_what_cannot_be_written_to_its_end(tmp_path, arguments):
    """No file may be longer than 5,000 bytes: to a command that is what a full disk is."""
    code = (
        "import resource, runpy, sys; "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000)); sys.argv = sys.argv[1:]; "
        "runpy.run_module(sys.argv[0], run_name='__main__')"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 2, result.stderr
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    left = [path.name for path in (tmp_path / "build").rglob("*")]
    results = r"\..*|firstspike\..*|.*\.(safetensors|svg|bin|pt)"
    assert [name for name in left if re.fullmatch(results, name)] == []


def modules():
    """Every module and package of the project."""
    for package in ("hw", "sw", "sim"):
        yield package
        for path in (ROOT / package).rglob("*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_a_module_that_is_no_command_says_so(monkeypatch, capsys):
    commands = {command.module for command in COMMANDS.values()} | {"sw.firstspike"}
    monkeypatch.setattr(sys, "argv", ["-m", "--flag"])
    monkeypatch.setattr(sys.modules["sw.guard"], "_leave_at_once", dict)
    for name in modules():
        monkeypatch.setattr(sys, "orig_argv", [sys.executable, "-u", "-m", name, "--flag"])
        monkeypatch.setattr(sys, "excepthook", None)
        if name in commands:
            guard()
            assert sys.excepthook is not None
            continue
        with pytest.raises(SystemExit) as end:
            guard()
        assert end.value.code == 2
        line = f"error: {name} is no command; python -m sw.firstspike lists them\n"
        assert capsys.readouterr().err == line


@pytest.mark.smoke
def test_other_programs_are_left_alone(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["-m"])
    for name in ("pytest", "swap.tool", "mine"):
        monkeypatch.setattr(sys, "orig_argv", [sys.executable, f"-m{name}"])
        monkeypatch.setattr(sys.modules["sw.guard"], "_leave_at_once", None)
        guard()


def command(*arguments, torch):
    """``python -m`` with another file in PyTorch's place."""
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        env={**os.environ, "PYTHONPATH": f"{torch}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("start", [("sw.train",), ("sw.firstspike", "train")])
@pytest.mark.parametrize(
    ("content", "status", "text"),
    [
        ("import os; os.kill(os.getpid(), 2); raise ValueError", 130, "\ninterrupted\n"),
        ("import os; os.kill(os.getpid(), 15); raise ValueError", 143, "\nterminated\n"),
        (
            "raise ModuleNotFoundError(name='torch')",
            2,
            "error: torch is not installed; pip install 'firstspike[learn]'\n",
        ),
    ],
)
def test_what_ends_an_import(tmp_path, start, content, status, text):
    (tmp_path / "torch.py").write_text(content)
    result = command(*start, torch=tmp_path)
    assert (result.returncode, result.stderr) == (status, text)


def is_text(call):
    """Whether a call reads or writes text without saying in which encoding."""
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    named = {keyword.arg for keyword in call.keywords}
    modes = [each.value for each in call.args if isinstance(each, ast.Constant)]
    if name == "open":
        text = [mode for mode in modes if re.fullmatch("[rwaxt+]{1,3}", str(mode))]
        return bool(text or not (call.args or named)) and "encoding" not in named
    if name in ("read_text", "write_text"):
        return len(call.args) < (2 if name[0] == "w" else 1) and "encoding" not in named
    starts = name in ("run", "Popen", "check_output", "check_call")
    return starts and bool({"text", "universal_newlines"} & named) and "encoding" not in named


@pytest.mark.parametrize("package", ["hw", "sw", "sim"])
def test_text_has_an_encoding(package):
    """Else it is the console's."""
    found = [
        f"{path}:{node.lineno}"
        for path in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and is_text(node)
    ]
    assert found == []
