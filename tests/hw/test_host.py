"""The host program, against the simulated UART of the real top module."""

import json
import os
import runpy
import select
import threading
import time
import tty
from contextlib import contextmanager

import numpy as np
import pytest
from networks import speech
from samples import command, deep, events_network, image_network, random_images, random_spikes
from simulated_line import SimulatedLine

from hw import host
from hw.host import Session
from hw.link import protocol
from hw.link.protocol import Fault, Status
from hw.link.sending import commands
from hw.link.weight_image import pack
from hw.rtl.config import DEFAULT, find_config
from hw.rtl.core import loaded_words
from sim import golden
from sw.cli import UserError
from sw.data import registry
from sw.data.registry import load
from sw.encoder import Spikes
from sw.network import find

DIGITS = "digits-64-192-10-t16"
LOADED = find_config("folded-16-spram,event")


class Canned:
    """A line that answers what it was told to, whatever it is asked."""

    def __init__(self, content=b"", fault=None):
        self.content = content
        self.fault = fault

    def write(self, data):
        if self.fault == "write":
            raise OSError(5, "Input/output error")

    def read(self, size):
        if self.fault == "read":
            raise OSError(5, "Input/output error")
        answer, self.content = self.content[:size], self.content[size:]
        return answer

    def send_break(self, duration):
        pass

    def reset_input_buffer(self):
        pass

    def reset_output_buffer(self):
        pass

    @property
    def in_waiting(self):
        return len(self.content)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    """Simulated boards answer at once."""
    monkeypatch.setattr(host, "_LATE", 0)
    monkeypatch.setattr(host, "_SILENCE", 0)


@pytest.fixture
def network(rng):
    return image_network(rng)


@pytest.fixture
def small(rng):
    """For the digits data set, quick to simulate."""
    return image_network(rng, shape=(8, 8), hidden=(3,), classes=10, steps=4, pool=2)


def check(replies, network, inputs):
    answer = golden.run_inputs(network, inputs)
    assert [reply.label for reply in replies] == answer.label.tolist()
    assert [reply.step for reply in replies] == answer.step.tolist()
    assert [reply.margin for reply in replies] == answer.margin.tolist()


@pytest.mark.parametrize("count", [0, 1, 5, *deep(2, 7)])
def test_session(rng, network, count):
    images = random_images(rng, network, count)
    line = SimulatedLine(network, watch=True)
    replies = list(Session(line, network).classify(images))
    assert len(replies) == count
    if count:
        check(replies, network, images)
    assert [reply.cycles for reply in replies] == line.cycles


@pytest.mark.parametrize("count", [0, 4, *deep(1, 2, 9)])
@pytest.mark.parametrize("how", [{}, {"high": 99, "low": 90}, *deep({"hidden": (9,)})])
def test_session_with_events(rng, count, how):
    """Where no output fires, the end mark is waited for; else the answer may come before it."""
    network = events_network(rng, **how)
    spikes = random_spikes(rng, network, count)
    line = SimulatedLine(network, watch=True)
    session = Session(line, network)
    replies = list(session.classify(spikes))
    assert len(replies) == count
    if count:
        check(replies, network, spikes)
    assert line.converse(b"?") == protocol.identity(network.sha256)
    assert [reply.cycles for reply in replies] == line.cycles


@pytest.mark.deep
def test_session_with_the_digits_network():
    network = find(DIGITS)
    images = load("digits").test_images[:5]
    replies = list(Session(SimulatedLine(network), network).classify(images))
    check(replies, network, images)
    assert len({reply.label for reply in replies}) > 1


def test_a_new_session_takes_over_from_one_that_broke_off(rng, network):
    images = random_images(rng, network, 4)
    line = SimulatedLine(network)
    replies = Session(line, network).classify(images)
    next(replies)
    line.write(protocol.IMAGE + b"\xff" * 10)
    check(list(Session(line, network).classify(images)), network, images)


class NoBreak(SimulatedLine):
    """Of an adapter that ignores or refuses a break."""

    refuses = False

    def send_break(self, duration):
        if self.refuses:
            raise OSError(25, "Inappropriate ioctl for device")


@pytest.mark.parametrize(
    ("kind", "refuses"),
    [("image", False), ("events", True), ("weights", False), *deep(("image", True))],
)
def test_a_session_without_a_break_waits_for_the_timeout(rng, monkeypatch, kind, refuses):
    """The host before it died within an input, in which an identification would be data."""
    config, inputs = DEFAULT, 3
    if kind == "events":
        network = events_network(rng, hidden=(6,), high=99, low=90)
        inputs, left = random_spikes(rng, network, 3), protocol.EVENTS + b"\0"
    elif kind == "image":
        network = image_network(rng)
        inputs, left = random_images(rng, network, 3), protocol.IMAGE + bytes(7)
    else:
        network, config = image_network(rng, shape=(3, 3), hidden=(34,)), LOADED
        inputs = random_images(rng, network, 3)
        weights = pack(network, loaded_words(network, config))
        left = protocol.LOAD + weights[:40]
    line = NoBreak(network, config=config, timeout=200)
    line.refuses = refuses
    line.write(left)
    while not line.sent:
        line.advance(1)
    slept = []
    monkeypatch.setattr(host, "_SILENCE", 2 * protocol.TIMEOUT)
    monkeypatch.setattr(host.time, "sleep", lambda seconds: slept.append(seconds))
    monkeypatch.setattr(line, "reset_input_buffer", lambda: line.advance(2 * 200 / 4))
    session = Session(line, network)
    assert session.sends_break == (not refuses)
    assert max(slept) == 2 * protocol.TIMEOUT
    if kind == "weights":
        session.load(weights)
    check(list(session.classify(inputs)), network, inputs)


def test_the_host_waits_longer_than_any_board():
    fresh = runpy.run_path(host.__file__)  # as it is without the fixture above
    assert fresh["_SILENCE"] > 2 * protocol.TIMEOUT


def test_what_a_usb_bridge_still_held_at_the_break(network, monkeypatch):
    """It comes up to 16 ms after the break, and is not the board's identification."""

    class Bridge(Canned):
        held, received = bytes(8), b""

        def reset_input_buffer(self):
            self.received = b""

        def write(self, data):
            self.received += self.held + self.content
            self.held = b""

        def read(self, size):
            answer, self.received = self.received[:size], self.received[size:]
            return answer

    def sleep(seconds):
        if seconds > 0.016:
            line.received, line.held = line.received + line.held, b""

    line = Bridge(protocol.identity(network.sha256))
    monkeypatch.setattr(host, "_SILENCE", 0.02)
    monkeypatch.setattr(host.time, "sleep", sleep)
    Session(line, network)


def test_the_session_keeps_two_images_on_the_way(rng, network):
    class Watched(SimulatedLine):
        log = ""

        def write(self, data):
            self.log += "w"
            super().write(data)

        def read(self, size):
            self.log += "r"
            return super().read(size)

    line = Watched(network)
    assert len(list(Session(line, network).classify(random_images(rng, network, 4)))) == 4
    assert line.log == "wr" + "ww" + "rw" * 2 + "rr"


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            b"",
            r"^port: no answer \(0 of 8 bytes came\); check that the bitstream is loaded",
        ),
        (b"1SPK\x01", r"^port: no answer \(5 of 8 bytes came\); "),
        (b"login: \n", r"^port: answers 6c6f67696e3a200a, which is not this accelerator; name ano"),
        (
            b"1SPK\xde\xad\xbe\xef",
            r"^port: the board holds network deadbeef…, not random \([0-9a-f]",
        ),
    ],
)
def test_identification(network, answer, message):
    with pytest.raises(UserError, match=message):
        Session(Canned(answer), network)


def test_another_network_on_the_board(rng, network):
    other = image_network(rng)
    message = rf"holds network {other.sha256[:8]}…, not random \({network.sha256[:8]}…\); name its"
    with pytest.raises(UserError, match=message):
        Session(SimulatedLine(other), network)


@pytest.mark.parametrize("fault", ["read", "write"])
def test_a_cable_that_is_pulled(rng, network, fault):
    line = Canned(protocol.identity(network.sha256))
    session = Session(line, network)
    line.fault = fault
    with pytest.raises(UserError, match=r"^port: connection lost \(.*Input/output.*\); check the"):
        list(session.classify(random_images(rng, network, 2)))


def test_a_board_that_falls_silent(rng, network):
    line = Canned(protocol.identity(network.sha256) + protocol.ANSWER.pack(1, 2, 3, 4) + b"\1\2")
    replies = Session(line, network, name="com7").classify(random_images(rng, network, 3))
    assert next(replies) == (1, 2, 3, 4)
    with pytest.raises(UserError, match=r"^com7: no answer \(2 of 8 bytes came\)"):
        next(replies)


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        ((3, 0, 9, 5), "class 3 of 3 in step 0 of 8"),
        ((49, 7, 9, 5), "class 49 of 3 in step 7 of 8"),
        ((2, 8, 9, 5), "class 2 of 3 in step 8 of 8"),
    ],
)
def test_what_no_answer_can_be(rng, network, reply, text):
    answers = protocol.ANSWER.pack(2, 7, 9, 5) + protocol.ANSWER.pack(*reply)
    line = Canned(protocol.identity(network.sha256) + answers)
    replies = Session(line, network).classify(random_images(rng, network, 2))
    assert next(replies) == (2, 7, 9, 5)
    with pytest.raises(UserError, match=rf"^port: the board answers {text}, which is impossible"):
        next(replies)


def test_more_than_was_asked_for(rng, network):
    answers = protocol.ANSWER.pack(1, 2, 3, 4) * 2 + b"123"
    line = Canned(protocol.identity(network.sha256) + answers)
    replies = Session(line, network).classify(random_images(rng, network, 2))
    assert [next(replies), next(replies)] == [(1, 2, 3, 4)] * 2
    with pytest.raises(UserError, match=r"^port: 3 more bytes came than the answers have, so answ"):
        next(replies)


def test_a_write_that_the_board_never_takes(tmp_path):
    """Ends after --timeout: nobody reads the other end of the line, whose buffer fills up."""
    network = image_network(np.random.default_rng(0), shape=(200, 200), hidden=(3,))
    with board(None) as port:
        line = host.open_port(port, timeout=0.1)
        line.reset_output_buffer = lambda: None
        line.read = lambda size: protocol.identity(network.sha256)[:size]
        session = Session(line, network, name="com3")
        with pytest.raises(
            UserError, match=r"^com3: accepts no bytes; check that this is the port"
        ):
            list(session.classify(np.zeros((9, 200, 200), np.uint8)))


@pytest.mark.parametrize(
    ("shape", "kind", "message"),
    [
        ((2, 28, 28), np.uint8, r"^random takes uint8 images \(4, 4\), not uint8 \(28, 28\); name"),
        ((2, 8, 8), np.float32, r"takes uint8 images \(4, 4\), not float32 \(8, 8\)"),
        ((2, 64), np.uint8, r"not uint8 \(64,\)"),
    ],
)
def test_wrong_images(network, shape, kind, message):
    session = Session(Canned(protocol.identity(network.sha256)), network)
    with pytest.raises(UserError, match=message):
        list(session.classify(np.zeros(shape, kind)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"unit": np.array([3, 12])},
            "12 channels in 8 steps, not of channel 12 or in step 2; nam",
        ),
        ({"unit": np.array([3, 70000])}, "not of channel 70000 or in step 2; name the data set"),
        ({"step": np.array([1, 8])}, "takes events of .* not of channel 4 or in step 8; name the"),
    ],
)
def test_wrong_events(rng, change, message):
    network = events_network(rng)
    spikes = {"unit": np.array([4, 0]), "step": np.array([1, 2]), **change}
    session = Session(Canned(protocol.identity(network.sha256)), network)
    with pytest.raises(UserError, match=message):
        list(session.classify(Spikes(count=1, image=np.zeros(2, int), **spikes)))


def test_inputs_of_the_other_kind(rng, network):
    events = events_network(rng)
    spikes, images = random_spikes(rng, events, 1), random_images(rng, network, 1)
    with pytest.raises(UserError, match=r"^random takes images, not events; name the data set"):
        commands(network, spikes)
    with pytest.raises(UserError, match=r"^events takes events, not images; name the data set"):
        commands(events, images)


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (
            Fault.RULES,
            r"too many events, or some were damaged on the line\); send fewer events, or check",
        ),
        (
            Fault.OVERRUN,
            r"events came faster than the board accepts them\); build it for a faster",
        ),
    ],
)
def test_a_fault_in_place_of_a_class(rng, fault, text):
    network = events_network(rng)
    answers = protocol.ANSWER.pack(1, 2, 3, 4) + protocol.ANSWER.pack(fault, 0, 0, 0)
    line = Canned(protocol.identity(network.sha256) + answers)
    replies = Session(line, network).classify(random_spikes(rng, network, 3))
    assert next(replies) == (1, 2, 3, 4)
    with pytest.raises(
        UserError, match=rf"^port: the board has no class for an inference \({text}"
    ):
        next(replies)


STATUSES = [
    (Status.READY, "the input began before its weights were loaded"),
    (Status.LOADING, "its weights are still loading"),
    (Status.NO_IMAGE, "its flash does not respond or holds no weight image"),
    (Status.OTHER_NETWORK, "its weight image is not for its bitstream"),
    (Status.DAMAGED, "its weight image is damaged, the checksum is wrong"),
    (9, "status 9"),
]


@pytest.mark.parametrize(("status", "text"), STATUSES)
def test_a_status_in_place_of_a_class(rng, network, status, text):
    answers = protocol.ANSWER.pack(1, 2, 3, 4) + protocol.ANSWER.pack(status, 0, 0, 0)
    line = Canned(protocol.identity(network.sha256) + answers)
    replies = Session(line, network).classify(random_images(rng, network, 3))
    assert next(replies) == (1, 2, 3, 4)
    message = rf"^port: the board has no class for an image \({text}\); program the flash as hw.b"
    with pytest.raises(UserError, match=message):
        next(replies)


class Loaded(Canned):
    """A line that notes what is written."""

    def __init__(self, network, *answer):
        super().__init__(protocol.identity(network.sha256) + protocol.ANSWER.pack(*answer))
        self.written = []

    def write(self, data):
        self.written.append(data)


def test_load(network):
    line = Loaded(network, Status.READY, 0, 0, 0)
    Session(line, network).load(b"the image")
    assert line.written == [b"?", b"Wthe image"]


@pytest.mark.parametrize(("status", "text"), STATUSES[1:])
def test_a_weight_image_that_the_board_does_not_take(network, status, text):
    session = Session(Loaded(network, status, 0, 0, 0), network)
    message = rf"^port: the board rejected the weight image \({text}\); load it once more, and the"
    with pytest.raises(UserError, match=message):
        session.load(b"the image")


def test_a_board_that_loads_nothing(network):
    """What it takes for images may get an answer."""
    session = Session(Loaded(network, 0, 2, 30, 4), network)
    message = "^port: the board has its weights built in; leave out --load$"
    with pytest.raises(UserError, match=message):
        session.load(b"IIIIII")


@contextmanager
def board(simulated):
    """The path of a pseudo-terminal behind which ``simulated`` answers; a silent one for None.

    A pseudo-terminal carries no break, and the accelerator is fresh from reset as it is.
    """
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    stop = threading.Event()

    def serve():
        while not stop.is_set():
            if select.select([ours], [], [], 0 if simulated.waiting else 0.02)[0]:
                simulated.write(os.read(ours, 4096))
            if simulated.waiting:
                simulated.advance(20)
                if answer := simulated.take():
                    os.write(ours, answer)

    thread = threading.Thread(target=serve, daemon=True)
    if simulated:
        thread.start()
    try:
        yield os.ttyname(theirs)
    finally:
        stop.set()
        if simulated:
            thread.join()
        os.close(ours)
        os.close(theirs)


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
    assert simulated.converse(b"") == b""
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
            result, f"{port}: the board has no class for an image (its flash does not respond or"
        )
        while simulated.waiting:  # a break would end its second answer, were there one
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


def test_a_port_where_nobody_answers(tmp_path):
    with board(None) as port:
        result = command("hw.host", DIGITS, "--timeout", 0.1, "--images", 1, "--port", port)
    refused(result, f"{port}: no answer (0 of 8 bytes came); check that the")


def test_a_port_that_is_none(tmp_path, monkeypatch):
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
