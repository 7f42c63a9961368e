"""Accuracy against area: the points, and their picture."""

import json
from types import SimpleNamespace

import pytest
from networks import map_network

from hw import area
from hw.flow.asic.pdk import find_pdk
from hw.flow.asic.synthesis import Area
from sw.cli import UserError
from sw.encoder import LatencyEncoder

CELLS = 1234


@pytest.fixture
def flow(monkeypatch):
    """Synthesis whose outcome is made up; what it was asked for."""
    asked = []

    def run_flow(observation, pdk, *, clock, until, **_):
        asked.append((observation.config.name, pdk.name, clock, until))
        total = Area(block="total", cells=CELLS, flip_flops=56, um2=7800.0, gates=325.0)
        return SimpleNamespace(synthesis=SimpleNamespace(total=total))

    monkeypatch.setattr(area, "run_flow", run_flow)
    return asked


@pytest.fixture
def file(rng, tmp_path):
    network = map_network(rng, "4c3,f2,10", 1, LatencyEncoder(shape=(8, 8), silent_below=112))
    path = tmp_path / "small.safetensors"
    network.save(path)
    return path


def test_a_point(flow, file, tmp_path):
    """The file says what the accuracy is, synthesis the cells, and the cycle model the cycles."""
    made = area.point(area.observed(f"{file}:lines"), "osu018", tmp_path)
    assert flow == [("lines", "osu018", find_pdk("osu018").clock, "synthesis")]
    assert (made.layers, made.dataset, made.steps) == ("1x8x8-4c3-f2-10", "digits", 1)
    assert (made.accuracy, made.cells, made.tiles, made.stored) == (0.5, CELLS, "1x2", False)
    # 64 pixels; nine windows of 4 · 4 units; at nine places ten sums, each waits up to nine cycles.
    assert 64 + 9 * 16 < made.image_cycles < 64 + 9 * (16 + 20) + 10
    assert 10 <= made.cycles < made.image_cycles


def test_stored_weights_and_the_usual_engine(flow, file, tmp_path):
    assert area.point(area.observed(f"{file}:lines-loaded"), "osu018", tmp_path).stored
    tiles = area.point(area.observed(f"{file}:tiles-4"), "osu035", tmp_path)
    assert (tiles.engine, tiles.pdk, tiles.image_cycles) == ("tiles-4", "osu035", None)
    assert area.point(area.observed(str(file)), "osu018", tmp_path).engine == "lines"


def test_the_command(flow, file, tmp_path, capsys):
    figures, picture = tmp_path / "area.json", tmp_path / "area.png"
    points = [f"{file}:lines-loaded", f"{file}:lines"]
    area.main([*points, "--json", str(figures), "--picture", str(picture)])
    found = json.loads(figures.read_text())["points"]
    assert [each["engine"] for each in found] == ["lines-loaded", "lines"]
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "random lines: 50.00%, 1,234 cells (325 gates, 56 flip-flops), 1x2 tiles, " in (
        capsys.readouterr().out
    )


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["{file}:lines", "{file}:nosuch"], "engine 'nosuch' is not known; choose of "),
        (["{file}:lines", "nosuch:lines"], "nosuch: cannot be read"),
        (["{file}:lines", "{wide}:lines"], "takes images of 8 × 9 pixels, digits has images of 8 "),
        (["{file}:lines", "--pdk", "osu"], "pdk 'osu' is not known; choose of osu018, "),
    ],
)
def test_what_is_refused_before_any_work(flow, file, rng, tmp_path, arguments, line):
    """Also what stands behind a point that takes minutes."""
    wide = tmp_path / "wide.safetensors"
    map_network(rng, "4c3,10", 1, LatencyEncoder(shape=(8, 9), silent_below=112)).save(wide)
    with pytest.raises(UserError, match=line):
        area.main([each.format(file=file, wide=wide) for each in arguments])
    assert flow == []
