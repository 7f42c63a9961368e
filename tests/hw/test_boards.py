"""The table of boards, against the platforms that it names."""

import pytest

from hw.boards import ALIASES, BOARDS, find_board
from hw.clock import ecp5_pll, ice40_pll
from hw.fit import check_fit
from hw.protocol import BAUD
from sw.cli import UserError
from sw.network import find, zoo_names

EVERY = pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)


@pytest.mark.parametrize(
    ("name", "board"),
    [
        ("ice40", "icebreaker"),
        ("ecp5", "ulx3s"),
        ("icebreaker", "icebreaker"),
        ("ice40hx8k", "ice40hx8k"),
        ("ulx3s", "ulx3s"),
    ],
)
def test_find_board(name, board):
    assert find_board(name) is BOARDS[board]
    assert find_board(name).name == board


@pytest.mark.parametrize("name", ["de10nano", "", "ICE40"])
def test_an_unknown_board(name):
    with pytest.raises(UserError, match=rf"^board '{name}' is not known; choose one of ") as error:
        find_board(name)
    message = str(error.value)
    assert "\n" not in message
    for known in [*BOARDS, *ALIASES]:
        assert known in message


def test_aliases():
    assert not set(ALIASES) & set(BOARDS)
    assert set(ALIASES.values()) <= set(BOARDS)


@EVERY
def test_part(board):
    platform = board.platform()
    if board.family == "ice40":
        part = f"{platform.device}-{platform.package}"
    else:
        part = f"{platform.device}-{platform.speed}{platform.package}{platform.grade}"
    assert part == board.part


@EVERY
def test_crystal(board):
    assert board.platform().default_clk_frequency == board.crystal


@EVERY
def test_pll(board):
    (ice40_pll if board.family == "ice40" else ecp5_pll)(board.crystal, board.clock)
    plls = {"ice40": ("SB_PLL40_PAD", "SB_PLL40_CORE"), "ecp5": ("EHXPLLL",)}
    assert board.pll in plls[board.family]


@EVERY
def test_uart(board):
    """The line's rate is met within 2 % by whole clock cycles, and there are pins."""
    divisor = round(board.clock / BAUD)
    assert abs(board.clock / divisor / BAUD - 1) < 0.02
    names = {name for name, _ in board.platform().resources}
    assert {"uart", "led"} <= names


@EVERY
def test_default_network(board):
    assert board.network in zoo_names()
    check_fit(find(board.network), board)


@EVERY
def test_no_build_needs_a_loader(board):
    tools = {"ice40": "icepack", "ecp5": "ecppack"}
    assert set(board.platform().required_tools) == {
        "yosys",
        f"nextpnr-{board.family}",
        tools[board.family],
    }
