"""The documentation is true: its code runs, its commands parse, what it names is there."""

import argparse
import re
import shlex
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from sw.cli import UserError
from sw.commands import COMMANDS

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/*.md", "build/README.md", "examples/**/*.md", "sw/zoo/README.md")
    for path in ROOT.glob(pattern)
    if path.name != "CHANGELOG.md"  # tells of what once was
)
_FOLDERS = "hw|sw|sim|tests|docs|examples"


def cases(pattern, flags=re.MULTILINE):
    """What ``pattern`` finds on each page, once, named by the page."""
    return [
        pytest.param(match, id=f"{page.relative_to(ROOT)}: {match[:60]}")
        for page in PAGES
        for match in dict.fromkeys(re.findall(pattern, page.read_text(encoding="utf-8"), flags))
    ]


@pytest.mark.parametrize("source", cases(r"```python\n(.*?)```", re.DOTALL))
def test_python_runs(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "build").mkdir()
    exec(compile(source, "page", "exec"), {"__name__": "page"})


class ParsedError(Exception):
    """The arguments were right."""


@pytest.fixture
def only_parse(monkeypatch):
    """Commands stop when they have understood their arguments."""
    parse = argparse.ArgumentParser.parse_args

    def stop(self, *arguments):
        parse(self, *arguments)
        raise ParsedError

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", stop)


@pytest.mark.parametrize(
    "command",  # each of those that && joins
    cases(r"(?:^|`|&& )((?:python -m (?:hw|sw|sim)\.|firstspike (?!--|COMMAND))[^`\n&]+)"),
)
def test_commands_parse(command, only_parse):
    command = re.sub(r"\bN\b", "2", command.replace("…", ""))
    words = shlex.split(command, comments=True)
    if words[0] == "firstspike":
        module, arguments = COMMANDS[words[1]].module, words[2:]
    else:
        module, arguments = words[2], words[3:]
    main = import_module(module).main
    if not arguments:  # named, not shown
        return
    with pytest.raises((ParsedError, UserError)) as end:
        main(arguments)
    assert end.type is ParsedError or "No such file" in str(end.value), end.value


@pytest.mark.parametrize("name", cases(rf"`((?:{_FOLDERS})/[\w./-]*)`"))
def test_files_are_there(name):
    assert (ROOT / name).exists()


@pytest.mark.parametrize("name", cases(r"`((?:hw|sw|sim)\.[\w.]+)`"))
def test_names_are_there(name):
    """A module, or something in one."""
    words, found = name.split("."), None
    for count in range(len(words), 0, -1):
        try:
            found = import_module(".".join(words[:count]))
        except ModuleNotFoundError:
            continue
        break
    for word in words[count:]:
        found = getattr(found, word)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for link in re.findall(r"\]\((?!https?:)([^)#]+)[^)]*\)", text):
        assert (page.parent / link).exists(), link


@pytest.mark.deep
def test_sphinx_has_nothing_to_say(tmp_path):
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-d", "trees"]
    result = subprocess.run(
        [*command, ROOT / "docs", "html"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "html" / "api" / "sw.network.html").exists()
