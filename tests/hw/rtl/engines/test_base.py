"""An engine the project does not know: core, estimate and the manifest take it as it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from exchange import exchange
from samples import beats, image_network, random_images

from hw.explore.resources import resources_of
from hw.flow.verilog import manifest
from hw.rtl.config import Config
from hw.rtl.core import Core
from hw.rtl.engines.base import Engine, LayerSize
from hw.rtl.engines.event_driven import EventDriven, EventDrivenLayer
from hw.rtl.memories import BlockMemory
from sim import golden


@dataclass(frozen=True, kw_only=True)
class Slow(Engine):
    """Adds one spike per cycle, whatever its ``patience``."""

    patience: int = 3

    @property
    def name(self) -> str:
        return f"slow-{self.patience}"

    @property
    def block(self) -> str:
        return "slow"

    @classmethod
    def presets(cls) -> Sequence[Engine]:
        return [cls()]

    def component(self, *, layer, steps, margins, most_spikes):
        return EventDrivenLayer(layer=layer, steps=steps, margins=margins)

    def memories(self, size: LayerSize) -> Sequence[BlockMemory]:
        return [BlockMemory(size.inputs, size.outputs)]

    def cost(self, size: LayerSize) -> Mapping[str, float]:
        return {"potential_bit": size.outputs * size.margin_bits}

    def weight_bits_per_cycle(self, outputs: int) -> int:
        return outputs

    def most_cycles(self, inputs: int, outputs: int, steps: int) -> int:
        return inputs + 2 * steps


CONFIG = Config(engines=(Slow(), EventDriven(), Slow(patience=9)))


def test_a_new_engine_answers_as_the_golden_model(rng):
    network = image_network(rng, shape=(4, 5), hidden=(7, 6))
    images = random_images(rng, network, 6)
    core = Core(network, config=CONFIG)
    _, taken = exchange(core, core.pixels, core.result, beats(images, 1), len(images))
    answer = golden.run_images(network, images)
    expected = np.stack([answer.label, answer.step, answer.margin], axis=1).tolist()
    assert [list(item.value.values()) for item in taken] == expected


def test_it_is_estimated_and_described(rng):
    network = image_network(rng, shape=(4, 5), hidden=(7, 6))
    assert resources_of(network, CONFIG).cost() == resources_of(network).cost()
    engines = list(manifest(network, CONFIG)["config"]["engines"])
    assert engines == [{"patience": 3}, {"banks": 1}, {"patience": 9}]
    assert CONFIG.name == "slow-3,event,slow-9"
