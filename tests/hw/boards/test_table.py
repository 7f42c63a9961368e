"""The table of boards, against the platforms that it names."""

import re

import pytest
from amaranth.build import ResourceError
from samples import image_network

from hw.boards.clock import clocks
from hw.boards.families import ECP5, ICE40
from hw.boards.table import ALIASES, BOARDS, find_board
from hw.explore.resources import check_fit
from hw.flow.plan import plan
from hw.rtl.config import find_config
from sw.cli import UserError
from sw.network import find, zoo_names

EVERY = pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)


@pytest.mark.parametrize(
    ("name", "board"),
    [
        ("ice40", "icebreaker"),
        ("ecp5", "ulx3s"),
        *((name, name) for name in BOARDS),
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


@pytest.mark.smoke
def test_aliases():
    assert not set(ALIASES) & set(BOARDS)
    assert set(ALIASES.values()) <= set(BOARDS)


@pytest.mark.smoke
@EVERY
def test_part(board):
    platform = board.platform()
    if board.family is ICE40:
        part = f"{platform.device}-{platform.package}"
    elif board.family is ECP5:
        part = f"{platform.device}-{platform.speed}{platform.package}{platform.grade}"
    else:
        part = platform.part
    assert part == board.part


# From the data sheets: 4-input look-up tables, block RAMs, single-port RAMs.
PARTS = {
    "iCE40UP5K": (5280, 30, 4),
    "iCE40HX8K": (7680, 32, 0),
    "iCE40HX1K": (1280, 16, 0),
    "LFE5U-25F": (24288, 56, 0),
    "LFE5U-85F": (83640, 208, 0),
    "GW1NR-LV9": (8640, 26, 0),
}


@EVERY
def test_resources(board):
    assert PARTS[board.part[:9]] == (board.logic_cells, board.memories, board.spram)


@EVERY
def test_crystal(board):
    assert board.platform().default_clk_frequency == board.crystal


@EVERY
def test_pll(board):
    assert board.clock in clocks(board)
    plls = {
        "ice40": ("SB_PLL40_PAD", "SB_PLL40_CORE"),
        "ecp5": ("EHXPLLL",),
        "gowin": ("rPLL",),
    }
    assert board.pll in plls[board.family.name]


@EVERY
def test_pins(board):
    platform = board.platform()
    names = [name for name, _ in platform.resources]
    assert {"uart", "led", *board.idle} <= set(names)
    assert names.count("led") == len(board.leds)
    uart = platform.request("uart", 0, dir="-")
    assert (len(uart.rx), len(uart.tx)) == (1, 1)


def pins(port):
    """As the board's connectors resolve them."""
    return [bit.name for bit in port.io.metadata]


def test_pins_that_we_named():
    """What amaranth-boards lacks: the UART of two boards, the LEDs one by one, a flash to rest."""
    upduino, crab = (BOARDS[name].platform() for name in ("upduino3", "orangecrab"))
    for platform, rx, tx in ((upduino, "15", "14"), (crab, "N17", "M18")):
        uart = platform.request("uart", 0, dir="-")
        assert (pins(uart.rx), pins(uart.tx)) == ([rx], [tx])
    assert pins(upduino.request("flash", 0, dir="-")) == ["16"]
    assert pins(upduino.request("clk12", 0, dir="-")) == ["20"]
    for platform, leds in ((upduino, ("41", "39")), (crab, ("K4", "M3"))):
        for bit, pin in enumerate(leds):
            led = platform.request("led", bit, dir="-")
            assert (pins(led), led.invert) == ([pin], (True,))


def test_the_flash_of_weights(rng):
    """Only a design that loads weights has its pins."""
    network = image_network(rng, hidden=(34,))
    loaded = plan(network, BOARDS["icebreaker"], config=find_config("folded-16-spram,event"))
    constraints = as_text(loaded.files["top.pcf"])
    flash = {"cs": 16, "clk": 15, "copi": 14, "cipo": 17, "wp": 12, "hold": 13}
    for name, pin in flash.items():
        assert f"set_io spi_flash_1x_0__{name}__io {pin}\n" in constraints
    built_in = plan(network, BOARDS["icebreaker"])
    assert "flash" not in as_text(built_in.files["top.pcf"])


@EVERY
def test_weights_lie_behind_the_bitstream(board):
    if board.weights_at is not None:
        assert board.spram
        assert board.weights_at >= 1 << 17  # an iCE40's bitstream is smaller
        assert "spi_flash_1x" in {name for name, _ in board.platform().resources}


def test_the_flash_shares_its_lines_with_the_uart():
    """So on this board it cannot be read while a host listens."""
    platform = BOARDS["upduino3"].platform()
    platform.request("uart", 0, dir="-")
    with pytest.raises(
        ResourceError, match=r"spi_flash_1x_0\.clk uses physical pin 15, but it is al"
    ):
        platform.request("spi_flash_1x", 0, dir="-")
    assert BOARDS["upduino3"].weights_at is None


def as_text(file):
    return file if isinstance(file, str) else file.decode()


def test_an_idle_chip_is_not_selected(rng):
    """Its buffer's input stays 0, and the pin is inverted: the flash sees a 1."""
    text = as_text(plan(image_network(rng), BOARDS["upduino3"]).files["top.il"])
    module = text[text.index("module \\top.flash\n") :].split("\nend\n")[0]
    inverter = r"cell \$not .*?connect \\A 1'0\n\s+connect \\Y (\S+)\n"
    output = re.search(inverter, module, re.DOTALL)[1]
    assert re.search(rf"connect \\D_OUT_0 {re.escape(output)} \[0\]\n", module)
    assert "connect \\OUTPUT_ENABLE 1'1\n" in module
    assert "connect \\PACKAGE_PIN \\flash_0__io [0]\n" in module


@EVERY
def test_default_network(board):
    assert board.network in zoo_names()
    check_fit(find(board.network), board)


@EVERY
def test_no_build_needs_a_loader(board):
    tools = {
        "ice40": {"nextpnr-ice40", "icepack"},
        "ecp5": {"nextpnr-ecp5", "ecppack"},
        "gowin": {"nextpnr-himbaechel-gowin", "gowin_pack"},
    }
    platform = board.platform()
    assert set(platform.required_tools) == {"yosys"} | tools[board.family.name]
    assert len(platform.command_templates) == 3
