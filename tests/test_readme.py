"""The README's commands work as printed."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from sw.network import Network

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def run(command, cwd):
    """Runs one printed command with this interpreter; returns what it printed."""
    words = shlex.split(command, comments=True)
    assert words[:2] == ["python", "-m"], command
    result = subprocess.run(
        [sys.executable, *words[1:]], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"
    return result.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("newcomer")
    (path / "build").mkdir()
    return path


@pytest.mark.deep
def test_the_path_from_data_to_bitstream(folder):
    """All five lines, one after the other; what each promises is there."""
    lines = blocks("sh")[1].splitlines()
    assert len(lines) == 5
    train, evaluate, verify, build, export = (run(line, folder) for line in lines)
    network = Network.load(folder / "build/mine.safetensors")
    strict = re.search(r"accuracy, strict\D*([\d.]+)", evaluate)[1]
    assert float(strict) >= 95, evaluate
    assert "equal" in verify, verify
    assert f"{network.weight_bits:,}" in build, build
    assert "firstspike.v" in export, export
    assert train, "training says what it reached"
    page = (folder / "build/report/mine/report.html").read_text(encoding="utf-8")
    for what in ("Learning curve", "Confusion matrix", "Golden model = RTL", "Floorplan"):
        assert what in page
    assert page.count("This command fills") == 2  # the energy's and the silicon's


def test_your_own_network(folder, monkeypatch):
    monkeypatch.chdir(folder)
    (code,) = blocks("python")
    exec(compile(code, "README.md", "exec"), {})
    assert Network.load(folder / "build/yours.safetensors").structure == "64-32-10"


def test_the_result_is_the_boards_table():
    lines = (ROOT / "docs/results.md").read_text().splitlines()
    rows = re.findall(
        r"\| ([\d.]+) % \| ([\d,]+ of [\d,]+) \| ([\d.]+) cycles, ([\d.]+) µs at ([\d.]+) MHz",
        README,
    )
    assert len(rows) >= 2
    for accuracy, cells, cycles, time, clock in rows:
        said = (
            f"| {accuracy}% |",
            f"| {cells} |",
            f"| {cycles} (",
            f"| {time} µs |",
            f"| {clock} (",
        )
        assert any(all(part in line for part in said) for line in lines), cells


def test_the_two_commands_are_the_makefiles():
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for line in blocks("sh")[0].splitlines():
        assert shlex.split(line, comments=True)[1] in targets


@pytest.mark.parametrize("link", re.findall(r"\]\(([\w./-]+)\)", README))
def test_links_lead_somewhere(link):
    assert (ROOT / link).exists()
