"""Runs a PyTorch module with spiking neurons, a step at a time, see ``docs/own_network.md``."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sw.convert.layers import Levels
from sw.convert.neurons import neuron_of
from sw.convert.simulate import Stepper, simulate
from sw.convert.torch_modules import Part, call, dtype_of
from sw.encoder import Inputs
from sw.network import Network

__all__ = ["runner"]


def runner(
    blocks: Sequence[Sequence[Part]], levels: Sequence[Levels], network: Network, latched: bool
) -> Callable[[Inputs], np.ndarray]:
    """What runs the module itself, see :class:`sw.convert.layers.Converted`."""

    def classify(inputs: Inputs) -> np.ndarray:
        fresh = copy.deepcopy(blocks)  # neurons without potential
        spikes = network.encoder.encode(inputs, network.steps)
        return simulate(spikes, network, _stepper(fresh, levels, latched))

    return classify


def _stepper(blocks: Sequence[Sequence[Part]], levels: Sequence[Levels], latched: bool) -> Stepper:
    """Calls each module in each step."""
    import torch

    fired: list[Any] = [False] * len(blocks)
    total: Any = 0
    kind = dtype_of(blocks[0][0].module)
    end = blocks[-1][-1]
    rise = neuron_of(end.name, end.module).rise if end.kind == "neuron" else 0
    threshold = np.array(rise, np.float64)

    @torch.no_grad()
    def step(spikes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        nonlocal total
        values = torch.from_numpy(spikes).to(kind)
        for index, block in enumerate(blocks):
            neuron = block[-1].kind == "neuron"
            for part in block[:-1] if neuron else block:
                values = part.module(values)
            if index == len(blocks) - 1:
                total = total + values
            if neuron:
                on = call(block[-1].name, block[-1].module, values) > 0
            else:
                on = torch.zeros_like(values, dtype=torch.bool)
            values = on & ~fired[index] if latched and index < len(blocks) - 1 else on
            fired[index] = fired[index] | on
            values = values * float(levels[index + 1].high)
        return fired[-1].numpy(), total.double().numpy() - threshold

    return step
