"""The build: from a network to a bitstream and its report, and all that may go wrong on the way."""

import hashlib
import json
import re
import shlex
import shutil
from pathlib import Path

import pytest
from networks import speech
from samples import command, events_network, image_network, with_another_sign
from stubs import ICE40_TOOLS

from hw.boards.table import BOARDS
from hw.explore.measure import Measurement, Observation, measure
from hw.flow.bitstream import BuildReport, build
from hw.link import weight_image
from hw.rtl.config import find_config
from hw.rtl.core import loaded_words
from sim import golden
from sim.cycles import model
from sw.cli import UserError, exclusive
from sw.data import registry
from sw.data.registry import load
from sw.network import find

ICEBREAKER = BOARDS["icebreaker"]
MHZ = ICEBREAKER.clock / 1e6
LOADED = find_config("folded-16-spram,event")

pytestmark = pytest.mark.usefixtures("fresh_tools")


def quiet_build(network, tmp_path, board=ICEBREAKER, **how):
    """The report as JSON."""
    how = {"build_dir": tmp_path / "the build", "log": lambda text: None, **how}
    return build(network, board, **how).to_dict()


@pytest.fixture
def words(rng, monkeypatch):
    """A data set of events, in place of any."""
    words = speech(rng)
    monkeypatch.setattr(registry, "load", lambda name, data_dir: words)
    return words


def test_with_the_real_tools(tiny, tmp_path):
    """A bitstream in a folder with a space, its report, and the second time nothing is run. The
    clock search has real tools in the README's path.
    """
    said = []
    how = {"build_dir": tmp_path / "the build", "log": said.append, "clock": ICEBREAKER.clock}
    report = build(tiny, ICEBREAKER, **how).to_dict()
    folder = tmp_path / "the build" / "icebreaker" / "tiny"
    bitstream = folder / "tiny.bin"
    content = bitstream.read_bytes()
    assert b"\x7e\xaa\x99\x7e" in content  # the preamble of an iCE40 bitstream
    assert len(content) > 50_000
    assert json.loads((folder / "report.json").read_text()) == report

    data = load("digits")
    answer = golden.run_images(tiny, data.test_images)
    count = model.cycles(tiny, data.test_images, answer)
    exact = {
        "board": "icebreaker",
        "part": "iCE40UP5K-SG48",
        "network": "tiny",
        "network_sha256": tiny.sha256,
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
        "seed": ICEBREAKER.seed,
    }
    assert {key: report[key] for key in exact} == exact
    assert 300 < report["logic_cells"] < 2000
    assert report["ebr"] >= 2
    assert report["clock_mhz"] == ICEBREAKER.clock / 1e6 <= report["fmax_mhz"]
    assert set(report["tools"]) == {"yosys", "nextpnr-ice40", "icepack", "amaranth"}
    assert all(report["tools"].values())

    said.clear()
    assert build(tiny, ICEBREAKER, **how).to_dict() == report
    assert said == [f"{bitstream} is up to date"]
    assert bitstream.read_bytes() == content


def test_report_names(stubs, tiny, tmp_path):
    """The names that other tools rely on, and the figures that the tools gave."""
    report = quiet_build(tiny, tmp_path)
    assert {
        *("board", "network", "network_sha256", "engine", "bitstream", "logic_cells", "ebr"),
        *("spram", "fmax_mhz", "clock_mhz", "cycles_mean", "cycles_max", "accuracy", "tools"),
    } <= set(report)
    figures = [report[name] for name in ("logic_cells", "ebr", "spram", "fmax_mhz")]
    assert figures == [123, 4, 0, pytest.approx(1.02 * MHZ, abs=0.01)]
    assert report["available"] == {"logic_cells": 5280, "ebr": 30, "spram": 4}
    assert report["microseconds_mean"] == report["cycles_mean"] / MHZ
    assert report["microseconds_at_fmax_max"] == report["cycles_max"] / report["fmax_mhz"]
    assert stubs.take_runs() == ICE40_TOOLS


@pytest.mark.parametrize(
    ("board", "tools", "suffix", "figures"),
    [
        ("ulx3s", ["yosys", "nextpnr-ecp5", "ecppack"], "bit", [456, 3, 0]),
        ("tangnano9k", ["yosys", "nextpnr-himbaechel-gowin", "gowin_pack"], "fs", [450, 3, 0]),
    ],
)
def test_report_for_another_family(stubs, tiny, tmp_path, board, tools, suffix, figures):
    board = BOARDS[board]
    report = build(tiny, board, build_dir=tmp_path, log=lambda text: None).to_dict()
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


@pytest.mark.parametrize("board", ["icebreaker", "upduino3"])
def test_weights_that_are_loaded(stubs, lanes, tmp_path, board):
    """Image and flash lie beside the bitstream, the same every time, and are mended."""
    board = BOARDS[board]
    report = quiet_build(lanes, tmp_path, board, config=LOADED)
    bitstream = Path(report["bitstream"])
    weights, flash = bitstream.with_suffix(".weights"), bitstream.with_suffix(".flash")
    content = weight_image.pack(lanes, loaded_words(lanes, LOADED))
    assert report["weights"] == str(weights)
    assert weight_image.read_image(weights, lanes) == content
    commands = {"host": f"python -m hw.host NETWORK --load {shlex.quote(str(weights))}"}
    if board.weights_at is None:
        assert not flash.exists()
        assert "flash" not in report
    else:
        assert report["flash"] == str(flash)
        assert flash.read_bytes() == b"whole\n" + b"\xff" * ((1 << 20) - 6) + content
        commands["flash"] = f"iceprog {shlex.quote(str(flash))}"
        commands["weights"] = f"iceprog -o 1048576 {shlex.quote(str(weights))}"
    assert report["commands"] == commands
    assert json.loads(bitstream.with_name("report.json").read_text()) == report
    shown = [text for _, text in BuildReport.from_dict(report).lines()]
    assert set(commands.values()) <= set(shown)

    stubs.take_runs()
    files = {path: path.read_bytes() for path in bitstream.parent.iterdir() if path.is_file()}
    assert len(files) == 3 + (board.weights_at is not None)
    weights.write_bytes(b"else")
    flash.unlink(missing_ok=True)
    assert quiet_build(lanes, tmp_path, board, config=LOADED) == report
    assert stubs.take_runs() == []
    assert {path: path.read_bytes() for path in files} == files


def test_no_weights_to_load(stubs, tiny, tmp_path):
    report = quiet_build(tiny, tmp_path)
    assert not {"weights", "flash", "commands"} & set(report)
    names = {path.name for path in Path(report["bitstream"]).parent.iterdir()}
    assert names == {"tiny.bin", "report.json", "work"}


@pytest.mark.parametrize(
    ("change", "runs"),
    [
        ("nothing", []),
        ("one weight", ICE40_TOOLS),
        ("seed", ICE40_TOOLS),
        ("tool", ICE40_TOOLS),
        ("bitstream altered", []),  # it is copied once more
        ("bitstream gone", []),
        ("report damaged", []),
        ("report of another kind", []),
        ("report of clock 0", []),
        ("report of clock 1e+308", []),
        ("report of fmax 0", []),
        ("report gone", []),
        ("work gone", []),
        ("bitstream and work gone", ICE40_TOOLS),
    ],
)
def test_reuse(stubs, tiny, tmp_path, change, runs):
    first = quiet_build(tiny, tmp_path)
    assert stubs.take_runs() == ICE40_TOOLS
    folder = tmp_path / "the build" / "icebreaker" / "tiny"
    how = {}
    if change == "one weight":
        tiny = with_another_sign(tiny)
    elif change == "seed":
        how["seed"] = ICEBREAKER.seed + 1
    elif change == "tool":
        stubs.write("icepack", version="2")
    elif change == "bitstream altered":
        (folder / "tiny.bin").write_text("else")
    elif change.startswith("bitstream"):
        (folder / "tiny.bin").unlink()
    elif change == "report damaged":
        (folder / "report.json").write_text('{"board":')
    elif change == "report of another kind":
        (folder / "report.json").write_text(json.dumps(first | {"seed": "0"}))
    elif change.startswith("report of "):
        name, value = change.split()[2:]
        (folder / "report.json").write_text(json.dumps(first | {f"{name}_mhz": float(value)}))
    elif change == "report gone":
        (folder / "report.json").unlink()
    if change.endswith("work gone"):
        shutil.rmtree(folder / "work")
    report = quiet_build(tiny, tmp_path, **how)
    assert stubs.take_runs() == runs
    assert (folder / "tiny.bin").read_text() == "whole\n"
    assert json.loads((folder / "report.json").read_text()) == report
    assert report["network_sha256"] == tiny.sha256
    assert (report["digest"] == first["digest"]) is (change in _SAME_DIGEST)


def test_a_failure_keeps_the_build_before(stubs, tiny, tmp_path):
    """Bitstream and report still belong to each other."""
    before = quiet_build(tiny, tmp_path)
    stubs.write("nextpnr-ice40", "exit 1")
    with pytest.raises(UserError):
        quiet_build(with_another_sign(tiny), tmp_path)
    folder = tmp_path / "the build" / "icebreaker" / "tiny"
    assert json.loads((folder / "report.json").read_text()) == before
    stubs.take_runs()
    assert quiet_build(tiny, tmp_path) == before
    assert stubs.take_runs() == []


def test_a_build_that_is_killed(stubs, tiny, tmp_path):
    tiny.save(tmp_path / "tiny.safetensors")
    stubs.write("icepack", "printf half > top.bin; kill -9 $PPID")
    arguments = ("hw.build", tmp_path / "tiny.safetensors", "--board", "ice40")
    arguments += ("--build-dir", tmp_path / "the build")
    assert command(*arguments, **stubs.variables).returncode == -9
    folder = tmp_path / "the build" / "icebreaker" / "tiny"
    assert [path.name for path in folder.iterdir()] == ["work"]
    assert (folder / "work" / f"{MHZ:g}MHz" / "top.bin").read_text() == "half"
    stubs.write("icepack")
    assert quiet_build(tiny, tmp_path)["logic_cells"] == 123
    assert (folder / "tiny.bin").read_text() == "whole\n"


def test_what_does_not_fit_is_refused_at_once(stubs, tmp_path):
    with pytest.raises(UserError, match=r"'mnist-784-600-10-t8' does not fit icebreaker: "):
        quiet_build(find("mnist-784-600-10-t8"), tmp_path)
    assert stubs.take_runs() == []
    assert not (tmp_path / "the build").exists()


@pytest.mark.parametrize(
    ("dataset", "note"),
    [
        ("of my own", r"^not measured: .*of my own"),
        ("a/ü.csv", r"^not measured: a/ü.csv: cannot be read .*; name the data with --dataset$"),
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
    assert stubs.take_runs() == ICE40_TOOLS
    lines = BuildReport.from_dict(report).lines()
    assert ("accuracy, cycles", report["note"]) in lines
    measured = Measurement(**dict.fromkeys(keys[:4], 7), note="measured")
    monkeypatch.setattr(Observation, "measurement", measured)
    report = quiet_build(network, tmp_path)
    assert (report["accuracy"], report["microseconds_max"]) == (7, 7 / MHZ)
    assert stubs.take_runs() == []


def test_build_with_events(stubs, rng, words, tmp_path):
    network = events_network(rng, hidden=(20,))
    report = quiet_build(network, tmp_path)
    assert report["includes"] == "PLL, UART link, bypass, all layers, decision"
    assert report["accuracy"] == measure(network).accuracy
    assert stubs.take_runs() == ICE40_TOOLS


def test_build_without_a_pll(stubs, tiny, tmp_path):
    report = quiet_build(tiny, tmp_path, clock=BOARDS["icebreaker"].crystal)
    assert report["clock_mhz"] == 12
    assert report["includes"].startswith("UART link, latency encoder, ")


_SAME_DIGEST = {
    *("nothing", "bitstream altered", "bitstream gone", "report damaged"),
    *("report of another kind", "report of clock 0", "report of clock 1e+308", "report of fmax 0"),
    *("report gone", "work gone", "bitstream and work gone"),
}


def test_two_builds_at_once(stubs, tiny, tmp_path):
    """The second says that the first runs."""
    with (
        exclusive(tmp_path / "the build" / "icebreaker" / "tiny"),
        pytest.raises(UserError, match="another run"),
    ):
        quiet_build(tiny, tmp_path)
    assert stubs.take_runs() == []
