"""The first lesson on boards goes as docs/first_board.md prints it."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[1] / "docs/first_board.md").read_text(encoding="utf-8")
SECTION = PAGE.split("## A board\n")[0]


def words(command):
    """A printed command, for this interpreter."""
    python, *rest = shlex.split(command)
    assert python == "python", command
    return [sys.executable, *rest]


def untimed(text):
    return re.sub(r"(seconds: +)\S+", r"\1…", text)


@pytest.mark.deep
def test_a_board_in_a_box(tmp_path):
    (tmp_path / "build").mkdir()
    blocks = re.findall(r"^```\w*\n(.*?)^```", SECTION, re.DOTALL | re.MULTILINE)
    start, said, answered, refused = blocks
    with subprocess.Popen(
        words(start), cwd=tmp_path, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as box:
        try:
            assert [box.stdout.readline() for _ in range(2)] == said.splitlines(keepends=True)

            def run(command):
                return subprocess.run(
                    words(command), cwd=tmp_path, capture_output=True, text=True, check=False
                )

            result = run(said.splitlines()[1].strip())
            assert (result.returncode, untimed(result.stdout)) == (0, untimed(answered))
            lines = refused.splitlines(keepends=True)
            for command, error in zip(lines[::2], lines[1::2], strict=True):
                result = run(command.removeprefix("$ "))
                assert (result.returncode, result.stderr) == (2, error)
        finally:
            box.kill()
