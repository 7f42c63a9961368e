"""A network through the flow, and what refuses it."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from library import library
from networks import map_network
from samples import deep, events_network, image_network, random_images, random_spikes

from hw.asic import main
from hw.explore.measure import Observation
from hw.flow.asic import gates, programs
from hw.flow.asic.flow import STEPS, run_flow
from hw.flow.asic.gates import enough_images
from hw.rtl.config import find_config
from sw.cli import UserError
from sw.encoder import LatencyEncoder
from sw.network import Layer, Network

SMALL = {"shape": (2, 2), "hidden": (3,), "classes": 2, "steps": 2}


def observed(network, inputs, engine="popcount"):
    """An observation of data that are given."""
    result = Observation(network, config=find_config(engine))
    result.__dict__["data"] = (inputs, np.zeros(len(inputs), int))
    return result


def flow(observation, folder, until="power", pdk="osu018", images=6):
    return run_flow(
        observation,
        library(*{name for names in STEPS.values() for name in names}, name=pdk),
        clock=50_000_000,
        until=until,
        images=images,
        active=2,
        build_dir=folder,
    )


@pytest.fixture
def observation(rng):
    network = image_network(rng, **SMALL)
    return observed(network, random_images(rng, network, 8))


def test_a_small_network_up_to_power(observation, tmp_path):
    report = flow(observation, tmp_path)
    assert (report.simulation.images, report.simulation.mismatches) == (6, 0)
    assert report.timing.setup_slack_ns > 0
    assert 0 < report.power.toggles < 1
    # A cycle of each flip-flop's clock takes 0.1 … 0.5 pJ in the library, at 50 MHz.
    flip_flops = report.synthesis.total.flip_flops
    assert 0.1 < report.power.sequential / (flip_flops * 0.05) < 0.6
    (path,) = tmp_path.glob("asic/*/report.json")
    assert json.loads(path.read_text())["power"]["milliwatts"] == report.power.milliwatts


def test_a_step_that_the_library_has_no_cells_for_is_refused(observation, tmp_path):
    some = replace(library(), last_step="timing")
    with pytest.raises(UserError, match="step 'power': --pdk osu018 has cells for no step after"):
        run_flow(
            observation,
            some,
            clock=50_000_000,
            until="power",
            images=6,
            active=2,
            build_dir=tmp_path,
        )
    assert not list(tmp_path.iterdir())


def test_a_fault_in_the_netlist_is_counted(observation, tmp_path):
    report = flow(observation, tmp_path, until="simulation")
    (netlist,) = tmp_path.glob("asic/*/synthesis/netlist.v")
    text = netlist.read_text()
    # The label's lowest bit, inverted on its way out.
    pin = re.search(r"\.Y\(result_label(\[0\])?\)|\.Q\(result_label(\[0\])?\)", text)
    broken = tmp_path / "broken.v"
    broken.write_text(
        text.replace(
            pin[0], pin[0].replace("result_label", "bad_label").replace("[0]", "")
        ).replace(
            "endmodule",
            "  wire bad_label;\n  INVX1 fault (.A(bad_label), .Y(result_label));\nendmodule",
        )
    )
    simulation = gates.simulate(
        broken,
        observation,
        top="firstspike",
        pdk=library("vvp"),
        period_ns=20,
        images=6,
        active=2,
        folder=tmp_path / "broken",
    )
    assert simulation.mismatches == 6
    assert report.simulation.mismatches == 0


@pytest.mark.deep
@pytest.mark.parametrize("engine", ["event-2", "popcount-8", "folded-16-spram,event"])
def test_every_kind_of_engine(rng, engine, tmp_path):
    network = image_network(rng, shape=(4, 4), hidden=(40,), classes=3, steps=4)
    observation = observed(network, random_images(rng, network, 12), engine)
    report = flow(observation, tmp_path, until="simulation", images=12)
    assert (report.simulation.images, report.simulation.mismatches) == (12, 0)


def negative_margins(seed):
    """A network whose margins start at −39 … −36, of 7 bits: so their highest bits are constants,
    of which gates are made that these seeds showed to keep unknown state.
    """
    rng = np.random.default_rng(seed)
    encoder = LatencyEncoder(shape=(8, 8), silent_below=128)
    network = map_network(rng, "4c3p1-f2-16c3p1-f2-10", 1, encoder)
    *hidden, last = network.layers
    threshold = rng.integers(36, 40, 10) - (~last.weight).sum(axis=1)
    output = Layer(weight=last.weight, threshold=threshold.astype(np.int32))
    return Network(
        name="random",
        steps=1,
        encoder=encoder,
        layers=(*hidden, output),
        labels=network.labels,
        provenance=network.provenance,
    )


# Seeds 8 and 11: of the sign of margins. Seed 0: of the reset of counters.
@pytest.mark.parametrize("seed", [11, *deep(0, 8)])
def test_gates_of_several_stages_from_unknown_state(rng, seed, tmp_path):
    network = negative_margins(seed)
    observation = observed(network, random_images(rng, network, 6), "lines")
    report = flow(observation, tmp_path, until="simulation")
    assert (report.simulation.images, report.simulation.mismatches) == (6, 0)


@pytest.mark.deep
@pytest.mark.parametrize(("text", "shape"), [("2c3p1-f2-3c3p1-f2-4", (8, 8)), ("12-7-6", (3, 4))])
def test_gates_of_rings_that_are_loaded_some_time_after_the_reset(rng, text, shape, tmp_path):
    network = map_network(rng, text, 1, LatencyEncoder(shape=shape, silent_below=99))
    observation = observed(network, random_images(rng, network, 6), "lines-loaded")
    report = flow(observation, tmp_path, until="simulation")
    assert (report.simulation.images, report.simulation.mismatches) == (6, 0)


@pytest.mark.deep
@pytest.mark.parametrize("pdk", ["osu018", "osu035"])
def test_events_and_both_libraries(rng, pdk, tmp_path):
    network = events_network(rng, channels=6, hidden=(4,), steps=4)
    observation = observed(network, random_spikes(rng, network, 12, most=12), "event")
    report = flow(observation, tmp_path, pdk=pdk, images=12)
    assert (report.simulation.images, report.simulation.mismatches) == (12, 0)


def test_a_missing_program_is_named_with_its_package_before_any_work(monkeypatch, tmp_path):
    library()
    monkeypatch.setattr(programs.shutil, "which", lambda name, path=None: None)
    programs.find_program.cache_clear()
    with pytest.raises(UserError, match=r"^sta is not installed; apt-get install opensta$"):
        main(["digits-64-32-10-t2", "--until", "timing", "--build-dir", str(tmp_path)])
    programs.find_program.cache_clear()
    assert not list(tmp_path.iterdir())


def test_more_images_than_there_are_refused_before_any_work(rng, tmp_path):
    network = image_network(rng, **SMALL)
    observation = observed(network, random_images(rng, network, 8))
    with pytest.raises(
        UserError, match=r"^--images 9,999: the data have 8 for testing; take no more$"
    ):
        flow(observation, tmp_path, images=9999)
    assert enough_images(observation, None) == enough_images(observation, 8) == 8
    assert not list(tmp_path.iterdir())


def test_a_step_that_the_library_lacks_is_told_before_what_is_not_installed(monkeypatch, tmp_path):
    monkeypatch.setattr(programs.shutil, "which", lambda name, path=None: None)
    programs.find_program.cache_clear()
    monkeypatch.chdir(tmp_path)  # without the library, which lies in build
    with pytest.raises(
        UserError, match=r"^step 'lvs': --pdk sky130 has cells for no step after 'timing'$"
    ):
        main(["digits-64-32-10-t2", "--pdk", "sky130", "--until", "lvs"])
    programs.find_program.cache_clear()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("there", "asked"), [(2, 6), (8, 2)])
def test_too_few_images_are_refused_before_any_work(rng, tmp_path, there, asked):
    network = image_network(rng, **SMALL)
    observation = observed(network, random_images(rng, network, there))
    with pytest.raises(UserError, match="2 test images are too few; take at least 3"):
        flow(observation, tmp_path, images=asked)
    assert not list(tmp_path.iterdir())


@pytest.mark.deep
def test_the_command_leaves_figures_and_a_page(rng, tmp_path, capsys):
    network = image_network(rng, **SMALL)
    network.save(tmp_path / "n.safetensors")
    library()
    figures = tmp_path / "figures.json"
    arguments = [str(tmp_path / "n.safetensors"), "--until", "synthesis", "--engine", "popcount"]
    main([*arguments, "--build-dir", str(tmp_path / "b"), "--json", str(figures)])
    shown = capsys.readouterr().out
    report = json.loads(figures.read_text())
    assert report["pdk"] == "osu018"
    assert f"{report['synthesis']['total']['cells']:,}" in shown
    assert "no sign-off" in shown
    (page,) = (tmp_path / "b").rglob("report.html")
    assert "Cells by block" in page.read_text()
    blocks = report["synthesis"]["blocks"]
    assert sum(block["um2"] for block in blocks) == report["synthesis"]["total"]["um2"]
