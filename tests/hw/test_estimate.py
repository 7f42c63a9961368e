"""The estimate as a command."""

import json
import re
from dataclasses import replace

import pytest
from networks import map_network
from samples import command, image_network

from hw.boards.families import ICE40
from hw.boards.table import BOARDS
from hw.estimate import Estimate, estimate
from hw.explore.resources import resources_of
from hw.rtl.config import find_config
from sw.encoder import LatencyEncoder
from sw.network import find


@pytest.mark.smoke
def test_a_network_that_fits():
    network, board = find("digits-64-192-10-t16"), BOARDS["icebreaker"]
    figures = estimate(network, board).to_dict()
    assert figures["fits"]
    assert figures["shortage"] == figures["remedies"] == []
    assert figures["logic_cells"] == resources_of(network).logic_cells(ICE40)
    assert figures["ebr"] == 12 + 1 + 1 + 2  # two layers' weights, links, heads
    assert figures["images"] == 355
    assert figures["accuracy"] == pytest.approx(network.provenance["test_accuracy"])
    assert 0 < figures["cycles_mean"] <= figures["cycles_max"]
    assert figures["routed"] is False
    assert ("fits", "yes; not routed yet") in estimate(network, board).lines()


def test_a_network_with_maps(rng):
    """By its own engine, unless another one is named."""
    encoder = LatencyEncoder(shape=(8, 8), silent_below=16)
    network = map_network(rng, "8c3p1-f2-10", 4, encoder, low=2, high=6)
    network = replace(network, labels=find("digits-64-192-10-t16").labels)
    board = BOARDS["icebreaker"]
    report = estimate(network, board)
    assert (report.engine, report.fits, report.utilisation.spram) == ("tiles-4", True, 1)
    assert report.measurement.images == 355
    assert 0 < report.measurement.limit_fraction < 1
    slower = estimate(network, board, config=find_config("tiles-1-spram"))
    assert (slower.engine, slower.utilisation.spram) == ("tiles-1-spram", 2)
    assert slower.measurement.cycles_mean > report.measurement.cycles_mean
    assert slower.measurement.accuracy == report.measurement.accuracy


@pytest.mark.parametrize("board", ["icestick"])
def test_a_design_that_is_known_to_route(board):
    board = BOARDS[board]
    report = estimate(find(board.network), board)
    assert report.routed
    assert ("fits", "yes; place and route succeeded") in report.lines()
    assert Estimate.from_dict(json.loads(json.dumps(report.to_dict()))) == report


@pytest.mark.parametrize(
    ("cells", "verdict"),
    [
        (1280, "yes"),
        (1281, "perhaps: the estimate may be 10% too high"),
    ],
)
def test_what_fits_only_within_the_estimates_error(cells, verdict):
    report = estimate(find("digits-64-32-10-t2"), BOARDS["icestick"])
    report = replace(
        report, utilisation=replace(report.utilisation, logic_cells=cells), routed=False
    )
    assert ("fits", f"{verdict}; not routed yet") in report.lines()


def test_the_command_says_what_does_not_fit_and_what_would(tmp_path, rng):
    network = image_network(rng, shape=(28, 28), hidden=(600,), classes=10)
    network.save(tmp_path / "large.safetensors")
    figures = tmp_path / "figures.json"
    result = command(
        "hw.estimate", tmp_path / "large.safetensors", "--board", "ice40", "--json", figures
    )
    assert result.returncode == 0, result.stderr
    assert "no: it needs 159 block RAMs of 30 and about" in result.stdout
    assert "take --board ulx3s" in result.stdout
    own = f"{BOARDS['icebreaker'].clock / 1e6:g} MHz, as the board's default mnist-512-192-10"
    assert re.search(rf"^fmax, roughly: +{own}", result.stdout, re.MULTILINE)
    figures = json.loads(figures.read_text())
    assert figures["fits"] is False
    assert figures["ebr"] == 159


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--board", "nexys"), r"board 'nexys' is not known"),
        (("nothing", "--board", "ice40"), r"nothing: cannot be read"),
    ],
)
def test_bad_input(arguments, message):
    result = command("hw.estimate", *arguments)
    assert result.returncode == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
