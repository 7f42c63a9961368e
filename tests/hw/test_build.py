"""The build: from a network to a bitstream and its report, and all that may go wrong on the way."""

import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from networks import speech
from samples import command, events_network, image_network

from hw import build as builder
from hw.boards.clock import fastest_clock
from hw.boards.table import BOARDS
from hw.explore.measure import measure, performance
from hw.flow import bitstream, route
from hw.flow.bitstream import build, plan
from hw.flow.tools import tool_version
from hw.link import weight_image
from hw.rtl.config import DEFAULT, find_config
from hw.rtl.core import loaded_words
from sim import golden
from sim.cycles import model
from sw.cli import UserError
from sw.data import registry
from sw.data.registry import load
from sw.network import Network, find

ICEBREAKER = BOARDS["icebreaker"]
MHZ = ICEBREAKER.clock / 1e6
ROOT = Path(builder.__file__).parents[1]

# Tools that are over at once and note each run. $0 lies beside the log. Place and route reaches 2 %
# more than it is asked for.
_ROUTE = """
while [ "$1" != --freq ]; do shift; done
fmax=$(awk "BEGIN {{ print 1.02 * $2 }}")
cat > nextpnr.json <<END
{{"fmax": {{"slow": {{"achieved": $fmax}}, "fast": {{"achieved": 999.0}}}}}}
END
printf 'Info: \\t %s: %d/ 9999 1%%%%\\n' {} > top.tim"""
_STUBS = {
    "yosys": 'echo "   100   SB_LUT4" > top.rpt; echo "     4   SB_RAM40_4K" >> top.rpt',
    "nextpnr-ice40": _ROUTE.format("ICESTORM_LC 123 ICESTORM_RAM 4"),
    "icepack": "echo whole > top.bin",
    "nextpnr-ecp5": _ROUTE.format("TRELLIS_COMB 456 DP16KD 3"),
    "ecppack": "echo whole > top.bit",
    "nextpnr-himbaechel-gowin": _ROUTE.format("LUT4 400 ALU 50 BSRAM 3"),
    "gowin_pack": "echo whole > top.fs",
}


pytestmark = pytest.mark.usefixtures("fresh_tools")


@pytest.fixture
def network(rng):
    """For the digits data set."""
    return image_network(rng, shape=(8, 8), hidden=(4,), classes=10, steps=4, pool=4, name="tiny")


class Stubs:
    """Stand-ins for the tools, by $YOSYS and so on."""

    def __init__(self, folder, monkeypatch):
        self.folder = folder
        self.variables = {}
        for tool in _STUBS:
            self.write(tool)
            variable = tool.upper().replace("-", "_")
            self.variables[variable] = str(folder / tool)
            monkeypatch.setenv(variable, str(folder / tool))

    def write(self, tool, action=None, version="1"):
        path = self.folder / tool
        path.write_text(
            f'#!/bin/sh\nif [ "$1" = --version ]; then echo {tool} {version}; exit; fi\n'
            f'echo {tool} >> "{self.folder}/runs"\n{action or _STUBS[tool]}\n'
        )
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        tool_version.cache_clear()

    def take_runs(self):
        """The tools that ran since the last call."""
        runs = self.folder / "runs"
        text = runs.read_text() if runs.exists() else ""
        runs.unlink(missing_ok=True)
        return text.split()


ALL = ["yosys", "nextpnr-ice40", "icepack"]


@pytest.fixture
def stubs(tmp_path, monkeypatch):
    (tmp_path / "tools").mkdir()
    return Stubs(tmp_path / "tools", monkeypatch)


def quiet_build(network, tmp_path, board=ICEBREAKER, **how):
    return build(network, board, build_dir=tmp_path / "b", say=lambda text: None, **how)


def test_with_the_real_tools(network, tmp_path):
    """A bitstream, its report, and the second time nothing is run. The search for the clock has
    real tools in the README's path.
    """
    said = []
    how = {"build_dir": tmp_path, "say": said.append, "clock": ICEBREAKER.clock}
    report = build(network, ICEBREAKER, **how)
    folder = tmp_path / "icebreaker" / "tiny"
    bitstream = folder / "tiny.bin"
    content = bitstream.read_bytes()
    assert b"\x7e\xaa\x99\x7e" in content  # the preamble of an iCE40 bitstream
    assert len(content) > 50_000
    assert json.loads((folder / "report.json").read_text()) == report

    data = load("digits")
    answer = golden.run_images(network, data.test_images)
    count = model.cycles(network, data.test_images, answer)
    exact = {
        "board": "icebreaker",
        "part": "iCE40UP5K-SG48",
        "network": "tiny",
        "network_sha256": network.sha256,
        "layers": "4-4-10",
        "steps": 4,
        "weight_bits": 56,
        "engine": "event",
        "bitstream": str(bitstream),
        "bitstream_sha256": hashlib.sha256(content).hexdigest(),
        "spram": 0,
        "accuracy": (answer.label == data.test_labels).mean(),
        "cycles_mean": count.mean(),
        "cycles_max": count.max(),
        "images": len(data.test_images),
        "seed": 0,
    }
    assert {key: report[key] for key in exact} == exact
    assert 300 < report["logic_cells"] < 2000
    assert report["ebr"] >= 2
    assert report["clock_mhz"] == ICEBREAKER.clock / 1e6 <= report["fmax_mhz"]
    assert set(report["tools"]) == {"yosys", "nextpnr-ice40", "icepack", "amaranth"}
    assert all(report["tools"].values())

    said.clear()
    assert build(network, ICEBREAKER, **how) == report
    assert said == [f"{bitstream} is up to date"]
    assert bitstream.read_bytes() == content


def test_report_names(stubs, network, tmp_path):
    """The names that other tools rely on, and the figures that the tools gave."""
    report = quiet_build(network, tmp_path)
    assert {
        *("board", "network", "network_sha256", "engine", "bitstream", "logic_cells", "ebr"),
        *("spram", "fmax_mhz", "clock_mhz", "cycles_mean", "cycles_max", "accuracy", "tools"),
    } <= set(report)
    figures = [report[name] for name in ("logic_cells", "ebr", "spram", "fmax_mhz")]
    assert figures == [123, 4, 0, pytest.approx(1.02 * MHZ, abs=0.01)]
    assert report["available"] == {"logic_cells": 5280, "ebr": 30, "spram": 4}
    assert report["microseconds_mean"] == report["cycles_mean"] / MHZ
    assert report["microseconds_at_fmax_max"] == report["cycles_max"] / report["fmax_mhz"]
    assert stubs.take_runs() == ALL


@pytest.mark.parametrize(
    ("board", "tools", "suffix", "figures"),
    [
        ("ulx3s", ["yosys", "nextpnr-ecp5", "ecppack"], "bit", [456, 3, 0]),
        ("tangnano9k", ["yosys", "nextpnr-himbaechel-gowin", "gowin_pack"], "fs", [450, 3, 0]),
    ],
)
def test_report_for_another_family(stubs, network, tmp_path, board, tools, suffix, figures):
    board = BOARDS[board]
    report = build(network, board, build_dir=tmp_path, say=lambda text: None)
    assert stubs.take_runs() == tools
    bitstream = tmp_path / board.name / "tiny" / f"tiny.{suffix}"
    assert bitstream.read_text() == "whole\n"
    names = ("bitstream", "logic_cells", "ebr", "spram", "clock_mhz")
    assert [report[name] for name in names] == [str(bitstream), *figures, board.clock / 1e6]
    assert report["available"] == {
        "logic_cells": board.logic_cells,
        "ebr": board.memories,
        "spram": board.spram,
    }


# A search that begins with 24 MHz.
SEARCHED = replace(ICEBREAKER, clock=24_000_000)

# Place and route that reaches the frequencies in a file, one after the other. The bitstream tells
# which run it comes from.
_REACHES = """
read fmax < "$(dirname $0)/fmaxes" || exit 1; sed -i 1d "$(dirname $0)/fmaxes"
echo "{\\"fmax\\": {\\"clk\\": {\\"achieved\\": $fmax}}}" > nextpnr.json; : > top.tim
"""


def reaches(stubs, *fmaxes):
    (stubs.folder / "fmaxes").write_text("".join(f"{fmax}\n" for fmax in fmaxes))
    stubs.write("nextpnr-ice40", _REACHES)
    stubs.write("icepack", 'basename "$PWD" > top.bin')


@pytest.mark.parametrize(
    ("fmaxes", "clock", "fmax"),
    [
        ([24], 24, 24),  # as usual: nothing faster to be had
        ([25.2], 24, 25.2),
        ([31, 30], 29.25, 30),  # 5 % below 31 is 29.45
        ([31, 32], 29.25, 32),  # 30.375 would gain too little
        ([31, 40, 38], 37.5, 38),
        ([31, 29.25], 29.25, 29.25),
        ([31, 29, 28], 27.375, 28),
        ([31, 29, 27], 24, 31),  # the third fails, too: back to the first
        ([31, 24.5], 24, 31),  # 5 % below 24.5 is slower than the first
        ([20, 19.5], 18.75, 19.5),  # 24 is not reached
        ([20, 18.5, 18], 17.25, 18),
    ],
)
def test_the_clock_is_the_fastest_that_is_reached(stubs, network, tmp_path, fmaxes, clock, fmax):
    reaches(stubs, *fmaxes)
    report = quiet_build(network, tmp_path, SEARCHED)
    assert (report["clock_mhz"], report["fmax_mhz"]) == (clock, fmax)
    assert stubs.take_runs() == ALL * len(fmaxes)
    bitstream = tmp_path / "b" / "icebreaker" / "tiny" / "tiny.bin"
    assert bitstream.read_text() == f"{clock:g}MHz\n"
    assert report["microseconds_max"] == report["cycles_max"] / clock
    assert quiet_build(network, tmp_path, SEARCHED) == report
    assert stubs.take_runs() == []


@pytest.mark.parametrize("clock", [16.875, 24, 30])
def test_a_clock_that_is_asked_for(stubs, network, tmp_path, clock):
    reaches(stubs, 31)
    report = quiet_build(network, tmp_path, SEARCHED, clock=round(clock * 1e6))
    assert (report["clock_mhz"], report["fmax_mhz"]) == (clock, 31)
    assert stubs.take_runs() == ALL
    assert quiet_build(network, tmp_path, SEARCHED, clock=round(clock * 1e6)) == report
    assert stubs.take_runs() == []
    # The search is another build, whose first run may be there already.
    reaches(stubs, 31, 31)
    assert quiet_build(network, tmp_path, SEARCHED)["clock_mhz"] == 29.25


@pytest.mark.parametrize(
    ("fmaxes", "clock", "message"),
    [
        ([29], 30e6, "clock 30 MHz: .* gives 29 MHz; name --clock 27.375 or a smaller network"),
        ([20, 18, 16], None, "clock 16.875 MHz: .* gives 20 MHz; name --clock 12 or a smaller"),
    ],
)
def test_a_clock_that_is_not_reached(stubs, network, tmp_path, fmaxes, clock, message):
    reaches(stubs, *fmaxes)
    with pytest.raises(UserError, match=f"^{message}"):
        quiet_build(network, tmp_path, SEARCHED, clock=clock and round(clock))
    assert stubs.take_runs() == ALL * len(fmaxes)
    folder = tmp_path / "b" / "icebreaker" / "tiny"
    assert [path.name for path in folder.iterdir()] == ["work"]


def test_a_search_goes_on_where_it_was_stopped(stubs, network, tmp_path):
    """What was placed and routed for a clock is not done again, unless it is damaged."""
    reaches(stubs, 31)
    with pytest.raises(UserError, match=r"^nextpnr-ice40 failed: "):
        quiet_build(network, tmp_path, SEARCHED)
    assert stubs.take_runs() == [*ALL, "yosys", "nextpnr-ice40"]
    reaches(stubs, 30)
    assert quiet_build(network, tmp_path, SEARCHED)["clock_mhz"] == 29.25
    assert stubs.take_runs() == ALL
    folder = tmp_path / "b" / "icebreaker" / "tiny"
    (folder / "report.json").unlink()
    (folder / "work" / "24MHz" / "top.bin").write_text("else")
    reaches(stubs, 31)
    assert quiet_build(network, tmp_path, SEARCHED)["clock_mhz"] == 29.25
    assert stubs.take_runs() == ALL


# Place and route that never ends for the seeds in a file, by clock, and else reaches 28 % more.
_ROUTES = """
while [ "$1" != --freq ]; do shift; done
echo "Info:     iter=17 wires=9 overused=2 overuse=2 archfail=NA" > top.tim
if grep -qx "$2 $4" "$(dirname $0)/endless"; then
    echo "Info:     iter=501 wires=9 overused=2 overuse=2 archfail=NA" >> top.tim
    exec sleep 600
fi
fmax=$(awk "BEGIN { print 1.28 * $2 }")
echo "{\\"fmax\\": {\\"clk\\": {\\"achieved\\": $fmax}}}" > nextpnr.json
"""
ROUTE = "nextpnr-ice40"


@pytest.mark.parametrize(
    ("endless", "clock", "placement", "runs"),
    [
        ([], 34.5, 0, [*ALL] * 3),
        (["24 0"], 34.5, 0, ["yosys", ROUTE, *ALL[1:], *ALL * 2]),
        (["34.5 0", "34.5 1"], 34.5, 2, [*ALL * 2, "yosys", ROUTE, ROUTE, *ALL[1:]]),
        (["28.875 0", "28.875 1", "28.875 2"], 24, 0, [*ALL, "yosys", *[ROUTE] * 3]),
        (["34.5 0", "34.5 1", "34.5 2"], 28.875, 0, [*ALL * 2, "yosys", *[ROUTE] * 3]),
    ],
)
def test_a_router_that_never_ends(stubs, network, tmp_path, endless, clock, placement, runs):
    """It is given up by its own count, placed again, and then the clock that was reached stands."""
    (stubs.folder / "endless").write_text("".join(f"{line}\n" for line in endless))
    stubs.write(ROUTE, _ROUTES)
    report = quiet_build(network, tmp_path, SEARCHED)
    assert (report["clock_mhz"], report["placement_seed"]) == (clock, placement)
    assert stubs.take_runs() == runs
    assert quiet_build(network, tmp_path, SEARCHED) == report
    assert stubs.take_runs() == []


def test_a_router_that_never_ends_for_the_first_clock(stubs, network, tmp_path):
    (stubs.folder / "endless").write_text("".join(f"24 {seed}\n" for seed in (4, 5, 6)))
    stubs.write(ROUTE, _ROUTES)
    message = rf"^clock 24 MHz: {ROUTE} found no way for all wires in 3 placements, from --seed 4 "
    with pytest.raises(UserError, match=message):
        quiet_build(network, tmp_path, SEARCHED, seed=4)
    assert stubs.take_runs() == ["yosys", *[ROUTE] * 3]
    folder = tmp_path / "b" / "icebreaker" / "tiny"
    assert [path.name for path in folder.iterdir()] == ["work"]


def test_a_router_that_takes_too_long(stubs, network, tmp_path, monkeypatch):
    """The first router counts no rounds: time is its limit, once."""
    (stubs.folder / "endless").write_text("28.875 0\n")
    stubs.write(ROUTE, _ROUTES.replace("iter=501", "still"))
    monkeypatch.setattr(route, "_MINUTES", 0.05)
    report = quiet_build(network, tmp_path, SEARCHED)
    assert (report["clock_mhz"], report["placement_seed"]) == (24, 0)
    assert stubs.take_runs() == [*ALL, "yosys", ROUTE]


LOADED = find_config("folded-16-spram,event")


@pytest.fixture
def loaded(rng):
    """A network with room for lanes."""
    return image_network(rng, shape=(8, 8), hidden=(34,), classes=10, steps=4, pool=4, name="tiny")


@pytest.mark.parametrize("board", ["icebreaker", "upduino3"])
def test_weights_that_are_loaded(stubs, loaded, tmp_path, board):
    """Image and flash lie beside the bitstream, the same every time, and are mended."""
    board = BOARDS[board]
    report = quiet_build(loaded, tmp_path, board, config=LOADED)
    bitstream = Path(report["bitstream"])
    weights, flash = bitstream.with_suffix(".weights"), bitstream.with_suffix(".flash")
    content = weight_image.pack(loaded, loaded_words(loaded, LOADED))
    assert report["weights"] == str(weights)
    assert weight_image.read_image(weights, loaded) == content
    commands = {"host": f"python -m hw.host NETWORK --port PORT --load {weights}"}
    if board.weights_at is None:
        assert not flash.exists()
        assert "flash" not in report
    else:
        assert report["flash"] == str(flash)
        assert flash.read_bytes() == b"whole\n" + b"\xff" * ((1 << 20) - 6) + content
        commands["flash"] = f"iceprog {flash}"
        commands["weights"] = f"iceprog -o 1048576 {weights}"
    assert report["commands"] == commands
    assert json.loads(bitstream.with_name("report.json").read_text()) == report
    text = builder.summary(report)
    assert all(f" {command}\n" in f"{text}\n" for command in commands.values())

    stubs.take_runs()
    files = {path: path.read_bytes() for path in bitstream.parent.iterdir() if path.is_file()}
    assert len(files) == 3 + (board.weights_at is not None)
    weights.write_bytes(b"else")
    flash.unlink(missing_ok=True)
    assert quiet_build(loaded, tmp_path, board, config=LOADED) == report
    assert stubs.take_runs() == []
    assert {path: path.read_bytes() for path in files} == files


def test_no_weights_to_load(stubs, network, tmp_path):
    report = quiet_build(network, tmp_path)
    assert not {"weights", "flash", "commands"} & set(report)
    names = {path.name for path in Path(report["bitstream"]).parent.iterdir()}
    assert names == {"tiny.bin", "report.json", "work"}


def other_network(network):
    layer = network.layers[0]
    weight = layer.weight.copy()
    weight[0, 0] ^= True
    layers = (type(layer)(weight=weight, threshold=layer.threshold), *network.layers[1:])
    return Network(
        name=network.name,
        steps=network.steps,
        encoder=network.encoder,
        layers=layers,
        labels=network.labels,
        provenance=network.provenance,
    )


@pytest.mark.parametrize(
    ("change", "runs"),
    [
        ("nothing", []),
        ("one weight", ALL),
        ("seed", ALL),
        ("tool", ALL),
        ("bitstream altered", []),  # it is copied once more
        ("bitstream gone", []),
        ("report damaged", []),
        ("report gone", []),
        ("work gone", []),
        ("bitstream and work gone", ALL),
    ],
)
def test_reuse(stubs, network, tmp_path, change, runs):
    first = quiet_build(network, tmp_path)
    assert stubs.take_runs() == ALL
    folder = tmp_path / "b" / "icebreaker" / "tiny"
    how = {}
    if change == "one weight":
        network = other_network(network)
    elif change == "seed":
        how["seed"] = 1
    elif change == "tool":
        stubs.write("icepack", version="2")
    elif change == "bitstream altered":
        (folder / "tiny.bin").write_text("else")
    elif change.startswith("bitstream"):
        (folder / "tiny.bin").unlink()
    elif change == "report damaged":
        (folder / "report.json").write_text('{"board":')
    elif change == "report gone":
        (folder / "report.json").unlink()
    if change.endswith("work gone"):
        shutil.rmtree(folder / "work")
    report = quiet_build(network, tmp_path, **how)
    assert stubs.take_runs() == runs
    assert (folder / "tiny.bin").read_text() == "whole\n"
    assert json.loads((folder / "report.json").read_text()) == report
    assert report["network_sha256"] == network.sha256
    assert (report["digest"] == first["digest"]) is (change in _SAME_DIGEST)


_SAME_DIGEST = {
    *("nothing", "bitstream altered", "bitstream gone"),
    *("report damaged", "report gone", "work gone", "bitstream and work gone"),
}


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_the_plan_is_the_same_every_time(network, board):
    digest = plan(network, board).digest()
    assert digest == plan(network, board, clock=board.clock).digest()
    assert digest != plan(network, board, seed=1).digest()
    assert digest != plan(other_network(network), board).digest()
    faster = fastest_clock(board, 1.2 * board.clock)
    assert digest != plan(network, board, clock=faster).digest()


def test_the_router_that_ends_where_spram_is(network, loaded):
    board = replace(BOARDS["icebreaker"], route="")
    for chosen, config, safe in ((network, DEFAULT, False), (loaded, LOADED, True)):
        commands = plan(chosen, board, config=config).files["build_top.json"]
        assert ("router2" in commands) is safe


def test_the_plan_does_not_depend_on_where_the_project_lies(network, tmp_path):
    network.save(tmp_path / "tiny.safetensors")
    code = (
        "import sys, hw.build, hw.boards.table, sw.network; print(hw.__path__[0]); "
        "print(hw.build.plan(sw.network.find(sys.argv[1]), hw.boards.table.BOARDS['ulx3s'])"
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
    assert digests == [plan(network, BOARDS["ulx3s"]).digest().hex()] * 2


@pytest.mark.parametrize("tool", ALL)
@pytest.mark.parametrize(
    ("action", "message"),
    [
        ("echo starting; echo 'ERROR: it is broken'; exit 1", "ERROR: it is broken"),
        ("printf half > top.bin; kill -9 $$", "no output"),
    ],
)
def test_a_tool_that_fails(stubs, network, tmp_path, tool, action, message):
    stubs.write(tool, action)
    with pytest.raises(UserError, match=rf"^{tool} failed: {message} \(its log: .*{tool}\.log\)$"):
        quiet_build(network, tmp_path)
    assert stubs.take_runs() == ALL[: ALL.index(tool) + 1]
    folder = tmp_path / "b" / "icebreaker" / "tiny"
    assert [path.name for path in folder.iterdir()] == ["work"]
    stubs.write(tool)
    quiet_build(network, tmp_path)
    assert (folder / "tiny.bin").read_text() == "whole\n"


def test_a_failure_keeps_the_build_before(stubs, network, tmp_path):
    """Bitstream and report still belong to each other."""
    before = quiet_build(network, tmp_path)
    stubs.write("nextpnr-ice40", "exit 1")
    with pytest.raises(UserError):
        quiet_build(other_network(network), tmp_path)
    folder = tmp_path / "b" / "icebreaker" / "tiny"
    assert json.loads((folder / "report.json").read_text()) == before
    stubs.take_runs()
    assert quiet_build(network, tmp_path) == before
    assert stubs.take_runs() == []


def test_a_build_that_is_killed(stubs, network, tmp_path):
    network.save(tmp_path / "tiny.safetensors")
    stubs.write("icepack", "printf half > top.bin; kill -9 $PPID")
    arguments = ("hw.build", tmp_path / "tiny.safetensors", "--board", "ice40")
    arguments += ("--build-dir", tmp_path / "b")
    assert command(*arguments, **stubs.variables).returncode == -9
    folder = tmp_path / "b" / "icebreaker" / "tiny"
    assert [path.name for path in folder.iterdir()] == ["work"]
    assert (folder / "work" / f"{MHZ:g}MHz" / "top.bin").read_text() == "half"
    stubs.write("icepack")
    assert quiet_build(network, tmp_path)["logic_cells"] == 123
    assert (folder / "tiny.bin").read_text() == "whole\n"


def test_what_does_not_fit_is_refused_at_once(stubs, tmp_path):
    with pytest.raises(UserError, match=r"'mnist-784-600-10-t8' does not fit icebreaker: "):
        quiet_build(find("mnist-784-600-10-t8"), tmp_path)
    assert stubs.take_runs() == []
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (
            "5281 SB_LUT4",
            r"^the design does not fit icebreaker: .* at least 5281 logic cells of 5280;",
        ),
        (
            "31 SB_RAM40_4K",
            r"needs at least 31 block RAMs of 30; train with fewer hidden units or ",
        ),
    ],
)
def test_what_synthesis_finds_too_large(stubs, network, tmp_path, cells, message):
    stubs.write("yosys", f"echo '  {cells}' > top.rpt")
    with pytest.raises(UserError, match=message):
        quiet_build(network, tmp_path)
    assert stubs.take_runs() == ["yosys"]


@pytest.mark.parametrize(
    ("dataset", "note"),
    [
        ("of my own", r"^not measured: .*of my own"),
        (
            "digits",
            r"^not measured: network 'mine': takes images of 12 × 12 pixels, digits has images",
        ),
    ],
)
def test_data_that_cannot_be_had(stubs, rng, tmp_path, monkeypatch, dataset, note):
    """The bitstream is made all the same, and measured once the data are there."""
    network = image_network(rng, shape=(12, 12), hidden=(), classes=10, name="mine")
    network.provenance["dataset"] = dataset
    report = quiet_build(network, tmp_path)
    keys = ("accuracy", "cycles_mean", "cycles_max", "images")
    keys += ("microseconds_mean", "microseconds_max")
    assert {report[key] for key in keys} == {None}
    assert re.search(note, report["note"]), report["note"]
    assert stubs.take_runs() == ALL
    assert report["note"] in builder.summary(report)
    measured = dict.fromkeys(keys[:4], 7) | {"note": "measured"}
    monkeypatch.setattr(bitstream, "measure", lambda *_: measured)
    report = quiet_build(network, tmp_path)
    assert (report["accuracy"], report["microseconds_max"]) == (7, 7 / MHZ)
    assert stubs.take_runs() == []


def test_measure():
    network = find("digits-64-192-10-t16")
    figures = measure(network, None)
    data = load("digits")
    answer = golden.run_images(network, data.test_images)
    assert figures["accuracy"] == (answer.label == data.test_labels).mean() > 0.9
    assert figures["images"] == len(data.test_images)
    assert 0 < figures["cycles_mean"] <= figures["cycles_max"]
    assert figures["weight_bits_a_cycle"] == 192 + 10
    offered = figures["cycles_mean"] * figures["weight_bits_a_cycle"]
    fraction = figures["weight_bits_needed_mean"] / offered
    assert figures["limit_fraction"] == round(fraction, 4) > figures["limit_fraction_left"] > 0


@pytest.fixture
def words(rng, monkeypatch):
    """A data set of events, in place of any."""
    words = speech(rng)
    monkeypatch.setattr(registry, "load", lambda name, data_dir: words)
    return words


def test_measure_with_events(rng, words):
    network = events_network(rng, hidden=(20,), high=9)
    figures = measure(network, None)
    spikes = words.test_events.spikes(network.steps)
    answer = golden.run(network, spikes)
    count = model.cycles(network, spikes, answer)
    assert figures["images"] == 60
    assert figures["accuracy"] == (answer.label == words.test_labels).mean()
    assert (figures["cycles_mean"], figures["cycles_max"]) == (count.mean(), count.max())
    lines = dict(performance({**figures, "clock_mhz": 10}))
    assert "the first event, without a pause," in lines["time an image"]
    assert "pixel" not in str(lines)


def test_build_with_events(stubs, rng, words, tmp_path):
    network = events_network(rng, hidden=(20,))
    report = quiet_build(network, tmp_path)
    assert report["includes"] == "PLL, UART link, bypass, all layers, decision"
    assert report["accuracy"] == measure(network, None)["accuracy"]
    assert stubs.take_runs() == ALL


def test_build_without_a_pll(stubs, network, tmp_path):
    report = quiet_build(network, tmp_path, clock=BOARDS["icebreaker"].crystal)
    assert report["clock_mhz"] == 12
    assert report["includes"].startswith("UART link, latency encoder, ")


def test_command(stubs, network, tmp_path):
    network.save(tmp_path / "tiny.safetensors")
    arguments = ("hw.build", tmp_path / "tiny.safetensors", "--board", "ice40", "--seed", 3)
    arguments += ("--build-dir", tmp_path / "b", "--json", tmp_path / "out.json")
    result = command(*arguments, **stubs.variables)
    assert (result.returncode, result.stderr) == (0, "")
    folder = tmp_path / "b" / "icebreaker" / "tiny"
    report = json.loads((folder / "report.json").read_text())
    assert json.loads((tmp_path / "out.json").read_text()) == report
    assert report["seed"] == 3
    for text in (
        "board:            icebreaker (iCE40UP5K-SG48)",
        f"network sha256:   {network.sha256}",
        "logic cells:      123 of 5,280",
        "block RAMs:       4 of 30",
        f"clock:            {MHZ:g} MHz (reaches {report['fmax_mhz']} MHz)",
        f"accuracy, strict: {report['accuracy']:.2%} of {report['images']} test images",
        f"bitstream:        {folder / 'tiny.bin'}",
    ):
        assert f"{text}\n" in result.stdout
    assert command(*arguments, "-q", **stubs.variables).stdout == ""


def test_dry_run(stubs, network, tmp_path, capsys):
    network.save(tmp_path / "tiny.safetensors")
    arguments = [tmp_path / "tiny.safetensors", "--board", "icebreaker", "--dry-run", "--seed", 5]
    arguments += ["--clock", 30]
    builder.main([*map(str, arguments), "--build-dir", str(tmp_path / "b")])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "tiny (4-4-10) on 1BitSquared iCEBreaker, iCE40UP5K-SG48:"
    assert [line.split()[0] for line in lines[1:4]] == ALL
    assert "--freq 30 --seed 5 " in lines[2]
    folder = tmp_path / "b" / "icebreaker" / "tiny"
    assert lines[4:] == [f"  {folder / 'tiny.bin'}", f"  {folder / 'report.json'}"]
    assert not (tmp_path / "b").exists()
    assert stubs.take_runs() == []


@pytest.mark.parametrize(
    ("board", "suffixes"),
    [("icebreaker", ["bin", "weights", "flash"]), ("upduino3", ["bin", "weights"])],
)
def test_dry_run_with_weights_to_load(stubs, loaded, tmp_path, capsys, board, suffixes):
    loaded.save(tmp_path / "tiny.safetensors")
    arguments = ["--board", board, "--engine", LOADED.name, "--dry-run", "--build-dir", "b"]
    builder.main([str(tmp_path / "tiny.safetensors"), *arguments])
    lines = capsys.readouterr().out.splitlines()
    folder = Path("b") / board / f"tiny-{LOADED.name}"
    names = [*(f"tiny.{suffix}" for suffix in suffixes), "report.json"]
    assert lines[4:] == [f"  {folder / name}" for name in names]


@pytest.mark.parametrize(
    ("arguments", "variables", "message"),
    [
        (["--board", "de10nano"], {}, "board 'de10nano' is not known; choose one of icebreaker, "),
        (["damaged", "--board", "ice40"], {}, "damaged: not a safetensors file, or a damaged one"),
        (
            ["missing", "--board", "ice40"],
            {},
            "missing: cannot be read (No such file or directory)",
        ),
        (["--board", "ice40"], {"ICEPACK": "/no/such"}, "$ICEPACK names '/no/such', which is not"),
        (
            ["--board", "ice40", "--clock", "24.1"],
            {},
            "clock 24.1 MHz: icebreaker cannot run at it with its crystal or PLL and a UART of 1,0",
        ),
        (["mnist-784-600-10-t8", "--board", "ice40"], {}, "network 'mnist-784-600-10-t8' does not"),
        (["many", "--board", "ulx3s"], {}, "network 'many': the link carries at most 256 classes"),
        (["bad name", "--board", "ice40"], {}, "network '../../x': its name cannot name a file"),
        (
            ["unsorted", "--board", "ice40"],
            {},
            "network 'unsorted': Select must rise strictly; sort",
        ),
    ],
)
def test_bad_input(rng, tmp_path, arguments, variables, message):
    """One line on stderr, exit code 2, nothing made."""
    if arguments[0] == "damaged":
        content = find("digits-64-192-10-t16").to_bytes()
        (tmp_path / "damaged").write_bytes(content[: len(content) // 2])
    elif arguments[0] != "missing" and not arguments[0].startswith(("-", "mnist")):
        {
            "many": lambda: image_network(rng, hidden=(), classes=257, name="many"),
            "bad name": lambda: image_network(rng, name="../../x"),
            "unsorted": lambda: image_network(rng, select=(3, 2, 5), name="unsorted"),
        }[arguments[0]]().save(tmp_path / arguments[0])
    if not arguments[0].startswith(("-", "mnist")):
        arguments = [tmp_path / arguments[0], *arguments[1:]]
        message = message if message.startswith("network") else f"{tmp_path}/{message}"
    result = command("hw.build", *arguments, "--build-dir", tmp_path / "b", **variables)
    assert result.returncode == 2
    assert result.stderr.startswith(f"error: {message}"), result.stderr
    assert result.stderr.count("\n") == 1, result.stderr
    assert result.stdout == ""
    assert not (tmp_path / "b").exists()
