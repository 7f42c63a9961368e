"""What a user of each board must know, against the platforms and the documentation."""

import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest

from hw.boards.guide import guide, uart_pins
from hw.boards.table import BOARDS
from hw.link import protocol

DOCS = Path(__file__).parents[3] / "docs"


def test_the_documentation_has_it():
    text = (DOCS / "hardware.md").read_text(encoding="utf-8")
    assert guide() in text, "put hw.boards.guide.guide() into docs/hardware.md"
    assert f"{protocol.BAUD:,} baud" in text
    assert f"{protocol.TIMEOUT} to {2 * protocol.TIMEOUT} s" in text


def test_pins():
    """From the boards' schematics, or the pins that a user is told to wire."""
    assert {name: uart_pins(board) for name, board in BOARDS.items()} == {
        "icebreaker": ("6", "9"),
        "upduino3": ("15", "14"),
        "ice40hx8k": ("B10", "B12"),
        "icestick": ("9", "8"),
        "ulx3s": ("M1", "L4"),
        "orangecrab": ("N17", "M18"),
        "tangnano9k": ("18", "17"),
    }


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_program(board, monkeypatch):
    """The tool and the board's name are those that amaranth-boards runs."""
    run = []
    monkeypatch.setattr(subprocess, "check_call", run.append)

    class Products:
        @contextmanager
        def extract(self, name):
            yield name

    board.platform().toolchain_program(Products(), "NAME")
    (theirs,) = run
    ours = board.programmers[0].command(f"NAME.{board.family.suffix}")
    assert (ours[0], ours[-1]) == (theirs[0], theirs[-1])
    assert "-b" not in theirs or ours[1:3] == theirs[1:3]


def test_leds_tell_apart_what_they_show():
    """No two classes of ten alike, or no class at all."""
    for board in BOARDS.values():
        assert not board.shows_class or 2 ** len(board.leds) >= 10
        assert board.shows_class or board.leds == ("red", "green")
