"""What holds for every engine there is, and that no module asks which one it is."""

import re
from pathlib import Path

import numpy as np
import pytest
from networks import bistable_network, map_network
from samples import unfinished  # noqa: F401

from hw.rtl.engines.base import LayerSize
from hw.rtl.engines.registry import ENGINES, NETWORK_ENGINES, NETWORK_PRESETS, PRESETS
from hw.rtl.inputs.registry import INPUTS, find_input
from hw.rtl.spram import spram_blocks
from sw.cli import UserError
from sw.encoder import EventsEncoder, LatencyEncoder
from sw.network import Layer

ROOT = Path(__file__).parents[4]


@pytest.fixture
def layer(rng):
    return Layer(weight=rng.random((70, 40)) < 0.5, threshold=rng.integers(0, 9, 70, np.int32))


def test_presets_have_names_of_their_own():
    presets = {**PRESETS, **NETWORK_PRESETS}
    assert len(presets) == sum(len(kind.presets()) for kind in (*ENGINES, *NETWORK_ENGINES))
    assert all(engine.name == name for name, engine in presets.items())


@pytest.mark.usefixtures("unfinished")
@pytest.mark.parametrize("engine", PRESETS.values(), ids=PRESETS)
def test_a_component_has_the_members_that_its_engine_says(engine, layer):
    block = engine.component(layer=layer, steps=4, margins=False, most_spikes=None)
    members = set(block.signature.members)
    assert {"beats", "restart"} <= members
    assert ("spikes" in members) == engine.fires
    assert ("potentials" in members) != engine.fires
    assert ("can_accept" in members) != engine.always_accepts
    assert ("load" in members) == engine.loaded
    if engine.loaded:
        assert block.load.payload.shape() == engine.load_layout(layer)
    assert block.latency >= 1


BISTABLE, FIRST_SPIKE = (
    {name: engine for name, engine in NETWORK_PRESETS.items() if engine.coding == coding}
    for coding in ("bistable", "first-spike")
)
ENCODERS = {"pixels": LatencyEncoder(shape=(5, 4)), "events": EventsEncoder(shape=(2, 5, 4))}


@pytest.mark.usefixtures("unfinished")
@pytest.mark.parametrize("encoder", ENCODERS.values(), ids=ENCODERS)
@pytest.mark.parametrize("engine", FIRST_SPIKE.values(), ids=FIRST_SPIKE)
def test_a_component_of_a_whole_network_has_the_members_that_its_engine_says(rng, engine, encoder):
    network = map_network(rng, "5c3p1,f2,10", 1, encoder)
    source = find_input(encoder)
    try:
        engine.check(network, source.most_spikes)
    except UserError:
        assert encoder is ENCODERS["events"]  # each takes pixels
        return
    block = engine.component(network, source.most_spikes)
    members = set(block.signature.members)
    margins = {"potentials", "margins"} & members  # all at once, or one by one
    assert len(margins) == 1
    assert {source.brings, "restart"} <= members
    assert ("load" in members) == engine.loaded
    assert ("fault" in members) == engine.can_fault(network, source.most_spikes)
    check_loaded(engine, network, block)


def check_loaded(engine, network, block):
    """Words, their layout and the component's port go together, if weights are loaded."""
    if engine.loaded:
        words, layout = engine.load_words(network), engine.load_layout(network)
        assert words.dtype == np.uint16
        assert 1 << layout["address"].width >= len(words) > 1 << layout["address"].width - 1
        assert block.load.payload.shape() == layout


@pytest.mark.usefixtures("unfinished")
@pytest.mark.parametrize("engine", BISTABLE.values(), ids=BISTABLE)
def test_a_component_of_a_bistable_network_has_the_members_that_its_engine_says(rng, engine):
    network = bistable_network(rng, "5c3p1-m2-10", 3, (6, 6))
    engine.check(network, None)
    block = engine.component(network, None)
    members = set(block.signature.members)
    assert {find_input(network.encoder).brings, "potentials", "decided"} <= members
    assert ("load" in members) == engine.loaded
    decision = engine.decision(network, can_fault=False, most_spikes=None)
    assert {"result", "decided"} <= set(decision.signature.members)
    check_loaded(engine, network, block)


@pytest.mark.parametrize("engine", PRESETS.values(), ids=PRESETS)
def test_loaded_weights_fit_the_memory_and_the_layout(engine, layer):
    size = LayerSize.of(layer)
    single = engine.single_port_memories(size)
    assert bool(single) == engine.loaded
    if engine.loaded:
        words = engine.load_words(layer)
        assert words.dtype == np.uint16
        assert len(words) == single[0].depth * single[0].columns
        address = engine.load_layout(layer)["address"]
        assert 1 << address.width >= len(words) > 1 << address.width - 1
        assert spram_blocks(single[0].depth, single[0].columns) >= 1


@pytest.mark.parametrize("engine", PRESETS.values(), ids=PRESETS)
def test_block_memories_hold_all_weights(engine, layer):
    """Of those that are not wires, and not loaded."""
    memories = engine.memories(LayerSize.of(layer))
    bits = sum(memory.depth * memory.width * memory.count for memory in memories)
    if memories and not engine.loaded:
        assert bits >= layer.weight.size


def test_the_rest_of_the_project_does_not_know_which_engine_or_input_it_is():
    """But for the default, which is one; and for the stages of cycles, each of its engine's."""
    kinds = (*ENGINES, *NETWORK_ENGINES, *INPUTS)
    modules = "|".join(re.escape(kind.__module__) for kind in kinds)
    classes = "|".join([*(kind.__name__ for kind in kinds), *(i.encodes.__name__ for i in INPUTS)])
    own = {Path(*kind.__module__.split(".")).with_suffix(".py") for kind in kinds}
    own |= {
        Path("sim", folder, *path.parts[2:]) for path in own for folder in ("cycles", "verilator")
    }
    registries = {Path("hw/rtl") / name / "registry.py" for name in ("engines", "inputs")}
    allowed = {*own, *registries, Path("hw/rtl/config.py"), Path("hw/link/intake.py")}
    for folder in ("hw/rtl", "hw/link", "hw/explore", "hw/flow", "sim/cycles", "sim/verilator"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if path.parent.name in (
                "tiles",
                "bistable",
                "gather",
            ):  # what these engines are made of
                continue
            text = path.read_text()
            assert not re.search(rf"isinstance\([^)]*\b({classes})\b", text), path
            assert '"source" in' not in text, path
            if path.relative_to(ROOT) not in allowed:
                assert not re.search(rf"(from|import) ({modules})\b", text), path
