"""The estimate of energy: its coefficients, its sums, its command."""

import json
from collections import Counter
from dataclasses import replace

import pytest
from networks import map_network
from samples import BUILD, command, events_network, image_network

from hw.energy import COEFFICIENTS, EnergyReport, Range, energy
from sim.verilator.toggles import Activity, clocked_activity
from sw.encoder import LatencyEncoder

ACTIVITY = Activity(
    cycles=8000,
    images=10,
    flip_flops=Counter({"a": 1500, "b": 500}),
    luts=Counter({"a": 3000}),
    rams=Counter({"a": 30}),
    wires=Counter({"a": 900_000, "": 100_000}),
    accesses=Counter({"a": 20_000}),
)


@pytest.mark.smoke
def test_coefficients():
    """By hand, from the currents in the docstring."""
    counter = 27.8 / 7 / 12 * 1.219  # pJ: eight counters less one, seven, at 12 MHz
    assert COEFFICIENTS["wire"].low == pytest.approx(counter / 2) == pytest.approx(0.2017, abs=1e-4)
    assert COEFFICIENTS["wire"].high == pytest.approx(351 / 12 * 1.219 / 38.4)
    assert COEFFICIENTS["flip_flop"].high == pytest.approx(counter / 28)
    assert COEFFICIENTS["clock"].value == pytest.approx(53.6, abs=0.1)
    # 64 bits from 8 KiB at 0.9 V take 10 pJ, from 32 KiB 20 pJ; 16 bits at 1.2 V:
    assert COEFFICIENTS["access"].value == pytest.approx(10 / 4 * (1.2 / 0.9) ** 2, rel=0.02)
    assert COEFFICIENTS["single_access"].value == pytest.approx(20 / 4 * (1.2 / 0.9) ** 2, rel=0.02)
    assert COEFFICIENTS["rest"].value == pytest.approx(104.3, abs=0.1)
    assert COEFFICIENTS["pll"].value == pytest.approx((1419 - 577 - 85.6 + 138.6) * 1.219)
    for low, value, high in ((c.low, c.value, c.high) for c in COEFFICIENTS.values()):
        assert 0 <= low < value < high


def test_energy():
    """800 cycles an image; at 20 MHz that is 40 µs."""
    parts = energy(ACTIVITY, clock=20e6)
    for bound in ("value", "low", "high"):
        one = {name: getattr(c, bound) for name, c in COEFFICIENTS.items()}
        expected = {
            "clock": 800 * one["clock"] / 1000,
            "flip_flop": 800 * 2000 * one["flip_flop"] / 1000,
            "wire": 100_000 * one["wire"] / 1000,
            "access": 2000 * one["access"] / 1000,
            "rest": 40 * one["rest"] / 1000,
        }
        expected |= {"core": sum(expected.values()), "pll": 40 * one["pll"] / 1000}
        expected["total"] = expected["core"] + expected["pll"]
        found = {name: getattr(part, bound) for name, part in parts.items()}
        assert found == pytest.approx(expected)


def test_single_port_rams_have_their_own_energy():
    activity = replace(ACTIVITY, single_accesses=Counter({"a": 5000}))
    parts, without = energy(activity, clock=20e6), energy(ACTIVITY, clock=20e6)
    assert parts["single_access"].value == pytest.approx(500 * 8.9 / 1000)
    assert parts["total"].value == pytest.approx(without["total"].value + 4.45)
    assert "single_access" not in without


def test_only_what_flows_without_activity_depends_on_the_clock():
    slow, fast = (energy(ACTIVITY, clock=clock) for clock in (10e6, 40e6))
    assert {name for name in slow if slow[name] != fast[name]} == {
        *("rest", "core", "pll", "total"),
    }
    assert slow["pll"].value == pytest.approx(4 * fast["pll"].value)


def test_without_a_pll():
    parts = energy(ACTIVITY, clock=12e6, pll=False)
    assert parts["pll"] == Range(0, 0, 0)
    assert parts["total"] == parts["core"] == energy(ACTIVITY, clock=12e6)["core"]


@pytest.mark.deep
def test_the_multiplier_changes_as_the_coefficient_says():
    """Two counters of 8 bits and their product, as measured by tinyVision.ai."""
    design = """
        module top(input clk);
            reg [7:0] a = 0, b = 0;
            (* keep *) reg [15:0] product;
            always @(posedge clk) begin a <= a + 1; b <= b + 1; product <= a * b; end
        endmodule
    """
    activity = clocked_activity(design, top="top", cycles=4096, folder=BUILD / "verify")
    assert sum(activity.wires.values()) / 4096 == pytest.approx(38.4, rel=0.02)
    assert 160 <= sum(activity.luts.values()) <= 200  # 180 logic cells were measured


def test_on_the_report_page(tiny):
    """The parts sum up to core and total, in value and in range."""
    report = EnergyReport.of(tiny, ACTIVITY, clock=20e6, pll=True)
    result = report.result("python -m hw.energy tiny")
    assert (result.network_sha256, result.clock_mhz, result.images) == (tiny.sha256, 20.0, 10)
    assert [part.name for part in result.parts][-2:] == ["static", "PLL"]
    for bound in ("value", "low", "high"):
        *core, pll = (getattr(part, bound) for part in result.parts)
        assert getattr(result.core, bound) == pytest.approx(sum(core))
        assert getattr(result.total, bound) == pytest.approx(sum(core) + pll)
    assert type(result).from_dict(result.to_dict()) == result


@pytest.mark.deep
def test_a_network_with_maps(rng, tmp_path):
    """With the engine that was named; its weights are loaded first, and count for nothing."""
    encoder = LatencyEncoder(shape=(8, 8), silent_below=16)
    network = map_network(rng, "4c3p1-f2-10", 4, encoder, low=2, high=5)
    network.save(tmp_path / "maps")
    out = tmp_path / "energy.json"
    arguments = ("hw.energy", tmp_path / "maps", "--images", 4, "--engine", "tiles-2-spram")
    result = command(*arguments, "--build-dir", BUILD, "--json", out, "--no-report")
    assert (result.returncode, result.stderr) == (0, "")
    figures = json.loads(out.read_text())
    assert EnergyReport.from_dict(figures).to_dict() == figures
    assert (figures["engine"], figures["images"]) == ("tiles-2-spram", 2)
    assert figures["single_accesses_mean"] > 0
    assert "single-port RAMs" in result.stdout
    assert set(figures["wires_mean"]) >= {"encoder", "tiles", "decide"}


def test_the_command(rng, tmp_path):
    network = image_network(rng, shape=(8, 8), hidden=(4,), classes=10, steps=4, name="tiny")
    network.save(tmp_path / "tiny.safetensors")
    out = tmp_path / "energy.json"
    arguments = ("hw.energy", tmp_path / "tiny.safetensors", "--images", 6, "--no-report")
    result = command(*arguments, "--build-dir", BUILD, "--json", out)
    assert (result.returncode, result.stderr) == (0, "")
    figures = json.loads(out.read_text())
    assert EnergyReport.from_dict(figures).to_dict() == figures
    assert figures["images"] == 4
    assert figures["cycles_mean"] == pytest.approx(64, abs=4)  # as long as its loading
    assert "estimate" in figures["note"]
    core, pll = (figures["energy_nanojoules"][name] for name in ("core", "pll"))
    assert 0 < core["low"] < core["value"] < core["high"]
    assert f"core, estimate:{core['value']:9.1f} nJ per image" in result.stdout
    assert (figures["clock_mhz"], pll["value"] > 0) == (24.75, True)
    result = command(*arguments, "--build-dir", BUILD, "--json", out, "--clock", 12, "-q")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    figures = json.loads(out.read_text())
    assert (figures["clock_mhz"], figures["energy_nanojoules"]["pll"]["value"]) == (12, 0)
    assert figures["energy_nanojoules"]["core"]["value"] > core["value"]  # at rest for longer


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("tiny", "--images", 2), "Images must be at least 3, not 2"),
        (("events",), "network 'events' takes events"),
        (("tiny", "--clock", 13), "clock 13 MHz: icebreaker cannot run at it with its crystal or"),
        (
            ("mnist-784-600-10-t8",),
            "network 'mnist-784-600-10-t8' does not fit icebreaker: it",
        ),
        (("large",), "network 'random': takes images of 9 × 9 pixels, digits has"),
    ],
)
def test_bad_input(rng, tmp_path, arguments, message):
    image_network(rng, shape=(8, 8), hidden=(), classes=10).save(tmp_path / "tiny")
    image_network(rng, shape=(9, 9), hidden=(), classes=10).save(tmp_path / "large")
    events_network(rng).save(tmp_path / "events")
    name, *rest = arguments
    place = tmp_path / name if (tmp_path / name).exists() else name
    result = command("hw.energy", place, *rest, "--build-dir", tmp_path)
    assert result.returncode == 2
    assert result.stderr.startswith(f"error: {message}")
    assert result.stderr.count("\n") == 1
