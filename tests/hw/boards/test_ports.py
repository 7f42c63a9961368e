"""Boards among serial ports, as pyserial lists them."""

import pytest
from serial.tools import list_ports
from serial.tools.list_ports_common import ListPortInfo

from hw.boards.ports import find_ports, only_port
from hw.boards.table import BOARDS
from hw.boards.usb import ADAPTERS, NO_ADAPTER
from sw.cli import UserError


def port(device, numbers=None, place=None, maker=None, product=None, serial=None):
    """What pyserial says of a port; ``numbers`` as lsusb shows them."""
    info = ListPortInfo(device)
    if numbers:
        info.vid, info.pid = (int(number, 16) for number in numbers.split(":"))
    info.location, info.manufacturer, info.product = place, maker, product
    info.serial_number = serial
    return info


def both(first, place, *text):
    """The two ports of an FT2232H on Linux."""
    return [
        port(f"/dev/ttyUSB{first + index}", "0403:6010", f"{place}:1.{index}", *text)
        for index in range(2)
    ]


BUILT_IN = port("/dev/ttyS0")
ICEBREAKER = ("1BitSquared", "iCEBreaker V1.0e")
FOUND = {
    "none": ([], {}),
    "built in": ([BUILT_IN], {}),
    "iCEBreaker": (both(0, "1-4", *ICEBREAKER), {"/dev/ttyUSB1": ["icebreaker"]}),
    "later numbers": (both(9, "3-1.2", *ICEBREAKER), {"/dev/ttyUSB10": ["icebreaker"]}),
    "just programmed": (both(0, "1-4", *ICEBREAKER)[1:], {"/dev/ttyUSB1": ["icebreaker"]}),
    "its programmer alone": (both(0, "1-4", *ICEBREAKER)[:1], {}),
    "Lattice's": (
        both(0, "1-4", "Lattice", "Lattice FTUSB Interface Cable"),
        {"/dev/ttyUSB1": ["ice40hx8k", "icestick"]},
    ),
    "Tang Nano": (both(2, "1-4", "SIPEED", "USB Debugger"), {"/dev/ttyUSB3": ["tangnano9k"]}),
    "ULX3S": (
        [port("/dev/ttyUSB0", "0403:6015", "1-2", "FER-RADIONA-EMARD", "ULX3S FPGA 85K v3.0.8")],
        {"/dev/ttyUSB0": ["ulx3s"]},
    ),
    "UPduino": (
        [port("/dev/ttyUSB0", "0403:6014", "1-2", "tinyVision.ai", "UPduino v3.1c")],
        {"/dev/ttyUSB0": ["upduino3"]},
    ),
    "UPduino without a name": (
        [port("/dev/ttyUSB0", "0403:6014", "1-2", "FTDI", "Single RS232-HS")],
        {"/dev/ttyUSB0": ["upduino3"]},
    ),
    "one of several without a name": (
        both(0, "1-4", "FTDI", "Dual RS232-HS"),
        {"/dev/ttyUSB1": ["icebreaker", "ice40hx8k", "icestick", "tangnano9k"]},
    ),
    "another maker's": (both(0, "1-4", "Digilent", "Digilent USB Device"), {}),
    "an adapter of one's own": (
        [port("/dev/ttyUSB0", "10c4:ea60", "1-2", "Silicon Labs", "CP2102 USB to UART")],
        {},
    ),
    "macOS": (
        [
            port(f"/dev/cu.usbserial-ib12{index}", "0403:6010", "20-2", *ICEBREAKER, "ib12")
            for index in range(2)
        ],
        {"/dev/cu.usbserial-ib121": ["icebreaker"]},
    ),
    "Windows": (
        [port(f"COM{4 - i}", "0403:6010", None, "FTDI", None, f"FT5{'BA'[i]}") for i in range(2)],
        {"COM4": ["icebreaker", "ice40hx8k", "icestick", "tangnano9k"]},
    ),
    "two": (
        [*both(0, "1-3", *ICEBREAKER), BUILT_IN, *both(2, "1-4", "SIPEED", "JTAG Debugger")],
        {"/dev/ttyUSB1": ["icebreaker"], "/dev/ttyUSB3": ["tangnano9k"]},
    ),
}


@pytest.mark.parametrize(("there", "expected"), FOUND.values(), ids=FOUND)
def test_boards_among_ports(monkeypatch, there, expected):
    monkeypatch.setattr(list_ports, "comports", lambda: there[::-1])
    if expected:
        assert {each.device: list(each.boards) for each in find_ports()} == expected
    else:
        with pytest.raises(UserError, match=r"^no board is found \(serial ports: "):
            find_ports()
    if len(expected) == 1:
        assert only_port().device in expected
    else:
        with pytest.raises(UserError):
            only_port()


def test_what_is_said(monkeypatch):
    monkeypatch.setattr(list_ports, "comports", lambda: FOUND["two"][0])
    message = (
        r"^there may be boards at 2 ports; name one with --port: /dev/ttyUSB1: icebreaker "
        r"\(1BitSquared iCEBreaker V1.0e, USB 0403:6010\); /dev/ttyUSB3: tangnano9k \(SIPEED JTAG "
    )
    with pytest.raises(UserError, match=message):
        only_port()
    monkeypatch.setattr(list_ports, "comports", lambda: [BUILT_IN])
    message = (
        r"^no board is found \(serial ports: /dev/ttyS0\); check the cable \(some carry power only"
        r"\), or plug the board in again; a UART of your own, as for the orangecrab, is named with"
    )
    with pytest.raises(UserError, match=message):
        only_port()


def test_text_of_an_adapter_that_is_no_text(monkeypatch):
    there = [port("/dev/ttyUSB0", "0403:6014", "1-2", "\x1b[2J", "UPduino" + "!" * 99)]
    monkeypatch.setattr(list_ports, "comports", lambda: there)
    (found,) = find_ports()
    assert found.description.isprintable()
    assert len(found.description) < 70


def test_every_board_has_an_adapter_or_needs_one():
    assert {*ADAPTERS, *NO_ADAPTER} == set(BOARDS)
    assert not {*ADAPTERS} & {*NO_ADAPTER}
    for name in NO_ADAPTER:
        assert "connect a USB-UART" in BOARDS[name].note
    for name, adapter in ADAPTERS.items():
        assert ("second of two" in BOARDS[name].serial) == (adapter.interface == 1)
