"""The host program, against the simulated UART of the real top module."""

import json
import time

import numpy as np
import pytest
from conversations import sealed
from networks import speech
from samples import command, events_network, image_network, random_images
from simulated_line import SimulatedLine
from terminal import board

from hw import host
from hw.host import Session
from hw.link import protocol, session
from hw.link.protocol import Kind
from hw.link.weight_image import pack
from hw.rtl.config import find_config
from hw.rtl.core import loaded_words
from sim import golden
from sw.cli import UserError
from sw.data import registry
from sw.data.registry import load

DIGITS = "digits-64-192-10-t16"
LOADED = find_config("folded-16-spram,event")


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    """Simulated boards answer at once."""
    monkeypatch.setattr(session, "_LATE", 0)
    monkeypatch.setattr(session, "_SILENCE", 0)


@pytest.fixture
def small(rng):
    """For the digits data set, quick to simulate."""
    return image_network(rng, shape=(8, 8), hidden=(3,), classes=10, steps=4, pool=2)


def test_a_write_that_the_board_never_takes():
    """Ends after --timeout: nobody reads the other end of the line, whose buffer fills up."""
    network = image_network(np.random.default_rng(0), shape=(200, 200), hidden=(3,))
    with board(None) as port:
        line = host.open_port(port, timeout=0.1)
        line.reset_output_buffer = lambda: None
        line.read = lambda size: sealed(15, Kind.IDENTITY, protocol.identity(network.sha256))
        asked = Session(line, network, name="com3")
        begun = time.monotonic()
        with pytest.raises(
            UserError, match=r"^com3: accepts no bytes; check that this is the port"
        ):
            list(asked.classify(np.zeros((9, 200, 200), np.uint8)))
        assert time.monotonic() - begun < 10


def figures_of(network, count):
    data = load("digits")
    answer = golden.run_images(network, data.test_images[:count])
    return {
        "network": "random",
        "images": count,
        "mismatches": 0,
        "accuracy": (answer.label == data.test_labels[:count]).mean(),
        "decision_step_mean": (answer.step + 1).mean(),
    }


def test_command(small, tmp_path):
    small.save(tmp_path / "small.safetensors")
    simulated = SimulatedLine(small, watch=True)
    with board(simulated) as port:
        result = command(
            *("hw.host", tmp_path / "small.safetensors", "--port", port),
            *("--timeout", 10_000, "--images", 5, "--json", tmp_path / "out.json"),
        )
    assert result.returncode == 0, result.stderr
    figures = json.loads((tmp_path / "out.json").read_text())
    assert figures.pop("seconds") > 0
    assert figures == {
        **figures_of(small, 5),
        "cycles_mean": np.mean(simulated.cycles),
        "cycles_max": max(simulated.cycles),
        "losses": 0,
    }
    assert f"accuracy:           {figures['accuracy']}\n" in result.stdout
    assert "5/5" in result.stderr  # the progress bar


def test_command_with_events(rng, tmp_path, monkeypatch):
    """A data set's recordings, over a line that both ends simulate."""
    words = speech(rng)
    monkeypatch.setattr(registry, "load", lambda name, data_dir: words)
    network = events_network(rng, hidden=(9,))
    network.save(tmp_path / "words.safetensors")
    simulated = SimulatedLine(network, watch=True)
    monkeypatch.setattr(host, "open_port", lambda *port: simulated)
    arguments = [tmp_path / "words.safetensors", "--port", "com3", "--images", 7, "-q"]
    host.main(list(map(str, [*arguments, "--json", tmp_path / "out.json"])))
    answer = golden.run(network, words.test_events.spikes(network.steps)[:7])
    figures = json.loads((tmp_path / "out.json").read_text())
    assert figures.pop("seconds") > 0
    assert figures == {
        "network": "events",
        "images": 7,
        "mismatches": 0,
        "accuracy": (answer.label == words.test_labels[:7]).mean(),
        "decision_step_mean": (answer.step + 1).mean(),
        "cycles_mean": np.mean(simulated.cycles),
        "cycles_max": max(simulated.cycles),
        "losses": 0,
    }


def test_command_with_one_image(rng, small, tmp_path, monkeypatch, capsys):
    small.save(tmp_path / "small.safetensors")
    image = random_images(rng, small, 1)
    (tmp_path / "image").write_bytes(image.tobytes())
    simulated = SimulatedLine(small, watch=True)
    ports = []
    monkeypatch.setattr(host, "open_port", lambda *port: ports.append(port) or simulated)
    arguments = [tmp_path / "small.safetensors", "--image", tmp_path / "image", "--baud", 9600]
    arguments += ["--port", "com3", "--json", tmp_path / "out.json", "-q"]
    host.main(list(map(str, arguments)))
    assert ports == [("com3", 9600, 2.0)]
    answer = golden.run_images(small, image)
    assert json.loads((tmp_path / "out.json").read_text()) == {
        "label": str(answer.label[0]),
        "step": answer.step[0],
        "cycles": simulated.cycles[0],
        "margin": answer.margin[0],
        "mismatches": 0,
    }
    assert capsys.readouterr() == ("", "")


@pytest.fixture
def loaded(rng, tmp_path):
    """A network whose weights are loaded, and its image in a file."""
    network = image_network(rng, shape=(8, 8), hidden=(34,), classes=10, steps=4, pool=4)
    network.save(tmp_path / "small.safetensors")
    (tmp_path / "small.weights").write_bytes(pack(network, loaded_words(network, LOADED)))
    return network


def test_command_that_loads(loaded, tmp_path):
    """A board without its weights says so; then it gets them."""
    simulated = SimulatedLine(loaded, config=LOADED)
    arguments = ["hw.host", tmp_path / "small.safetensors", "--timeout", 10_000, "--images", 3]
    with board(simulated) as port:
        result = command(*arguments, "-q", "--port", port)
        refused(
            result, f"{port}: the board has no class for an input: the flash does not respond, or"
        )
        while simulated.waiting:
            time.sleep(0.01)
        load = ("--load", tmp_path / "small.weights", "--json", tmp_path / "out.json")
        result = command(*arguments, "--port", port, *load)
    assert result.returncode == 0, result.stderr
    figures = json.loads((tmp_path / "out.json").read_text())
    expected = figures_of(loaded, 3)
    assert {key: figures[key] for key in expected} == expected


def test_command_with_a_damaged_image(loaded, tmp_path):
    content = bytearray((tmp_path / "small.weights").read_bytes())
    content[30] ^= 1
    (tmp_path / "small.weights").write_bytes(content)
    arguments = ("--images", 1, "--port", "/nonexistent", "--load", tmp_path / "small.weights")
    result = command("hw.host", tmp_path / "small.safetensors", *arguments)
    refused(result, f"{tmp_path}/small.weights: is damaged, its checksum or length is wrong; name")


def refused(result, message):
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1, result.stderr
    assert result.stderr.startswith(f"error: {message}")
    assert result.stdout == ""


def test_a_port_that_is_not_there():
    result = command("hw.host", DIGITS, "--images", 1, "--port", "/nonexistent")
    refused(result, "port /nonexistent: cannot be opened (No such file or directory); name")


def test_a_port_where_nobody_answers():
    with board(None) as port:
        result = command("hw.host", DIGITS, "--timeout", 0.1, "--images", 1, "--port", port)
    refused(result, f"{port}: no answer; check that the bitstream is loaded")


def test_a_port_that_is_none():
    with pytest.raises(UserError, match=r"^port /dev/null: cannot be opened \(.*\); name another"):
        host.open_port("/dev/null")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--image", "short"], r"short: must be 8 × 8 bytes, one per pixel, not 63$"),
        (["--image", "/dev/zero"], r"zero: must be 8 × 8 bytes, one per pixel, not more$"),
        (["--load", "/dev/zero"], r"/dev/zero: is no weight image; name the one"),
        (["--image", "missing"], r"missing: cannot be read \(No such file.*\); name a file$"),
        (["--images", "0"], r"^--images must be at least 1, not 0$"),
        (["--images", "-3"], r"^--images must be at least 1, not -3$"),
        (["--dataset", "cifar"], r"cifar"),
        (["--load", "missing"], r"missing: cannot be read \(No such file.*\); name a file"),
        (["--load", "short"], r"short: is no weight image; name the one that hw.build wrote"),
    ],
)
def test_bad_arguments(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "short").write_bytes(bytes(63))
    with pytest.raises(UserError, match=message):
        host.main([DIGITS, "--port", "/nonexistent", *arguments])


def test_an_image_for_a_network_that_takes_events(rng, tmp_path):
    events_network(rng).save(tmp_path / "events.safetensors")
    with pytest.raises(UserError, match=r"^network 'events' takes events; leave out --image$"):
        host.main(
            [str(tmp_path / "events.safetensors"), "--port", "/nonexistent", "--image", __file__]
        )
