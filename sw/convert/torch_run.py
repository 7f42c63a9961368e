"""Runs a module of PyTorch as the simulation that it is taken for, see ``docs/own_network.md``."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sw.convert.activations import neuron_of
from sw.convert.layers import Levels
from sw.convert.simulate import Stepper, simulate
from sw.convert.torch_modules import Part, call, dtype_of
from sw.encoder import Spikes
from sw.network import Network

__all__ = ["runner"]


def runner(
    blocks: Sequence[Sequence[Part]], levels: Sequence[Levels], network: Network, latched: bool
) -> Callable[[Spikes], np.ndarray]:
    """What runs the module itself, see :class:`sw.convert.layers.Converted`."""
    spiking = any(block[-1].kind == "neuron" for block in blocks)
    runner = _run_neurons if spiking else _run_steps

    def classify(spikes: Spikes) -> np.ndarray:
        fresh = copy.deepcopy(blocks)  # neurons without potential
        return simulate(spikes, network, runner(fresh, levels, latched))

    return classify


def _run_steps(
    blocks: Sequence[Sequence[Part]], levels: Sequence[Levels], latched: bool
) -> Stepper:
    """Called in each step with its spikes [B, N]: who fires of the outputs, and their values."""
    import torch

    total: Any = 0
    fired: list[Any] = [False] * len(blocks)
    kind = dtype_of(blocks[0][0].module)

    @torch.no_grad()
    def step(spikes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        nonlocal total
        total = total + torch.from_numpy(spikes).to(kind)
        low, high = map(float, levels[0])
        values = low + (high - low) * total
        for index, block in enumerate(blocks):
            for part in block[:-1] if block[-1].kind == "step" else block:
                values = part.module(values)
            margin = values
            if block[-1].kind == "step":
                on = block[-1].module(values) == float(levels[index + 1].high)
            else:
                on = torch.zeros_like(values, dtype=torch.bool)
            fired[index] = fired[index] | on
            low, high = map(float, levels[index + 1])
            values = torch.where(fired[index], high, low).to(kind)
        return fired[-1].numpy(), margin.double().numpy()

    return step


def _run_neurons(
    blocks: Sequence[Sequence[Part]], levels: Sequence[Levels], latched: bool
) -> Stepper:
    """The same for spiking neurons, which keep their potentials."""
    import torch

    fired: list[Any] = [False] * len(blocks)
    total: Any = 0
    kind = dtype_of(blocks[0][0].module)

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
        rise = neuron_of(*block[-1][:2]).rise if neuron else 0
        margin = total.double().numpy() - np.array(rise, np.float64)
        return fired[-1].numpy(), margin

    return step
