"""What the tools are given."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from samples import with_another_sign

from hw.boards.clock import fastest_clock
from hw.boards.table import BOARDS
from hw.explore.designs import Design, design_network
from hw.flow.plan import plan
from hw.flow.tools import run_tool
from hw.rtl.config import DEFAULT, find_config

ROOT = Path(__file__).parents[3]
LOADED = find_config("folded-16-spram,event")

pytestmark = pytest.mark.usefixtures("fresh_tools")


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_the_plan_is_the_same_every_time(tiny, board):
    digest = plan(tiny, board).digest()
    assert digest == plan(tiny, board, clock=board.clock).digest()
    assert digest != plan(tiny, board, seed=board.seed + 1).digest()
    assert digest != plan(with_another_sign(tiny), board).digest()
    faster = fastest_clock(board, 1.2 * board.clock)
    assert digest != plan(tiny, board, clock=faster).digest()


def test_the_router_that_ends_where_spram_is(tiny, lanes):
    board = replace(BOARDS["icebreaker"], route="")
    for chosen, config, safe in ((tiny, DEFAULT, False), (lanes, LOADED, True)):
        commands = plan(chosen, board, config=config).files["build_top.json"]
        assert ("router2" in commands) is safe


@pytest.mark.deep
def test_elements_of_arrays_are_not_taken_for_bits(tmp_path):
    """Of this network Yosys 0.70 stopped on the way back from ABC9."""
    network = design_network(Design((8, 8), "8c3p1-f2-10", 4))
    the_plan = plan(network, BOARDS["ulx3s"], config=find_config("tiles-4"))
    the_plan.extract(tmp_path)
    _, *arguments = json.loads(the_plan.files["build_top.json"])["commands"][0]
    run_tool("yosys", arguments, cwd=tmp_path, log=tmp_path / "log")
    assert (tmp_path / "top.json").stat().st_size


@pytest.mark.parametrize(
    ("board", "engine", "narrow"),
    [
        ("ulx3s", "bistable-16x4", True),
        ("ulx3s", "tiles-4", False),
        ("icebreaker", "bistable-16x4", False),
    ],
)
def test_arrays_of_lanes_have_small_lookup_tables_and_the_router_that_ends(board, engine, narrow):
    """Only where it was measured: others are known to route as they are."""
    config = find_config(engine)
    layers = "8c3p1-m2-10" if config.coding == "bistable" else "8c3p1-f2-10"
    network = design_network(Design((8, 8), layers, 4, engine=engine))
    files = plan(network, replace(BOARDS[board], route=""), config=config).files
    assert ("-nowidelut" in files["top.ys"]) is narrow
    assert ("router2" in files["build_top.json"]) is narrow


def test_the_plan_does_not_depend_on_where_the_project_lies(tiny, tmp_path):
    tiny.save(tmp_path / "tiny.safetensors")
    code = (
        "import sys, hw.flow.plan, hw.boards.table, sw.network; print(hw.__path__[0]); "
        "print(hw.flow.plan.plan(sw.network.find(sys.argv[1]), hw.boards.table.BOARDS['ulx3s'])"
        ".digest().hex())"
    )
    digests = []
    for place in ("here", "another place/of it"):
        home = tmp_path / place
        for part in ("hw", "sw"):
            shutil.copytree(ROOT / part, home / part, ignore=shutil.ignore_patterns("__pycache__"))
        folder, digest = subprocess.run(
            [sys.executable, "-c", code, tmp_path / "tiny.safetensors"],
            cwd=home,
            env={**os.environ, "PYTHONPATH": str(home)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.splitlines()
        assert folder == str(home / "hw")
        digests.append(digest)
    assert digests == [plan(tiny, BOARDS["ulx3s"]).digest().hex()] * 2
