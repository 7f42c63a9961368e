"""The trainer's integer mode of bistable networks: what one answers, by PyTorch.

Sums of products are exact in float32 below 2^24 and in float64 below 2^53. A convolution may be
computed by a transform, which loses some bits: so float32 is taken below 2^20 only, and the result
rounded to the integer that it is. Weights, and values of up to 8 bits, are exact in TF32, too. Thus
this equals the golden model bit for bit.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, max_pool2d

from sw import early
from sw.answer import BistableAnswer
from sw.bistable import highest
from sw.encoder import PhaseEncoder, Spikes
from sw.network import Layer, Network
from sw.rules.bistable import Activation
from sw.rules.neuron import convolved
from sw.structure import Conv, Map, Max, Pooling

__all__ = ["answer", "changed", "run_images"]

_CHUNK = 1 << 25  # values of the widest layer held at a time
_FLOAT32 = 1 << 20  # what sums stay below


def run_images(
    network: Network, images: np.ndarray | Spikes, device: str | torch.device = "cpu"
) -> BistableAnswer:
    """The answer to ``images`` uint8, encoded by the network's own encoder."""
    if not isinstance(network.encoder, PhaseEncoder):
        raise ValueError(f"Network must be a bistable one, not {network.encoder!r}")
    codes = network.encoder.codes(images, network.steps)
    bound = early.bound(network.layers[-1])
    size = max(1, _CHUNK // max(network.sizes))
    parts = []
    for start in range(0, max(len(codes), 1), size):
        part = torch.from_numpy(codes[start : start + size]).to(device)
        values, heard = answer(network.layers, network.maps, part, network.steps)
        potentials = [each.cpu().numpy() for each in heard]
        hidden = [each.to(torch.uint8).cpu().numpy() for each in values]
        parts.append(
            (hidden, potentials[-1].astype(np.int32), early.certain_phase(potentials, bound))
        )
    hidden_parts, potential_parts, phases = zip(*parts, strict=True)
    potential = np.concatenate(potential_parts)
    return BistableAnswer(
        steps=network.steps,
        values=tuple(np.concatenate(layer) for layer in zip(*hidden_parts, strict=True)),
        potential=potential,
        label=potential.argmax(axis=1),
        certain=np.concatenate(phases) + network.latency - network.steps,
        pooling=network.pooling,
    )


def answer(
    layers: Sequence[Layer], maps: Sequence[Map], codes: Tensor, steps: int
) -> tuple[list[Tensor], list[Tensor]]:
    """Values float32 [B, units] of each layer but the last, and potentials int64 [B, N] of the last
    at the end of each phase.

    Parameters
    ----------
    layers : sequence of Layer
    maps : sequence of Map
        Of the inputs and of each layer.
    codes : integer [B, N_in]
        Values of the inputs.
    steps : int
        K.
    """
    values = [codes.float()]
    for index, (layer, before) in enumerate(zip(layers[:-1], maps, strict=False)):
        if isinstance(layer.kind, Pooling):
            values.append(_pooled(layer.kind, before, values[-1]))
        else:
            potential = _potential(layer, index, before, values, steps)
            spoken = potential // _per_unit(layer.threshold, potential)
            values.append(spoken.clamp(0, highest(steps)).float())
    last = layers[-1], len(layers) - 1, maps[-2], values, steps
    return values[1:], [_potential(*last, left) for left in reversed(range(steps))]


def changed(
    layers: Sequence[Layer],
    maps: Sequence[Map],
    activations: Sequence[Activation],
    codes: Tensor,
    steps: int,
) -> tuple[int, int]:
    """How many values of hidden units the rounding to integers changes on inputs of the values
    ``codes``, each layer given what the integers give; and how many values there are.

    Parameters
    ----------
    activations : sequence of Activation
        What the layers with weights were trained to compute.
    layers, maps, codes, steps
        As for :func:`answer`.
    """
    integers, _ = answer(layers, maps, codes, steps)
    given = [codes.float(), *integers]
    trained = iter(activations)
    differ = count = 0
    for index, (layer, before) in enumerate(zip(layers[:-1], maps, strict=False)):
        if isinstance(layer.kind, Pooling):
            continue
        alpha, beta = next(trained)
        potential = _potential(layer, index, before, given[: index + 1], steps)
        bias, gain = (_per_unit(each, potential) for each in (layer.bias, layer.gain))
        summed = (potential - bias) // gain
        slope, offset = (_per_unit(each, potential) for each in (alpha, beta))
        value = (slope * summed + offset).floor().clamp(0, highest(steps))
        differ += int((value != given[index + 1]).sum())
        count += value.numel()
    return differ, count


def _per_unit(each: np.ndarray, potential: Tensor) -> Tensor:
    """``each`` [rows], of a unit or channel, for every unit of ``potential`` [B, units]."""
    tensor = torch.from_numpy(each).to(potential.device)
    if not tensor.is_floating_point():
        tensor = tensor.long()
    return tensor.repeat_interleave(potential.shape[1] // len(each))


def _potential(
    layer: Layer,
    index: int,
    before: Map,
    values: Sequence[Tensor],
    steps: int,
    left: int = 0,
) -> Tensor:
    """U int64 [B, units] of a layer after a period, or while ``left`` phases are still to come."""
    kind = layer.kind
    assert not isinstance(kind, Pooling)
    exact = torch.float32 if layer.inputs * highest(steps) < _FLOAT32 else torch.float64
    weight = np.where(layer.weight, np.float32(1), np.float32(-1))
    signs = torch.from_numpy(weight).to(values[-1].device, exact)
    heard = _without(values[-1], left).to(exact)
    if isinstance(kind, Conv):
        sums = convolved(heard.view(-1, *before), signs, kind).flatten(1)
    else:
        sums = heard @ signs.T
    summed = sums.round().long()
    potential = _per_unit(layer.bias, summed) + _per_unit(layer.gain, summed) * summed
    if kind.shortcut is not None:
        past = values[kind.shortcut.source(index) + 1]
        potential += kind.shortcut.gain * _without(past, left).long()
    return potential


def _without(values: Tensor, left: int) -> Tensor:
    """``values`` without their ``left`` least significant bits."""
    return values if not left else (values / 2**left).floor() * 2**left


def _pooled(kind: Pooling, before: Map, values: Tensor) -> Tensor:
    maps = values.view(-1, *before)
    if isinstance(kind, Max):
        return max_pool2d(maps, kind.kernel).flatten(1)
    area = kind.kernel[0] * kind.kernel[1]
    sums = avg_pool2d(maps, kind.kernel, divisor_override=1).round().long()
    return (sums // area).float().flatten(1)
