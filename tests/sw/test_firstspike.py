"""The entry point runs the commands that there are, and imports only the one that runs."""

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from sw import __version__, firstspike
from sw.cli import UserError
from sw.commands import COMMANDS

ROOT = Path(__file__).parents[2]


def test_every_command_has_a_name():
    """Whatever ends in ``if __name__ == "__main__"`` is a command, and no other module is; of a
    package that is one, its ``__main__.py``.
    """
    paths = [
        path.relative_to(ROOT)
        for package in ("hw", "sw", "sim")
        for pattern in ("*.py", "*/__main__.py")
        for path in (ROOT / package).glob(pattern)
        if '__name__ == "__main__"' in path.read_text(encoding="utf-8")
    ]
    files = {".".join(path.with_suffix("").parts).removesuffix(".__main__") for path in paths}
    named = {command.module for command in COMMANDS.values()}
    assert named == files - {"sw.firstspike"}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_describes_itself_by_the_same_line(name, capsys):
    command = COMMANDS[name]
    with pytest.raises(SystemExit) as exit_:
        import_module(command.module).main(["--help"])
    assert exit_.value.code == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert f" {command.description} " in shown


@pytest.mark.smoke
def test_help_lists_all_by_one_line_each(capsys):
    assert firstspike.main(["--help"]) is None
    lines = capsys.readouterr().out.splitlines()
    listed = [line.split()[0] for line in lines if re.match(r"  \w", line)]
    assert listed == list(COMMANDS)
    assert max(map(len, lines)) <= 100


@pytest.mark.smoke
def test_version(capsys):
    firstspike.main(["--version"])
    assert capsys.readouterr().out == f"firstspike {__version__}\n"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("trian", "did you mean train"),
        ("verfy", "did you mean verify"),
        ("Build", "did you mean build"),
        ("xyzzy", "firstspike --help"),
        ("", "firstspike --help"),
    ],
)
def test_an_unknown_command(given, said):
    with pytest.raises(UserError, match=said):
        firstspike.main([given])


def test_the_command_gets_the_rest(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["firstspike", "export", "--help"])
    with pytest.raises(SystemExit):
        firstspike.main()
    assert capsys.readouterr().out.startswith("usage: firstspike export")


@pytest.mark.smoke
def test_help_is_light():
    """Neither help nor an unknown command waits for any other package."""
    code = (
        "import sys; from sw import firstspike; firstspike.main([]); "
        "print([name for name in ('numpy', 'torch', 'amaranth') if name in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout.splitlines()[-1] == "[]"
