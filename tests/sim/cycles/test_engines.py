"""The stages of the engines: what the components say of their latency."""

from importlib import import_module

import numpy as np
import pytest

from hw.rtl.engines.registry import ENGINES, PRESETS
from hw.rtl.fire import Fire
from sim.cycles import fire
from sim.cycles.stage import Stage
from sw.network import Layer

VISITED = np.array([[True, False, False, True]])  # of one image the first and the final step


class OneBeat(Stage):
    """Offers the last beat of a step, with a spike, until it is taken."""

    state = ("valid", "last", "spike")

    def __init__(self):
        self.valid = self.last = self.spike = np.ones(1, bool)

    def ready(self, taken):
        return taken

    def clock(self, before, ready, taken):
        self.valid = self.valid & ~taken


def cycles_to_offer(stage):
    """Cycles from the one in which ``stage`` takes a beat to that in which it offers something."""
    source, always = OneBeat(), np.ones(1, bool)
    for cycle in range(200):
        if stage.valid[0]:
            return cycle
        ready = stage.ready(always)
        stage.clock(source, ready, always)
        source.clock(source, always, ready)
    raise AssertionError("nothing is offered")


@pytest.mark.parametrize("engine", PRESETS.values(), ids=PRESETS)
def test_a_stage_takes_the_latency_of_the_component(rng, engine):
    """All units fire in the first step."""
    layer = Layer(weight=rng.random((70, 40)) < 0.5, threshold=np.zeros(70, np.int32))
    block = engine.component(layer=layer, steps=4, margins=False, most_spikes=None)
    stages = import_module(type(engine).__module__.replace("hw.rtl", "sim.cycles"))
    stage = stages.stage(engine, layer, np.zeros((1, 70), int), VISITED)
    assert cycles_to_offer(stage) == block.latency


def test_so_does_the_fire_block():
    assert cycles_to_offer(fire.Fire(np.zeros((1, 9), int), 1, VISITED)) == Fire.latency


def test_every_engine_has_a_module_of_stages():
    for kind in ENGINES:
        stages = import_module(kind.__module__.replace("hw.rtl", "sim.cycles"))
        assert stages.__all__ == ["stage"]
