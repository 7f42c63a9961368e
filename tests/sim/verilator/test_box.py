"""A board in a box, as ``hw.host`` finds it at its port."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from cases import VERIFY
from networks import map_network
from samples import command, deep, events_network, image_network, random_images, random_spikes

from hw import host
from hw.link.weight_image import pack
from hw.rtl.config import DEFAULT, default_config, find_config
from hw.rtl.core import loaded_words
from sim import golden
from sim.board import main
from sim.verilator.box import Box, linked
from sw.cli import UserError
from sw.data.registry import load
from sw.encoder import LatencyEncoder
from sw.network import find

LOADED = "folded-16-spram,event"
IMAGES = 50


def small(rng):
    """For the digits data set."""
    return image_network(rng, shape=(8, 8), pool=2, hidden=(34,), classes=10, steps=4)


def patient(network, port):
    """A session that waits long enough, however busy the computer is."""
    line = host.open_port(port, timeout=60)
    return host.Session(line, network, sleep=lambda seconds: time.sleep(6 * seconds))


def check(network, inputs, port):
    session = patient(network, port)
    replies = list(session.classify(inputs))
    answer = golden.run_inputs(network, inputs)
    expected = list(zip(answer.label, answer.step, answer.margin, strict=True))
    assert [(reply.label, reply.step, reply.margin) for reply in replies] == expected


@contextmanager
def command_running(*arguments):
    """``sim.board`` with these, in a group of its own."""
    with subprocess.Popen(
        [sys.executable, "-m", "sim.board", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(condition):
    while not condition():
        time.sleep(0.05)


def hosts_figures(network, port, out, *arguments):
    result = command("hw.host", network, "--port", port, "--timeout", 60, "--json", out, *arguments)
    assert result.returncode == 0, result.stderr
    return json.loads(out.read_text())


@pytest.mark.parametrize("end", [signal.SIGINT, *deep(signal.SIGTERM)])
def test_command(rng, tmp_path, end):
    """A host finds a board whose weights come from its flash."""
    network = small(rng)
    path, port = tmp_path / "small.safetensors", tmp_path / "port"
    network.save(path)
    port.symlink_to("/dev/pts/of an earlier run")
    arguments = [path, "--engine", LOADED, "--build-dir", VERIFY.parent, "--pty", "--port", port]
    with command_running(*arguments) as process:
        line = process.stdout.readline()
        assert line == f"{network.name} answers at {port}, until Ctrl-C:\n"
        assert process.stdout.readline() == f"  python -m hw.host {path} --port {port}\n"
        figures = hosts_figures(path, port, tmp_path / "out.json", "--images", IMAGES)
        data = load("digits")
        answer = golden.run_images(network, data.test_images[:IMAGES])
        assert (figures["images"], figures["mismatches"]) == (IMAGES, 0)
        assert figures["accuracy"] == (answer.label == data.test_labels[:IMAGES]).mean()
        os.killpg(process.pid, end)
        assert process.wait() == 128 + end
        said = "interrupted" if end == signal.SIGINT else "terminated"
        assert process.stderr.read() == f"\n{said}\n"
    assert not port.is_symlink()


def test_what_a_host_leaves_behind(rng):
    """Another rate is not understood; half a frame is dropped when the line has been idle."""
    network = image_network(rng)
    images = random_images(rng, network, 5)
    box = Box.build(network, DEFAULT, VERIFY)
    with box.running() as (port, _):
        check(network, images, port)
        for rate in (9600, 460_800):
            with pytest.raises(UserError, match=r"no answer"):
                host.Session(host.open_port(port, rate, timeout=0.2), network)
        check(network, images, port)
        host.open_port(port).write(b"\x40\x01")  # an image begins
        check(network, images, port)


@pytest.mark.deep
def test_mnist(mnist, tmp_path):
    """Each of 1,000 answers, through the command and the host's own."""
    network, port = "mnist-512-192-10-t8", tmp_path / "port"
    arguments = [network, "--build-dir", VERIFY.parent, "--pty", "--port", port]
    with command_running(*arguments) as process:
        assert process.stdout.readline()
        figures = hosts_figures(network, port, tmp_path / "out.json", "--images", 1000)
    answer = golden.run_images(find(network), mnist.test_images[:1000])
    assert (figures["images"], figures["mismatches"]) == (1000, 0)
    assert figures["accuracy"] == (answer.label == mnist.test_labels[:1000]).mean()
    assert figures["decision_step_mean"] == (answer.step + 1).mean()


@pytest.mark.deep
def test_events(rng):
    network = events_network(rng, channels=16, hidden=(20,), low=0, high=5)
    with Box.build(network, DEFAULT, VERIFY).running() as (port, _):
        check(network, random_spikes(rng, network, 12, most=30), port)


@pytest.mark.deep
def test_maps(rng):
    network = map_network(rng, "4c3p1,f2,5", 4, LatencyEncoder(shape=(3, 6, 6)))
    with Box.build(network, default_config(network), VERIFY).running() as (port, _):
        check(network, random_images(rng, network, 12), port)


@pytest.mark.deep
def test_weights_that_the_host_loads(rng):
    """Where the flash holds none, or others."""
    network, config = small(rng), find_config(LOADED)
    images = random_images(rng, network, 3)
    right = pack(network, loaded_words(network, config))
    made = Box.build(network, config, VERIFY)
    for flash in (b"", right[:-1] + bytes([right[-1] ^ 1])):
        with replace(made, flash=flash).running() as (port, _):
            session = patient(network, port)
            with pytest.raises(UserError, match=r"^port: the board has no class for an input"):
                list(session.classify(images))
            patient(network, port).load(right)
            check(network, images, port)


@pytest.mark.deep
def test_a_command_that_is_killed_leaves_no_process(rng, tmp_path):
    network = small(rng)
    network.save(tmp_path / "small.safetensors")
    arguments = [tmp_path / "small.safetensors", "--engine", LOADED, "--build-dir", VERIFY.parent]
    with command_running(*arguments, "--pty") as process:
        assert process.stdout.readline()
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
        (child,) = children.split()
        process.kill()
        wait_for(lambda: not Path(f"/proc/{child}").exists())


def test_time_stands_still_when_nothing_happens(rng):
    """So that a board that nobody asks costs nothing; then it answers as before."""
    network = image_network(rng)
    with Box.build(network, DEFAULT, VERIFY).running() as (port, process):
        stat = Path(f"/proc/{process.pid}/stat")
        clocks = [0]
        while len(clocks) < 3 or clocks[-1] != clocks[-2]:
            time.sleep(0.5)
            clocks.append(sum(map(int, stat.read_text().rsplit(")")[1].split()[11:13])))
        check(network, random_images(rng, network, 2), port)


def test_links(tmp_path):
    link = tmp_path / "port"
    with linked(link, "/dev/pts/1"):
        assert os.readlink(link) == "/dev/pts/1"
        with linked(link, "/dev/pts/2"):  # another run has taken it over
            assert os.readlink(link) == "/dev/pts/2"
    assert not link.is_symlink()
    link.touch()
    with pytest.raises(UserError, match=r"port: cannot be made a link .*; name another place$"):
        linked(link, "/dev/pts/1").__enter__()
    assert link.is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--pty", "--images", "3"], r"^--images: says nothing to a board in a box; leave out"),
        (["--pty", "--clock", "12"], r"^--clock: says nothing to a board in a box"),
        (
            ["--port", "missing"],
            r"^--port: is a link to the port of --pty; leave it out, or add",
        ),
        (["--pty", "--port", "file"], r"file: is no link; name another place$"),
    ],
)
def test_what_is_refused(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=message):
        main(["digits-64-38-10-t2", *arguments])
