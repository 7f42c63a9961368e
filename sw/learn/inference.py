"""The trainer's integer mode: what a network answers, by PyTorch, every step at once.

Because the membrane neither leaks nor resets, ``V(t) = b · S(t)`` for the cumulative spike counts
S, so one matrix product, or one convolution, gives all steps. Sums of integers are exact in float32
(below 2²⁴). A GPU may round the factors to TF32 (11 bits), so larger counts are multiplied in two
parts; a convolution may be computed by a transform, so its result is rounded to the integer that it
is. Thus this equals the golden model bit for bit.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from sw.answer import Answer
from sw.cli import UserError
from sw.encoder import LatencyEncoder, Spikes
from sw.network import Network
from sw.rules.neuron import convolved, fire, spiked
from sw.structure import Conv, First, Map, Structure

__all__ = [
    "answer",
    "counts",
    "decide",
    "run",
    "run_images",
    "run_inputs",
    "run_layers",
    "tensors",
]

_CHUNK = 1 << 25  # values of the widest layer, all steps, held at a time (128 MiB)
_MOST = 2**24 - 1  # input spikes of an example; the hardware takes 4,095
_FACTOR = 2**11  # counts below it are exact in TF32


def run_images(network: Network, images: np.ndarray, device: str | torch.device = "cpu") -> Answer:
    """The answer to ``images`` uint8, encoded by the network's own encoder."""
    if not isinstance(network.encoder, LatencyEncoder):
        raise ValueError(f"Network must take images, not {network.encoder!r}")
    times = network.encoder.times(images, network.steps)
    size = _chunk(network)
    return _join(
        network.steps,
        [
            _run(network, spiked(torch.as_tensor(times[i : i + size]).to(device), network.steps))
            for i in range(0, max(len(times), 1), size)
        ],
    )


def run(network: Network, spikes: Spikes, device: str | torch.device = "cpu") -> Answer:
    """The answer to input ``spikes``, where an input unit may fire more than once."""
    size = _chunk(network)
    parts = []
    for start in range(0, max(spikes.count, 1), size):
        stop = min(start + size, spikes.count)
        rows = slice(*np.searchsorted(spikes.image, (start, stop)))
        part = Spikes(
            count=stop - start,
            image=spikes.image[rows] - start,
            step=spikes.step[rows],
            unit=spikes.unit[rows],
        )
        parts.append(_run(network, counts(part, network.sizes[0], network.steps).to(device)))
    return _join(network.steps, parts)


def run_inputs(
    network: Network, inputs: np.ndarray | Spikes, device: str | torch.device = "cpu"
) -> Answer:
    """The answer to ``inputs`` as the network takes them: images or spikes."""
    if isinstance(inputs, Spikes):
        return run(network, inputs, device)
    return run_images(network, inputs, device)


def counts(spikes: Spikes, inputs: int, steps: int) -> Tensor:
    """How often each input has fired by the end of each step: float32 [B, T, inputs]."""
    change = np.zeros((spikes.count, steps, inputs), np.float32)
    np.add.at(change, (spikes.image, spikes.step, spikes.unit), 1)
    return torch.from_numpy(change.cumsum(axis=1, dtype=np.float32))


def decide(potentials: Tensor, threshold: Tensor, times: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Label, decision step and winning margin, each int64 [B] (docs/spec.md, rule 5).

    Parameters
    ----------
    potentials : [B, T, N], integers
        Of the output layer.
    threshold : integer [N]
        With real weights both may be float; then so is the margin.
    times : int64 [B, N]
        What :func:`sw.rules.neuron.fire` gives for them.
    """
    steps = potentials.shape[1]
    first = times.amin(dim=1)
    step = first.clamp(max=steps - 1)
    at_step = step[:, None, None].expand(-1, 1, potentials.shape[2])
    reached = potentials.gather(1, at_step)[:, 0]
    if threshold.is_floating_point():
        margins, lowest = reached - threshold, -torch.inf
    else:
        margins, lowest = reached.long() - threshold.long(), torch.iinfo(torch.int64).min
    eligible = (times == first[:, None]) | (first == steps)[:, None]
    margin, label = torch.where(eligible, margins, lowest).max(dim=1)
    # max names any of several equal entries on some devices: the lowest index wins here
    label = (eligible & (margins == margin[:, None])).int().argmax(dim=1)
    return label, step, margin


def answer(
    layers: Sequence[tuple[Tensor, Tensor]], fired: Tensor, structure: Structure | None = None
) -> tuple[list[Tensor], Tensor, Tensor, Tensor]:
    """Spike times of every layer (int64 [B, N] each), then what :func:`decide` gives.

    Parameters
    ----------
    layers : sequence of (float32 [rows, columns], int32 [rows])
        Signs, −1 or +1, and thresholds, of each layer with weights.
    fired : float32 [B, T, N_in]
        How often each input has fired by the end of each step.
    structure : Structure
        Dense if it is left out.
    """
    structure = structure or Structure.of((fired.shape[2], *(len(row) for row, _ in layers)))
    count, steps, _ = fired.shape
    weights = iter(layers)
    times: list[Tensor] = []
    for kind, inputs, output in zip(
        structure.kinds, structure.maps, structure.maps[1:], strict=False
    ):
        if isinstance(kind, First):
            times.append(_pooled(times[-1] if times else fire(fired, 1), kind, inputs))
        else:
            sign, threshold = next(weights)
            if isinstance(kind, Conv):
                spikes = fired.reshape(count * steps, *inputs)
                maps = _exact(spikes, partial(convolved, weight=sign, kind=kind)).round()
                potentials = maps.reshape(count, steps, math.prod(output))
            else:
                potentials = _potentials(fired, sign)
            # As float32 a threshold beyond 2**24 is rounded, but stays beyond every potential
            each = threshold.float().repeat_interleave(math.prod(output[1:]))
            times.append(fire(potentials, each))
        fired = spiked(times[-1], steps)
    return times, *decide(potentials, threshold, times[-1])


def _pooled(times: Tensor, kind: First, inputs: Map) -> Tensor:
    """The earliest time of each window, int64 [B, units], of ``times`` int64 [B, units]."""
    maps = -times.float().view(len(times), *inputs)
    return -max_pool2d(maps, kind.kernel).flatten(1).long()


def _potentials(fired: Tensor, sign: Tensor) -> Tensor:
    """The product of ``fired`` float32 [B, T, N_in] and ``sign`` [N_out, N_in]: [B, T, N_out]."""
    return _exact(fired, lambda counts: counts @ sign.T)


def _exact(fired: Tensor, multiply: Callable[[Tensor], Tensor]) -> Tensor:
    """``multiply``, which is linear, of ``fired``; exact also in TF32."""
    if not fired.numel() or fired.max() < _FACTOR:
        return multiply(fired)
    low = fired % _FACTOR
    return multiply(low) + multiply(fired - low)


def tensors(network: Network, device: str | torch.device) -> list[tuple[Tensor, Tensor]]:
    """Signs and thresholds per layer with weights, as :func:`answer` takes them."""
    return [
        (
            torch.from_numpy(np.where(layer.weight, 1, -1).astype(np.float32)).to(device),
            torch.from_numpy(layer.threshold).to(device),
        )
        for layer in network.layers
        if not isinstance(layer.kind, First)
    ]


def run_layers(
    layers: Sequence[tuple[Tensor, Tensor]],
    inputs: Tensor,
    steps: int,
    structure: Structure | None = None,
) -> Answer:
    """The answer of ``layers`` of a ``structure``, as :func:`answer` takes them, to ``inputs``, as
    :func:`sw.rules.neuron.spiked` takes them.
    """
    structure = structure or Structure.of((inputs.shape[-1], *(len(row) for row, _ in layers)))
    size = max(1, _CHUNK // (steps * max(structure.sizes)))
    return _join(
        steps,
        [_answer(layers, spiked(part, steps), structure) for part in inputs.split(size)],
    )


def _run(network: Network, fired: Tensor) -> Answer:
    """The answer to one chunk, from cumulative input counts float32 [B, T, N_in]."""
    structure = Structure(network.encoder.map, tuple(layer.kind for layer in network.layers))
    return _answer(tensors(network, fired.device), fired, structure)


def _answer(layers: Sequence[tuple[Tensor, Tensor]], fired: Tensor, structure: Structure) -> Answer:
    """What :func:`answer` gives, as arrays. Raises UserError for more than 2²⁴ − 1 input spikes of
    an example, which float32 cannot count.
    """
    most = int(fired[:, -1].double().sum(dim=1).max()) if fired.numel() else 0
    if most > _MOST:
        raise UserError(f"Input spikes must be at most {_MOST:,} per example, not {most:,}")
    times, label, step, margin = answer(layers, fired, structure)
    return Answer(
        steps=fired.shape[1],
        times=tuple(layer.cpu().numpy().astype(np.int16) for layer in times),
        label=label.cpu().numpy(),
        step=step.cpu().numpy(),
        margin=margin.cpu().numpy(),
        pooling=frozenset(i for i, kind in enumerate(structure.kinds) if isinstance(kind, First)),
    )


def _chunk(network: Network) -> int:
    return max(1, _CHUNK // (network.steps * max(network.sizes)))


def _join(steps: int, parts: Sequence[Answer]) -> Answer:
    return Answer(
        steps=steps,
        times=tuple(np.concatenate(layer) for layer in zip(*(p.times for p in parts), strict=True)),
        label=np.concatenate([part.label for part in parts]),
        step=np.concatenate([part.step for part in parts]),
        margin=np.concatenate([part.margin for part in parts]),
        pooling=parts[0].pooling,
    )
