"""Where the host program finds its board, and what it says of wrong answers."""

import errno
import json

import pytest
import serial
from samples import image_network, random_images
from serial.tools import list_ports
from serial.tools.list_ports_common import ListPortInfo

from hw import host
from hw.link import protocol
from sim import golden
from sw.cli import UserError


def upduino(number):
    info = ListPortInfo(f"/dev/ttyUSB{number}")
    info.vid, info.pid, info.location = 0x0403, 0x6014, f"1-{number}"
    info.manufacturer, info.product = "tinyVision.ai", "UPduino v3.1c"
    return info


@pytest.fixture
def connected(monkeypatch):
    """A list of boards, which a test fills."""
    ports = []
    monkeypatch.setattr(list_ports, "comports", lambda: ports)
    return ports


@pytest.fixture
def one_image(rng, tmp_path):
    """The command line that sends an image, and the right answer."""
    network = image_network(rng)
    network.save(tmp_path / "small.safetensors")
    image = random_images(rng, network, 1)
    (tmp_path / "image").write_bytes(image.tobytes())
    answer = golden.run_images(network, image)
    right = protocol.Reply(int(answer.label[0]), int(answer.step[0]), 9, int(answer.margin[0]))
    return [str(tmp_path / "small.safetensors"), "--image", str(tmp_path / "image")], right


class Answers:
    """In place of a session: the answers are known."""

    def __init__(self, *replies):
        self.replies = replies

    def __call__(self, line, network, *, name):
        return self

    def classify(self, inputs):
        return iter(self.replies)


@pytest.mark.smoke
def test_find(connected, tmp_path, capsys):
    connected.append(upduino(0))
    assert host.main(["--find"]) == 0
    line = "/dev/ttyUSB0: upduino3 (tinyVision.ai UPduino v3.1c, USB 0403:6014)\n"
    assert capsys.readouterr().out == line
    connected.append(upduino(4))
    assert host.main(["--find", "--json", str(tmp_path / "ports.json")]) == 0
    assert capsys.readouterr().out == (
        line + line.replace("USB0", "USB4") + "name one with --port\n"
    )
    (first, second) = json.loads((tmp_path / "ports.json").read_text())["ports"]
    assert (first["device"], first["boards"]) == ("/dev/ttyUSB0", ["upduino3"])
    assert second["device"] == "/dev/ttyUSB4"
    assert host.main(["--find", "--quiet"]) == 0
    assert capsys.readouterr().out == ""
    with pytest.raises(UserError, match="--find"):
        host.main(["--find", "--port", "com3"])


def test_the_only_board_is_used(connected, one_image, monkeypatch, capsys):
    arguments, right = one_image
    opened = []
    monkeypatch.setattr(host, "open_port", lambda name, *how: opened.append(name))
    monkeypatch.setattr(host, "Session", Answers(right))
    with pytest.raises(UserError, match=r"^no board is found"):
        host.main(arguments)
    connected.append(upduino(0))
    assert host.main(arguments) == 0
    assert "/dev/ttyUSB0: upduino3 (" in capsys.readouterr().err
    connected.append(upduino(4))
    with pytest.raises(UserError, match=r"^there may be boards at 2 ports; name one with --port"):
        host.main(arguments)
    assert host.main([*arguments, "--port", "/dev/ttyUSB4"]) == 0
    assert opened == ["/dev/ttyUSB0", "/dev/ttyUSB4"]


@pytest.mark.parametrize("change", [{"label": 1}, {"step": 1}, {"margin": 1}])
def test_an_answer_that_the_golden_model_does_not_give(one_image, monkeypatch, tmp_path, change):
    arguments, right = one_image
    (field,) = change
    wrong = right._replace(**{field: (getattr(right, field) + 1) % 3})
    monkeypatch.setattr(host, "open_port", lambda *what: None)
    for reply in (right, wrong):
        monkeypatch.setattr(host, "Session", Answers(reply))
        out = ["--port", "com3", "--json", str(tmp_path / "out.json")]
        assert host.main([*arguments, *out]) == (reply is wrong)
        assert json.loads((tmp_path / "out.json").read_text())["mismatches"] == (reply is wrong)


def test_a_port_that_one_may_not_open(tmp_path, monkeypatch):
    path = tmp_path / "ttyUSB0"
    path.touch()

    def refuse(*what, **how):
        raise serial.SerialException(errno.EACCES, f"could not open port {path}: [Errno 13] Perm")

    monkeypatch.setattr(serial, "Serial", refuse)
    message = r"^port .*ttyUSB0: cannot be opened \(Permission denied\); join its group \(sudo user"
    with pytest.raises(UserError, match=message):
        host.open_port(str(path))
