"""The trainer's integer mode: what a network answers, by PyTorch, every step at once.

Because the membrane neither leaks nor resets, ``V(t) = b · S(t)`` for the cumulative spike counts
S, so one matrix product gives all steps. Sums of integers are exact in float32 (below 2²⁴). A GPU
may round the factors to TF32 (11 bits), so larger counts are multiplied in two parts. Thus this
equals the golden model bit for bit.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from sw.answer import Answer
from sw.cli import UserError
from sw.encoder import LatencyEncoder, Spikes
from sw.network import Network
from sw.rules.neuron import fire, spiked

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
    """The answer to ``images`` uint8 [B, height, width], encoded by the network's own encoder."""
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
    layers: Sequence[tuple[Tensor, Tensor]], fired: Tensor
) -> tuple[list[Tensor], Tensor, Tensor, Tensor]:
    """Spike times of every layer (int64 [B, N] each), then what :func:`decide` gives.

    Parameters
    ----------
    layers : sequence of (float32 [N_out, N_in], int32 [N_out])
        Signs, −1 or +1, and thresholds.
    fired : float32 [B, T, N_in]
        How often each input has fired by the end of each step.
    """
    times = []
    for sign, threshold in layers:
        potentials = _potentials(fired, sign)
        # As float32 a threshold beyond 2**24 is rounded, but stays beyond every potential
        times.append(fire(potentials, threshold.float()))
        fired = spiked(times[-1], fired.shape[1])
    return times, *decide(potentials, threshold, times[-1])


def _potentials(fired: Tensor, sign: Tensor) -> Tensor:
    """The product of ``fired`` float32 [B, T, N_in] and ``sign`` [N_out, N_in], exact also in TF32:
    [B, T, N_out].
    """
    if not fired.numel() or fired.max() < _FACTOR:
        return fired @ sign.T
    low = fired % _FACTOR
    return low @ sign.T + (fired - low) @ sign.T


def tensors(network: Network, device: str | torch.device) -> list[tuple[Tensor, Tensor]]:
    """Signs and thresholds per layer, as :func:`answer` takes them."""
    return [
        (
            torch.from_numpy(np.where(layer.weight, 1, -1).astype(np.float32)).to(device),
            torch.from_numpy(layer.threshold).to(device),
        )
        for layer in network.layers
    ]


def run_layers(layers: Sequence[tuple[Tensor, Tensor]], inputs: Tensor, steps: int) -> Answer:
    """The answer of ``layers``, as :func:`answer` takes them, to ``inputs``, as
    :func:`sw.rules.neuron.spiked` takes them.
    """
    widest = max(inputs.shape[-1], *(len(weight) for weight, _ in layers))
    size = max(1, _CHUNK // (steps * widest))
    return _join(
        steps,
        [_answer(layers, spiked(part, steps)) for part in inputs.split(size)],
    )


def _run(network: Network, fired: Tensor) -> Answer:
    """The answer to one chunk, from cumulative input counts float32 [B, T, N_in]."""
    return _answer(tensors(network, fired.device), fired)


def _answer(layers: Sequence[tuple[Tensor, Tensor]], fired: Tensor) -> Answer:
    """What :func:`answer` gives, as arrays. Raises UserError for more than 2²⁴ − 1 input spikes of
    an example, which float32 cannot count.
    """
    most = int(fired[:, -1].double().sum(dim=1).max()) if fired.numel() else 0
    if most > _MOST:
        raise UserError(f"Input spikes must be at most {_MOST:,} per example, not {most:,}")
    times, label, step, margin = answer(layers, fired)
    return Answer(
        steps=fired.shape[1],
        times=tuple(layer.cpu().numpy().astype(np.int16) for layer in times),
        label=label.cpu().numpy(),
        step=step.cpu().numpy(),
        margin=margin.cpu().numpy(),
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
    )
