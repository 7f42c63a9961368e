"""``bistable``: 1-bit weights and values of K bits, which bistable neurons send exactly.

With ``b = sign(w)`` straight through, each layer with weights makes values a in 0 … M = 2^K − 1; μ
and σ are mean and deviation of S over the batch, and over the places of a channel::

    S = Σ b a + gain of the shortcut · a
    u = γ ((S − μ) / σ + β)              batch norm; γ > 0 and β trained, one per channel
    a = clip(⌊u⌋, 0, M)                  1 / γ is the step of the quantiser, in deviations
    ∂a/∂u = 1 where 0 < u < 2^K, else 0
    L = cross-entropy(margin_scale · ((S − μ) / σ + β))   of the outputs, which share one σ

At first values are not whole, ``clip(u − ½, 0, M)``; they ramp up to the quantised ones. The
largest of a window is taken before the quantiser, which comes to the same. At the end gain, bias
and threshold follow from running averages of μ and σ (``sw.fold_values``), nearly always without
changing a single value.

Sources: the activation of the network that spikes come to, in place of the ReLU, Bu et al. (QCFS),
ICLR 2022; learnt steps, Esser et al. (LSQ), ICLR 2020; straight-through signs, Hubara et al.,
NeurIPS 2016; bistable neurons, Li, Zeng and Zhao (BSNN), 2021. What is ours: the ramp, the fold,
the constants.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import BackwardCFunction, FunctionCtx, once_differentiable
from torch.nn.functional import avg_pool2d, batch_norm, cross_entropy, max_pool2d

from sw.bistable import highest
from sw.fold_values import fold_values
from sw.network import Layer
from sw.rules.neuron import convolved, sign
from sw.rules.rule import Group, Rule
from sw.rules.straight import straight_sign
from sw.structure import Conv, Dense, Kind, Map, Max, Pooling, Structure

__all__ = ["Activation", "Bistable"]

_LEAST = 1e-4  # ε, added to a variance
_COVERED = 2.5  # deviations that the values cover at the start
_OUTPUT_GAIN = 16  # of outputs, so that few potentials are equal


class Activation(NamedTuple):
    """A trained layer: its value is ``clip(⌊α S + β⌋, 0, M)``, or of outputs its logit α S + β.

    Parameters
    ----------
    alpha, beta : float64 [rows]
    """

    alpha: np.ndarray
    beta: np.ndarray


class _Quantised(torch.autograd.Function):
    @staticmethod
    def forward(context: FunctionCtx, u: Tensor, most: int, hardness: Tensor | None) -> Tensor:
        context.save_for_backward(u)
        context.most = most  # type: ignore[attr-defined]
        values = u.floor().clamp_(0, most)
        return values if hardness is None else (u - 0.5).clamp_(0, most).lerp_(values, hardness)

    @staticmethod
    @once_differentiable
    def backward(context: BackwardCFunction, gradient: Tensor) -> tuple[Tensor, None, None]:
        (u,) = context.saved_tensors
        top = context.most + 1.0  # type: ignore[attr-defined]
        return torch.ops.aten.hardtanh_backward(gradient, u, 0.0, top), None, None


_quantised: Callable[[Tensor, int, Tensor | None], Tensor] = _Quantised.apply


class Bistable(Rule):
    """The rule above, for networks of any depth.

    Parameters
    ----------
    ramp : float, 0 … 1
        Share of the epochs in which values become whole numbers.
    margin_scale : float, above 0
        What a potential of one deviation is worth as a logit.
    smoothing : float, 0 … 1
        Label smoothing.
    noise : float, at least 0
        Normal noise on u while training, in values; one draw per unit and example.
    momentum : float, 0 … 1
        Share of a batch in the running averages.
    calibration : int, batches, at least 0
        After the last epoch the running averages become those of so many large batches.
    start_weight : float, 0 … 1
        Latent weights start between this and its negative.
    bias_factor : float, 0 … 10000
        Learning rate of β over that of weights.
    step_factor : float, 0 … 10000
        Learning rate of the logarithm of γ over that of weights.
    gain_limit : int, 1 … 65536
        The largest gain of hidden units, a power of two or what is next below.
    """

    name = "bistable"
    coding = "bistable"
    averages = False  # batch norm looks at the whole batch
    least_batch = 2
    maps = True
    rate = 0.015

    def __init__(
        self,
        structure: Structure | Sequence[int],
        steps: int,
        *,
        ramp: float = 0.3,
        margin_scale: float = 4.0,
        smoothing: float = 0.0,
        noise: float = 0.0,
        momentum: float = 0.1,
        calibration: int = 40,
        start_weight: float = 0.5,
        bias_factor: float = 1.0,
        step_factor: float = 1.0,
        gain_limit: int = 256,
    ) -> None:
        super().__init__(structure, steps)
        self.ramp, self.margin_scale, self.smoothing = ramp, margin_scale, smoothing
        self.noise, self.momentum, self.calibration = noise, momentum, calibration
        self.bias_factor, self.step_factor, self.gain_limit = bias_factor, step_factor, gain_limit
        self.most = highest(steps)
        shapes = [kind.weights(before) for kind, before in _weighted(self.structure)]
        rows = [count for count, _ in shapes]
        start = _COVERED / (self.most + 1)  # of the quantiser's step
        self.weights = nn.ParameterList(
            nn.Parameter(torch.empty(shape).uniform_(-start_weight, start_weight))
            for shape in shapes
        )
        # ⌊u⌋ rounds at first: β is half a step
        self.biases = nn.ParameterList(
            nn.Parameter(torch.full((count,), start / 2)) for count in rows
        )
        self.sharpness = nn.ParameterList(  # the logarithm of γ
            nn.Parameter(torch.full((count,), -float(np.log(start)))) for count in rows[:-1]
        )
        for index, count in enumerate(rows):
            self.register_buffer(f"mean{index}", torch.zeros(count))
            self.register_buffer(f"variance{index}", torch.ones(count))
        self.hardness: Tensor
        self.register_buffer("hardness", torch.ones(()))
        self.progress(0.0)

    def groups(self) -> list[Group]:
        return [
            {"params": list(self.weights), "factor": 1.0},
            {"params": list(self.biases), "factor": self.bias_factor},
            {"params": list(self.sharpness), "factor": self.step_factor},
        ]

    @torch.no_grad()
    def constrain(self) -> None:
        for weight in self.weights:
            weight.clamp_(-1, 1)

    @torch.no_grad()
    def start(self, inputs: Tensor) -> None:
        """Running averages of one large sample."""
        self._forward(inputs, 1.0)

    @torch.no_grad()
    def progress(self, share: float) -> None:
        self._whole = share >= self.ramp
        self.hardness.fill_(1.0 if self._whole else share / self.ramp)

    @torch.no_grad()
    def calibrate(self, inputs: Tensor, share: float) -> None:
        self._forward(inputs, share)

    def backward(self, inputs: Tensor, labels: Tensor) -> None:
        logits = self.margin_scale * self._forward(inputs, self.momentum, self.noise)
        loss = cross_entropy(logits, labels, label_smoothing=self.smoothing)
        parameters = list(self.parameters())
        for parameter, gradient in zip(
            parameters, torch.autograd.grad(loss, parameters), strict=True
        ):
            parameter.grad = gradient

    def layers(self) -> list[tuple[Tensor, Tensor]]:
        return [
            (sign(weight.detach()), torch.from_numpy(layer.threshold).to(weight.device))
            for weight, layer in zip(
                self.weights, (each for each in self.export() if each.weight.size), strict=True
            )
        ]

    @torch.no_grad()
    def activations(self) -> list[Activation]:
        """Of each layer with weights, from the running averages."""
        result = []
        for index, bias in enumerate(self.biases):
            mean, variance, beta = (
                each.cpu().double().numpy()
                for each in (self._mean(index), self._variance(index), bias)
            )
            gamma = np.ones(len(beta))
            if index < len(self.sharpness):
                gamma = self.sharpness[index].cpu().double().exp().numpy()
            alpha = gamma / np.sqrt(variance + _LEAST)
            result.append(Activation(alpha, gamma * beta - alpha * mean))
        return result

    @torch.no_grad()
    def export(self) -> list[Layer]:
        learnt = iter(zip(self.weights, self.activations(), strict=True))
        result = []
        for kind, before in zip(self.structure.kinds, self.structure.maps, strict=False):
            if isinstance(kind, Pooling):
                result.append(Layer(kind=kind))
                continue
            weight, activation = next(learnt)
            bits = (weight >= 0).cpu().numpy()
            if len(result) == len(self.structure.kinds) - 1:
                result.append(_output(kind, bits, activation))
            else:
                result.append(self._hidden(kind, before, bits, activation))
        return result

    def _hidden(
        self, kind: Conv | Dense, before: Map, weight: np.ndarray, activation: Activation
    ) -> Layer:
        past = kind.shortcut.gain if kind.shortcut is not None else 0
        folded = fold_values(
            alpha=activation.alpha,
            beta=activation.beta,
            steps=self.steps,
            reach=(kind.weights(before)[1] + past) * self.most,
            most_gain=1 << self.gain_limit.bit_length() - 1,
            same_gain=past > 0,
        )
        return Layer(
            weight=weight,
            threshold=folded.threshold,
            kind=_raised(kind, int(folded.gain[0])),
            bias=folded.bias,
            gain=folded.gain,
        )

    def _mean(self, index: int) -> Tensor:
        return getattr(self, f"mean{index}")

    def _variance(self, index: int) -> Tensor:
        return getattr(self, f"variance{index}")

    def _forward(self, inputs: Tensor, momentum: float, noise: float = 0.0) -> Tensor:
        """(S − μ) / σ + β of the outputs, [B, N]; the running averages take in the batch's."""
        maps = inputs.float().view(-1, *self.structure.inputs)
        if maps.is_cuda:
            maps = maps.contiguous(memory_format=torch.channels_last)
        values: list[Tensor | None] = [maps]  # of the inputs and of each layer
        number, skipped = 0, False
        kinds = self.structure.kinds
        sources = _sources(kinds)
        for index, kind in enumerate(kinds):
            if skipped:
                skipped = False
                values.append(maps)
                continue
            if isinstance(kind, Pooling):
                maps = self._pooled(kind, maps)
                values.append(maps)
                continue
            weight = straight_sign(self.weights[number])
            if isinstance(kind, Conv):
                sums = convolved(maps, weight, kind)
            else:
                sums = (maps.flatten(1) @ weight.T)[:, :, None, None]
            if kind.shortcut is not None:
                past = values[kind.shortcut.source(index) + 1]
                assert past is not None
                sums = sums + kind.shortcut.gain * past
            if number == len(self.sharpness):
                return self._outputs(number, sums.flatten(1), momentum)
            gamma = self.sharpness[number].exp()
            u = batch_norm(
                sums,
                self._mean(number),
                self._variance(number),
                weight=gamma,
                bias=gamma * self.biases[number],
                training=True,
                momentum=momentum,
                eps=_LEAST,
            )
            following = kinds[index + 1]
            if isinstance(following, Max) and index not in sources:
                u, skipped = max_pool2d(u, following.kernel), True
            if noise:
                u = u + noise * torch.randn_like(u)
            maps = _quantised(u, self.most, None if self._whole else self.hardness)
            values.append(None if skipped else maps)
            number += 1
        raise AssertionError("The last layer is dense")

    def _outputs(self, number: int, sums: Tensor, momentum: float) -> Tensor:
        mean, variance = sums.mean(dim=0), sums.var(dim=0, correction=0).mean()
        with torch.no_grad():
            self._mean(number).lerp_(mean, momentum)
            self._variance(number).lerp_(variance.expand(sums.shape[1]), momentum)
        return (sums - mean) / (variance + _LEAST).sqrt() + self.biases[number]

    def _pooled(self, kind: Pooling, maps: Tensor) -> Tensor:
        if isinstance(kind, Max):
            return max_pool2d(maps, kind.kernel)
        area = kind.kernel[0] * kind.kernel[1]
        sums = avg_pool2d(maps, kind.kernel, divisor_override=1)
        soft = sums / area
        # Half a unit of the sum keeps the floor of a whole number from the one below
        whole = ((sums.detach() + 0.5) / area).floor()
        return soft + self.hardness * (whole - soft.detach())


def _output(kind: Conv | Dense, weight: np.ndarray, activation: Activation) -> Layer:
    """The largest ``α S + β``, where all have the same α, is the largest ``S + β / α``."""
    alpha, beta = activation
    bias = np.rint(_OUTPUT_GAIN * beta / alpha).astype(np.int32)
    return Layer(
        weight=weight,
        threshold=np.ones(len(bias), np.int32),
        kind=_raised(kind, _OUTPUT_GAIN),
        bias=bias,
        gain=np.full(len(bias), _OUTPUT_GAIN, np.int32),
    )


def _raised(kind: Conv | Dense, gain: int) -> Conv | Dense:
    """``kind``, whose sums are multiplied by ``gain``: so are the values of a shortcut."""
    if kind.shortcut is None:
        return kind
    return replace(kind, shortcut=replace(kind.shortcut, gain=gain * kind.shortcut.gain))


def _sources(kinds: Sequence[Kind]) -> set[int]:
    """Layers that shortcuts come from."""
    return {
        kind.shortcut.source(index) for index, kind in enumerate(kinds) if kind.shortcut is not None
    }


def _weighted(structure: Structure) -> list[tuple[Conv | Dense, Map]]:
    """The layers with weights, and the map before each."""
    pairs = zip(structure.kinds, structure.maps, strict=False)
    return [(kind, before) for kind, before in pairs if not isinstance(kind, Pooling)]
