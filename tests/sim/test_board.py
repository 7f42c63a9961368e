"""The netlist of a whole board, SPRAM and all, from the flash to the answers on its UART."""

import json

import numpy as np
import pytest
from cases import VERIFY, mixed_images
from networks import map_network
from samples import command, events_network, image_network, random_spikes

from hw.rtl.config import DEFAULT, find_config
from sim import board, golden
from sim.cocotb_bench.testbench import simulate
from sim.verilator.board import OPTIONS, TOP, board_sources
from sw.cli import UserError
from sw.data.registry import load
from sw.encoder import LatencyEncoder

LOADED = "folded-16-spram,event"
IMAGES = 2


def small(rng):
    """For the digits data set."""
    return image_network(rng, shape=(8, 8), pool=2, hidden=(34,), classes=10, steps=4)


def check_command(network, engine, tmp_path, *clock):
    network.save(tmp_path / "small.safetensors")
    arguments = ["--images", IMAGES, "--engine", engine, "--build-dir", VERIFY.parent]
    arguments += ["--json", tmp_path / "out.json"]
    result = command("sim.board", tmp_path / "small.safetensors", *arguments, *clock)
    assert (result.returncode, result.stderr) == (0, "")
    figures = json.loads((tmp_path / "out.json").read_text())
    data = load("digits")
    answer = golden.run_images(network, data.test_images[:IMAGES])
    assert figures.pop("seconds") > 0
    assert figures.pop("cycles_mean") > 0
    assert figures == {
        "board": "icebreaker",
        "network": "random",
        "engine": engine,
        "clock_mhz": clock[-1] if clock else 16.125,
        "images": IMAGES,
        "mismatches": 0,
        "accuracy": np.mean(answer.label == data.test_labels[:IMAGES]),
    }
    assert "mismatches:       0\n" in result.stdout


@pytest.mark.deep
def test_weights_that_are_loaded(rng, tmp_path):
    """From the flash or by the host, and what a fault gives."""
    network = small(rng)
    simulate(
        network,
        mixed_images(rng, network, 4),
        tests="cocotb_board",
        folder=VERIFY.parent / "board" / f"{network.file_name}-{LOADED}",
        programs=VERIFY,
        sources=board_sources(network, find_config(LOADED), VERIFY),
        top=TOP,
        options=OPTIONS,
    )
    check_command(network, LOADED, tmp_path)  # with what is compiled already


def test_weights_of_the_bitstream(rng, tmp_path):
    """At the crystal's own clock: without the PLL."""
    check_command(small(rng), "event", tmp_path, "--clock", 12)


@pytest.mark.deep
@pytest.mark.parametrize("engine", ["tiles-4", "tiles-2-spram"])
def test_maps(rng, tmp_path, engine):
    """Lists in SPRAM; weights of the bitstream, or there too and from the flash."""
    network = map_network(rng, "5c3p1,f2,10", 4, LatencyEncoder(shape=(8, 8), silent_below=16))
    check_command(network, engine, tmp_path)


def test_a_difference_is_told(rng, tmp_path, monkeypatch, capsys):
    network = image_network(rng, shape=(8, 8), classes=10, steps=4)
    network.save(tmp_path / "small.safetensors")
    answer = golden.run_images(network, load("digits").test_images[:3])
    got = [
        board.protocol.Reply(int(label), int(step), 9, int(margin))
        for label, step, margin in zip(answer.label, answer.step, answer.margin, strict=True)
    ]
    arguments = [str(tmp_path / "small.safetensors"), "--images", "3"]
    monkeypatch.setattr(board, "replies", lambda *what: got)
    assert board.main(arguments) == 0
    for wrong in ({"label": 11}, {"step": 200}, {"margin": 99}, {"cycles": 0}):
        monkeypatch.setattr(
            board, "replies", lambda *what, w=wrong: [got[0]._replace(**w), *got[1:]]
        )
        assert board.main(arguments) == 1
        assert "mismatches:       1\n" in capsys.readouterr().out


@pytest.mark.deep
def test_events(rng):
    """Answered before the end mark and after it."""
    network = events_network(rng, channels=16, hidden=(20,), low=0, high=5)
    spikes = random_spikes(rng, network, 12, most=30)
    folder = VERIFY.parent / "board" / network.file_name
    got = board.replies(network, spikes, DEFAULT, folder, VERIFY)
    answer = golden.run(network, spikes)
    expected = list(zip(answer.label, answer.step, answer.margin, strict=True))
    assert [(reply.label, reply.step, reply.margin) for reply in got] == expected
    cycles = [reply.cycles for reply in got]
    assert 1 == min(cycles) < max(cycles)


@pytest.mark.smoke
def test_what_is_refused():
    with pytest.raises(UserError, match=r"^--images must be at least 1, not 0$"):
        board.main(["digits-64-192-10-t16", "--images", "0"])
