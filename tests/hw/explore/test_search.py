"""Design-space exploration: its candidates, the Pareto front, the best one, and its commands."""

import json
import re
from argparse import Namespace
from dataclasses import fields, replace
from functools import partial

import numpy as np
import pytest
from networks import map_network
from samples import command, image_network

from hw.boards.table import BOARDS
from hw.explore import measure
from hw.explore.measure import Measurement, Observation
from hw.explore.resources import resources_of, shortage
from hw.explore.routed import is_routed, read_routed
from hw.explore.search import (
    Candidate,
    Limits,
    asked,
    chosen_by_goal,
    from_flags,
    front,
    picture,
    proposals,
    ranked,
    report,
    search,
)
from hw.rtl.config import DEFAULT, find_config, whole_configs
from sw.cli import UserError
from sw.encoder import LatencyEncoder
from sw.network import find, zoo_names
from sw.selection import Selection

NETWORK = image_network(np.random.default_rng(0))


def candidate(accuracy, cells, cycles, board="icebreaker", network=NETWORK):
    return Candidate(
        network=network,
        config=DEFAULT,
        board=BOARDS[board],
        cells=cells,
        memories=1,
        accuracy=accuracy,
        cycles_mean=cycles,
        cycles_max=int(2 * cycles),
    )


def test_costs():
    one = candidate(0.9, 2000, 58.5)
    assert one.microseconds == 58.5e6 / BOARDS["icebreaker"].clock
    assert one.work == 2 * (16 + 58.5)  # 4 × 4 pixels
    assert [one.cost(goal) for goal in ("latency", "area", "energy")] == [
        one.microseconds,
        2000,
        one.work,
    ]


@pytest.mark.parametrize(
    ("limits", "kept"),
    [
        (Limits(), True),
        (Limits(cells=2000, cycles=50, accuracy=0.9), True),
        (Limits(cells=1999), False),
        (Limits(cycles=49.9), False),
        (Limits(accuracy=0.9001), False),
    ],
)
def test_limits(limits, kept):
    assert candidate(0.9, 2000, 50).keeps(limits) is kept


@pytest.mark.smoke
def test_front():
    """A candidate is dominated if another is as good in everything and better in something."""
    small, fast, right = candidate(0.9, 10, 90), candidate(0.9, 90, 10), candidate(0.99, 90, 90)
    both, worse = candidate(0.95, 50, 50), candidate(0.95, 51, 50)
    twin = replace(small, cycles_max=7)
    assert front([small, worse, fast, right, both, twin]) == [small, fast, right, both, twin]
    assert front([worse]) == [worse]
    assert front([]) == []


@pytest.mark.parametrize(
    ("goal", "limits", "cells"),
    [
        ("latency", Limits(), 900),
        ("area", Limits(), 100),
        ("energy", Limits(), 300),
        ("area", Limits(accuracy=0.95), 500),
        ("area", Limits(cycles=50), 300),
        ("latency", Limits(cells=899), 300),
        ("latency", Limits(cells=899, accuracy=0.95), 500),
    ],
)
def test_best(goal, limits, cells):
    there = [
        candidate(0.90, 100, 900),
        candidate(0.93, 300, 40),
        candidate(0.97, 500, 80),
        candidate(0.95, 900, 30),
    ]
    assert ranked(there, goal, limits)[0].cells == cells


def test_equals_are_told_apart_by_accuracy_then_by_cells():
    there = [candidate(0.90, 200, 40), candidate(0.95, 300, 40), candidate(0.95, 290, 40)]
    assert ranked(there, "latency", Limits())[0] is there[2]
    there = [candidate(0.95, 200, 40), candidate(0.95, 200, 39)]
    assert ranked(there, "area", Limits())[0] is there[1]


def test_nothing_within_the_limits():
    there = [candidate(0.90, 100, 900), candidate(0.97, 5000, 80)]
    message = (
        r"^no design that fits has at most 400 logic cells and at most 90 cycles and at least "
        r"95.00% accuracy; the best for each alone are 100 logic cells, 80.0 cycles, 97.00%: relax "
    )
    with pytest.raises(UserError, match=message):
        ranked(there, "area", Limits(cells=400, cycles=90, accuracy=0.95))
    with pytest.raises(UserError, match=r"^no network fits; name a larger --board"):
        ranked([], "area", Limits())


def fits(network, config, board):
    try:
        return not shortage(resources_of(network, config), board)
    except UserError:
        return False


@pytest.fixture
def measured(monkeypatch):
    """Figures that are made up: cycles fall with the banks."""
    asked = []

    def measurement(self):
        asked.append((self.network.name, self.config.name, self.selection))
        whole = self.config.whole  # one that has no lanes makes a unit at a time
        banks = getattr(whole, "lanes", 1) if whole else self.config.engine(0).banks
        return Measurement(images=1, accuracy=0.9, cycles_mean=120 / banks, cycles_max=200, note="")

    monkeypatch.setattr(Observation, "measurement", property(measurement))
    return asked


def test_engines_of_maps(measured, rng, tmp_path):
    """All lanes, and both kinds of memory; more lanes are faster and larger."""
    network = map_network(rng, "8c3p1-f2-10", 4, LatencyEncoder(shape=(8, 8)), low=2, high=5)
    board = BOARDS["ulx3s"]
    found = search([network], [board], data=Selection(data_dir=tmp_path), log=lambda text: None)
    assert [c.config.name for c in found] == [
        config.name for config in whole_configs(network) if fits(network, config, board)
    ]
    names = {c.config.name for c in found}
    assert {"tiles-1", "tiles-16", "tiles-4-spram"} <= names
    assert "event" not in names
    by_lanes = {c.config.name: c for c in found}
    assert by_lanes["tiles-8"].cells > by_lanes["tiles-1"].cells
    best = ranked(found, "latency", Limits())[0]
    assert best.config.whole.lanes == max(c.config.whole.lanes for c in found)
    small = ranked(found, "area", Limits())[0]
    assert small.config.name == "gather-8"


def test_data_and_answer_are_asked_for_once(rng, monkeypatch):
    loaded = []
    network = image_network(rng, shape=(8, 8), hidden=(9,), classes=10)

    def load(network, selection, count):
        loaded.append(network.name)
        return rng.integers(0, 256, (4, 8, 8)).astype(np.uint8), np.zeros(4, int)

    monkeypatch.setattr(measure, "load_for", load)
    first = Observation(network)
    assert first.measurement.images == 4
    other = first.with_config(find_config("event-2"))
    assert other.measurement.accuracy == first.measurement.accuracy
    assert other.measurement.cycles_mean <= first.measurement.cycles_mean
    assert loaded == ["random"]


def test_search_tries_all_that_fits(measured, rng, tmp_path):
    small = image_network(rng, shape=(8, 8), hidden=(20,), name="small")
    large = image_network(rng, shape=(28, 28), hidden=(600,), name="large")
    boards = [BOARDS["icebreaker"], BOARDS["ulx3s"]]
    said = []
    data = Selection(data_dir=tmp_path)
    found = search([small, large], boards, data=data, log=said.append)
    expected = [
        (network.name, config.name, board.name)
        for network in (small, large)
        for config in whole_configs(network)
        for board in boards
        if fits(network, config, board)
    ]
    assert [(c.network.name, c.config.name, c.board.name) for c in found] == expected
    assert ("large", "event", "ulx3s") in expected
    assert ("large", "event", "icebreaker") not in expected
    assert ("large", "folded-32-spram,event", "icebreaker") in expected
    assert len(measured) == len(said) == len({pair[:2] for pair in expected})
    assert all(given == data for *_, given in measured)
    for one in found:
        what = resources_of(one.network, one.config)
        assert one.cells == what.logic_cells(one.board.family)
        assert one.memories == what.block_rams(one.board.family)
        assert one.cycles_mean == 120 / one.config.engine(0).banks


def test_an_engine_that_is_not_for_a_network_is_left_out(measured, rng):
    """Four banks cannot share two units."""
    network = image_network(rng, hidden=(2,))
    found = search([network], [BOARDS["icebreaker"]], log=lambda text: None)
    names = {c.config.name for c in found}
    assert names == {
        c.name for c in whole_configs(network) if fits(network, c, BOARDS["icebreaker"])
    }
    assert {"event", "event-2"} <= names
    assert "event-4" not in names


def test_what_is_known_to_route(measured):
    """The boards' own designs are; no other one of the zoo with four banks."""
    network = find(BOARDS["ice40hx8k"].network)
    configs = [find_config("event"), find_config("popcount-8,event")]
    found = search(
        [network], [BOARDS["ulx3s"], BOARDS["ice40hx8k"]], configs=lambda _: configs, log=list
    )
    routed = {(c.board.name, c.config.name): c.routed for c in found}
    assert routed[("ice40hx8k", "event")] is True
    assert routed[("ulx3s", "event")] is False
    assert routed[("ulx3s", "popcount-8,event")] is False
    lines = report(found, found[0]).splitlines()[1:]
    assert sum(line.endswith("  not routed yet") for line in lines) == len(found) - 1
    assert [row["routed"] for row in proposals(found, found[0]).to_dict()["front"]].count(True) == 1


@pytest.mark.deep
def test_what_is_chosen_is_known_to_route_or_marked(monkeypatch):
    """Every design that the exploration chooses for a board and a goal on its usual clock, by the
    first 5 images: all of them through every engine for maps would take half an hour.
    """
    monkeypatch.setattr("hw.explore.search.Observation", partial(Observation, count=5))
    known = read_routed()
    for board in BOARDS.values():
        for chosen in chosen_by_goal(board, None, lambda text: None):
            there = is_routed(board.name, chosen.network.sha256, chosen.config.name, known)
            assert chosen.routed is there
            marked = report([chosen], chosen).endswith("  not routed yet")
            assert marked is not there


def test_data_that_cannot_be_had(rng):
    network = image_network(rng)
    network.provenance["dataset"] = "of my own"
    with pytest.raises(UserError, match=r"^network 'random': not measured: .*of my own"):
        search([network], [BOARDS["icebreaker"]], log=lambda text: None)


def flags(**given):
    names = ("network", "goal", "max_lc", "max_cycles", "min_accuracy")
    names += tuple(field.name for field in fields(Selection))
    return Namespace(**{**dict.fromkeys(names), "engine": "auto", **given})


@pytest.mark.parametrize(
    ("given", "search"),
    [
        ({}, True),
        ({"engine": "event"}, False),
        ({"engine": "event", "goal": "area"}, True),
        ({"engine": "event", "max_lc": 1}, True),
        ({"engine": "event", "max_cycles": 1.0}, True),
        ({"engine": "event", "min_accuracy": 0.0}, True),
    ],
)
def test_what_asks_for_a_search(given, search):
    assert asked(flags(**given)) is search


def test_one_engine_only(measured):
    there = from_flags(
        flags(network="digits-64-192-10-t16", engine="event", goal="area"), None, lambda text: None
    )
    assert {c.config.name for c in there} == {"event"}


def test_from_flags(measured):
    """Without a network those of the zoo for the board's data set; without a board all."""
    quiet = {"log": lambda text: None}
    there = from_flags(flags(goal="area"), BOARDS["icebreaker"], **quiet)
    chosen = there[0]
    dataset = find(BOARDS["icebreaker"].network).provenance["dataset"]
    names = {
        n for n in zoo_names(codings=("first-spike",)) if find(n).provenance["dataset"] == dataset
    }
    assert {name for name, *_ in measured} <= names
    assert [c.cells for c in there] == sorted(c.cells for c in there)
    assert {c.board.name for c in there} == {"icebreaker"}
    assert chosen.cells == min(c.cells for c in there)

    measured.clear()
    there = from_flags(flags(network="digits-64-192-10-t16"), None, **quiet)
    chosen = there[0]
    assert {name for name, *_ in measured} == {"digits-64-192-10-t16"}
    assert chosen.microseconds == min(c.microseconds for c in there)
    assert chosen.board.clock == max(
        board.clock
        for board in BOARDS.values()
        if not shortage(resources_of(chosen.network), board)
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"max_lc": 0}, r"^--max-lc must be above 0, not 0$"),
        ({"max_cycles": -1.5}, r"^--max-cycles must be above 0, not -1.5$"),
        ({"min_accuracy": 97}, r"^--min-accuracy must be in 0 … 1, not 97$"),
    ],
)
def test_limits_out_of_range(given, message):
    with pytest.raises(UserError, match=message):
        from_flags(flags(**given), None, lambda text: None)


def test_report_and_figures(tmp_path):
    one, other = candidate(0.975, 4000, 58.5), candidate(0.98, 5100, 50, board="ulx3s")
    lines = report([one, other], one).splitlines()
    assert [line[:2] for line in lines] == ["  ", "  ", "* "]  # the fastest first
    time = 58.5e6 / BOARDS["icebreaker"].clock  # µs
    said = f"random event icebreaker 97.50% 4,000 1 58.5 117 {time:.2f} 298 not routed yet"
    assert lines[2].split()[1:] == said.split()
    rows = proposals([one, other], one).to_dict()["front"]
    assert [row["chosen"] for row in rows] == [True, False]
    assert rows[1]["board"] == "ulx3s"
    assert rows[0]["microseconds_mean"] == time
    assert json.loads(json.dumps(rows)) == rows
    picture(tmp_path / "front.png", [one, other], one)
    assert (tmp_path / "front.png").read_bytes().startswith(b"\x89PNG")


def test_columns_of_a_report_stay_apart():
    """Whatever is long: a network's name, an engine's, or a figure. Names begin in one column, and
    figures end in one.
    """
    network = image_network(np.random.default_rng(0), name="of-a-name-that-fills-a-line" * 3)
    long = replace(
        candidate(0.9935, 1_234_567, 76657.5, network=network),
        config=find_config("folded-16-spram,event-2"),
        memories=12_345_678,
        cycles_max=14_002_440_000,
    )
    short = candidate(0.5, 1, 1)
    head, *lines = (re.split("  +", line[2:]) for line in report([long, short], short).splitlines())
    assert lines[1][:4] == [network.title, long.config.name, "icebreaker", "99.35%"]
    assert lines[1][4:8] == ["1,234,567", "12345678", "76657.5", "14002440000"]
    assert [len(head), *map(len, lines)] == [10, 11, 11]  # with the remark
    shown = [line.removesuffix("  not routed yet") for line in report([long], long).splitlines()]
    assert len(shown[0]) == len(shown[1])
    for place, (title, entry) in enumerate(zip(head, lines[1], strict=False)):
        begins = shown[0].rindex(title), shown[1].index(entry)  # "network" has "work"
        ends = begins[0] + len(title), begins[1] + len(entry)
        assert len(set(begins if place < 3 else ends)) == 1


def test_the_commands(rng, tmp_path):
    """What the estimate chooses for a board the build makes."""
    network = image_network(rng, shape=(8, 8), hidden=(4,), classes=10, steps=4, name="tiny")
    network.save(tmp_path / "tiny.safetensors")
    out, drawn = tmp_path / "front.json", tmp_path / "front.png"
    arguments = (tmp_path / "tiny.safetensors", "--board", "ice40", "--engine", "auto")
    arguments += ("--goal", "area")
    result = command("hw.estimate", *arguments, "--json", out, "--picture", drawn)
    assert (result.returncode, result.stderr) == (0, "")
    rows = json.loads(out.read_text())["front"]
    (chosen,) = (row for row in rows if row["chosen"])
    assert chosen["logic_cells"] == min(row["logic_cells"] for row in rows)
    assert re.search(rf"^\* tiny +{chosen['engine']} ", result.stdout, re.MULTILINE)
    assert drawn.exists()
    result = command("hw.build", *arguments, "--dry-run", "--build-dir", tmp_path / "b")
    assert (result.returncode, result.stderr) == (0, "")
    assert f"\ntiny with {chosen['engine']}\n" in result.stdout
    folder = "tiny" if chosen["engine"] == DEFAULT.name else f"tiny-{chosen['engine']}"
    assert f"  {tmp_path / 'b' / 'icebreaker' / folder / 'tiny.bin'}\n" in result.stdout


def test_a_limit_that_nothing_keeps(rng, tmp_path):
    network = image_network(rng, shape=(8, 8), hidden=(4,), classes=10, steps=4, name="tiny")
    network.save(tmp_path / "tiny.safetensors")
    for module in ("hw.estimate", "hw.build"):
        arguments = (tmp_path / "tiny.safetensors", "--board", "ice40", "--max-lc", 10)
        result = command(module, *arguments)
        assert result.returncode == 2
        assert result.stderr.startswith("error: no design that fits has at most 10 logic cells; ")
        assert result.stderr.count("\n") == 1
