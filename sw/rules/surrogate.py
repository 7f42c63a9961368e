"""``surrogate``: every step at once, with a surrogate derivative of the spike, for comparison.

The membrane neither leaks nor resets, so ``V(t) = b · S(t)`` for the cumulative spikes S: no step
waits for another, and back-propagation needs no recurrence through time. Per layer, with
``b = sign(w)`` straight through and μ, σ mean and deviation of V over batch and steps::

    u_j(t) = (V_j(t) − μ_j) / σ_j + β_j              batch-norm, β trained
    f_j(t) = 1[max_{t' ≤ t} u_j(t') ≥ 0]             the latch: has fired by t
    ∂f/∂u  = max(0, 1 − |u|)                         triangle, at the step of the maximum
    L      = cross-entropy(gain · Σ_t f(t) / T) + margin_gain · cross-entropy(u(t*))

``Σ_t f(t)`` counts the steps since a unit fired: earliness; t* is the decision step. For hardware
the normalisation moves the threshold, exactly (``sw.fold``), since its factor 1/σ is positive::

    u ≥ 0  ⇔  V ≥ μ − β σ =: θ                       running averages of μ and σ

Sources: surrogate gradients, Neftci et al., IEEE Signal Processing Magazine 2019; straight-through
signs, Hubara et al., NeurIPS 2016. What is ours: the latch as a running maximum, the loss, the
constants.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.autograd.function import BackwardCFunction, FunctionCtx

from sw.fold import fold
from sw.rules.neuron import sign, spiked
from sw.rules.rule import Group, Rule

__all__ = ["Surrogate"]


class Surrogate(Rule):
    """The rule above, for fully connected networks of any depth.

    Parameters
    ----------
    gain : float, at least 0
        What full earliness is worth as a logit.
    margin_gain : float, at least 0
        Weight of the second cross-entropy.
    smoothing : float, 0 … 1
        Label smoothing.
    momentum : float, 0 … 1
        Share of a batch in the running averages.
    start_bias : float
        β at the start, in deviations; a lower one lets fewer units fire.
    bias_factor : float, at least 0
        Learning rate of β over that of weights.
    """

    name = "surrogate"
    averages = False  # batch-norm looks at the whole batch
    rate = 0.005

    def __init__(
        self,
        sizes: Sequence[int],
        steps: int,
        *,
        gain: float = 8.0,
        margin_gain: float = 0.5,
        smoothing: float = 0.0,
        momentum: float = 0.1,
        start_bias: float = -0.5,
        bias_factor: float = 1.0,
    ) -> None:
        super().__init__(sizes, steps)
        self.gain, self.margin_gain, self.smoothing = gain, margin_gain, smoothing
        self.momentum, self.bias_factor = momentum, bias_factor
        shapes = list(zip(self.sizes[1:], self.sizes[:-1], strict=True))
        self.weights = nn.ParameterList(
            nn.Parameter(torch.empty(shape).uniform_(-0.3, 0.3)) for shape in shapes
        )
        self.biases = nn.ParameterList(
            nn.Parameter(torch.full((n,), float(start_bias))) for n in self.sizes[1:]
        )
        for index, n in enumerate(self.sizes[1:]):
            self.register_buffer(f"mean{index}", torch.zeros(n))
            self.register_buffer(f"deviation{index}", torch.ones(n))

    def groups(self) -> list[Group]:
        return [
            {"params": list(self.weights), "factor": 1.0},
            {"params": list(self.biases), "factor": self.bias_factor},
        ]

    @torch.no_grad()
    def constrain(self) -> None:
        for weight in self.weights:
            weight.clamp_(-1, 1)

    @torch.no_grad()
    def start(self, inputs: Tensor) -> None:
        """Running averages of one large sample."""
        self._forward(inputs, 1.0)

    def backward(self, inputs: Tensor, labels: Tensor) -> None:
        fired, last = self._forward(inputs, self.momentum)
        earliness = self.gain * fired.mean(dim=1)
        loss = nn.functional.cross_entropy(earliness, labels, label_smoothing=self.smoothing)
        if self.margin_gain:
            # the decision step: the number of steps by whose end no unit has fired
            step = (fired.detach().amax(dim=2) < 0.5).sum(dim=1).clamp(max=self.steps - 1)
            at = last.gather(1, step[:, None, None].expand(-1, 1, last.shape[2]))[:, 0]
            margin = nn.functional.cross_entropy(at, labels, label_smoothing=self.smoothing)
            loss = loss + self.margin_gain * margin
        parameters = list(self.parameters())
        gradients = torch.autograd.grad(loss, parameters)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient

    @torch.no_grad()
    def layers(self) -> list[tuple[Tensor, Tensor]]:
        result = []
        for index, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            mean, deviation, shift = (t.cpu().numpy() for t in (*self._averages(index), bias))
            folded = fold(
                gamma=1, mean=mean, deviation=deviation, beta=shift, reach=weight.shape[1]
            )
            result.append((sign(weight), torch.from_numpy(folded.threshold).to(weight.device)))
        return result

    def _forward(self, inputs: Tensor, momentum: float) -> tuple[Tensor, Tensor]:
        """Has fired by t, and u, of the output layer: [B, T, N] each."""
        fired = spiked(inputs, self.steps)
        for index, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            potentials = fired @ _straight_through(weight).T
            mean = potentials.mean(dim=(0, 1))
            deviation = potentials.std(dim=(0, 1)).clamp(min=1e-3)
            for average, value in zip(self._averages(index), (mean, deviation), strict=True):
                average.lerp_(value.detach(), momentum)
            normal = (potentials - mean) / deviation + bias
            fired = _spike(_running_maximum(normal))
        return fired, normal

    def _averages(self, index: int) -> tuple[Tensor, Tensor]:
        return getattr(self, f"mean{index}"), getattr(self, f"deviation{index}")


class _StraightThrough(torch.autograd.Function):
    """Sign forward, identity backward."""

    @staticmethod
    def forward(context: object, weight: Tensor) -> Tensor:
        return sign(weight)

    @staticmethod
    def backward(context: object, gradient: Tensor) -> Tensor:
        return gradient


class _Spike(torch.autograd.Function):
    """1[u ≥ 0] forward, a triangle of half width 1 backward."""

    @staticmethod
    def forward(context: FunctionCtx, potential: Tensor) -> Tensor:
        context.save_for_backward(potential)
        return (potential >= 0).float()

    @staticmethod
    def backward(context: BackwardCFunction, gradient: Tensor) -> Tensor:
        (potential,) = context.saved_tensors
        return gradient * (1 - potential.abs()).clamp(min=0)


_straight_through: Callable[[Tensor], Tensor] = _StraightThrough.apply
_spike: Callable[[Tensor], Tensor] = _Spike.apply


def _running_maximum(values: Tensor) -> Tensor:
    """Largest value up to each step, [B, T, N]. Of equal ones the first gets the gradient, in an
    order that is always the same (cummax adds its gradients in any order on a GPU).
    """
    best = [values[:, 0]]
    for step in range(1, values.shape[1]):
        best.append(torch.where(values[:, step] > best[-1], values[:, step], best[-1]))
    return torch.stack(best, dim=1)
