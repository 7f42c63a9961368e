"""Relative targets: what the published rules ``s4nn``, ``bs4nn`` and ``sstdp`` have in common.

Sources: S4NN, Kheradpisheh and Masquelier, International Journal of Neural Systems 2020, and the
code that its authors published. Forward as in docs/spec.md, with one fixed threshold θ for all
units, 100 in the papers; a unit that never fires counts as firing at T. With τ the first spike of
an output (T − γ if there is none), γ the gap and y the label, the outputs have targets relative to
what happened::

    target_y = τ        target_j = min(max(t_j, τ + γ), T) for every other j
    δ_j = (target_j − t_j) / T

An input is a cause of a spike if it came no later, ``C_ji = 1[t_i ≤ t_j]`` for ``t_i < T``, and
∂t_j/∂V_j is taken as −1. From the output back, with δ̂ = δ / ‖δ‖₂ for each image and layer::

    ∂L/∂w_ji = Σ_images δ̂_j C_ji + λ w_ji        δ_i = Σ_j δ̂_j w_ji C_ji

so a unit that stayed silent passes nothing on. Weights start uniform from 0. The step is plain
gradient descent, after each image in the papers, whose code counts time from 1 behind each layer:
its mask ``t_i < t_j`` is ``t_i ≤ t_j`` without layer delay.

What is ours: a batch, over which gradients are summed, so that the learning rate is that of one
image whatever the batch; a rate that falls to 0; rate, γ and λ, which the rules' modules hold
against the published ones; and that θ of the first layer is scaled by spikes per image over MNIST's
150, so that a unit waits for the same share of them on other data.
"""

from abc import abstractmethod
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from sw.cli import UserError
from sw.rules.rule import Group, Rule

__all__ = ["RelativeTargets", "fire_in_order"]

_SPIKES = 150  # of an MNIST image, those of its pixels that are not 0


class RelativeTargets(Rule):
    """The rules above, for fully connected networks of any depth.

    Parameters
    ----------
    gap : float, steps, at least 0
        γ, how much later than the first spike the other classes should fire.
    decay : float, at least 0
        λ, for each image.
    threshold : float, above 0
        θ, the firing threshold of all units.
    hidden_range, output_range : float, above 0
        Weights start uniform in 0 … this.
    """

    averages = False  # gradients are sums
    shares = False
    level: Tensor

    def __init__(
        self,
        sizes: Sequence[int],
        steps: int,
        *,
        gap: float = 5.0,
        decay: float = 5e-6,
        threshold: float = 100.0,
        hidden_range: float = 5.0,
        output_range: float = 48.0,
    ) -> None:
        super().__init__(sizes, steps)
        self.gap, self.threshold, self.decay = gap, threshold, decay
        self.ranges = (*(hidden_range for _ in sizes[2:]), output_range)
        shapes = zip(self.sizes[1:], self.sizes[:-1], strict=True)
        self.weights = nn.ParameterList(
            nn.Parameter(top * torch.rand(shape))
            for top, shape in zip(self.ranges, shapes, strict=True)
        )
        self.register_buffer("level", torch.tensor(float(threshold)))  # θ of the first layer

    def groups(self) -> list[Group]:
        return [{"params": list(self.weights), "factor": 1.0}]

    def optimizer(self, groups: list[Group]) -> torch.optim.Optimizer:
        return _Descent(groups)

    def start(self, inputs: Tensor) -> None:
        if inputs.dim() != 2:
            raise UserError(f"Rule {self.name!r}: takes one spike per input, not events")
        spikes = (inputs < self.steps).sum(dim=1).float().mean()
        self.level.copy_(self.threshold * spikes / _SPIKES)

    @abstractmethod
    def used(self, index: int) -> tuple[Tensor, Tensor | float]:
        """Weights of layer ``index`` that spikes meet, [N_out, N_in], and its threshold."""

    def theta(self, index: int) -> Tensor | float:
        """θ of layer ``index``."""
        return self.threshold if index else self.level

    def strength(self, before: Tensor, after: Tensor) -> Tensor:
        """How far the input spikes ``before`` [B, 1, N_in] teach a weight, given those ``after``
        [B, N_out, 1] of the layer: C, [B, N_out, N_in].
        """
        return _causes(before, after, self.steps)

    def learn(self, index: int, gradient: Tensor) -> None:
        """Sets ``grad`` of what makes up layer ``index``, from Σ_images δ̂ C."""
        self.weights[index].grad = gradient

    @torch.no_grad()
    def backward(self, inputs: Tensor, labels: Tensor) -> None:
        fired = self.run(inputs)
        error = self.output_error(fired[-1], labels)
        for index in reversed(range(len(self.weights))):
            weight, error = self.weights[index], nn.functional.normalize(error, dim=1)[:, :, None]
            before, after = fired[index][:, None, :], fired[index + 1][:, :, None]
            gradient = (error * self.strength(before, after)).sum(dim=0)
            self.learn(index, gradient)
            weight.grad.add_(weight, alpha=self.decay * len(labels))
            if index:
                error = (error * _causes(before, after, self.steps) * weight).sum(dim=1)

    def run(self, inputs: Tensor) -> list[Tensor]:
        """Firing steps of the inputs and of each layer, integer [B, N] each, T for never."""
        fired = [inputs]
        for index in range(len(self.weights)):
            fired.append(fire_in_order(fired[-1], *self.used(index), self.steps))
        return fired

    def output_error(self, times: Tensor, labels: Tensor) -> Tensor:
        """δ of the output layer, [B, N]; negative means that it should fire earlier."""
        if labels.is_floating_point():
            raise UserError(
                f"Rule {self.name!r}: takes one class per image, not a share of each class"
            )
        first = times.amin(dim=1, keepdim=True).float()
        first = torch.where(first == self.steps, self.steps - self.gap, first)
        target = torch.maximum(times, first + self.gap).clamp(max=self.steps)
        is_label = nn.functional.one_hot(labels, times.shape[1]).bool()
        return (torch.where(is_label, first, target) - times) / self.steps


def fire_in_order(times: Tensor, weight: Tensor, threshold: Tensor | float, steps: int) -> Tensor:
    """First step whose potential reaches the threshold, T for never: [B, N_out], of the type of
    ``times``.

    Goes from spike to spike instead of from step to step, so it costs the same for any T.

    Parameters
    ----------
    times : integer [B, N_in], T for never
    weight : [N_out, N_in]
    threshold : above 0
    steps : int
        T.
    """
    ordered, unit = times.sort(dim=1)
    if not times.is_cuda:  # a CUDA graph cannot hold a size that depends on the data
        spikes = max(1, int((ordered < steps).sum(dim=1).max()))
        ordered, unit = ordered[:, :spikes], unit[:, :spikes]
    potentials = weight.T.contiguous()[unit].cumsum(dim=1)  # after each spike
    following = nn.functional.pad(ordered[:, 1:], (0, 1), value=steps)
    ends_step = (ordered < following)[:, :, None]
    fires = ends_step & (potentials >= threshold)
    return torch.where(fires, ordered[:, :, None], steps).amin(dim=1)


def _causes(before: Tensor, after: Tensor, steps: int) -> Tensor:
    """Which spikes came in time to cause a later one; one that never came caused none."""
    return before <= after.clamp(max=steps - 1)


class _Descent(torch.optim.Optimizer):
    """Plain gradient descent whose rates are tensors that a CUDA graph reads in each step."""

    def __init__(self, groups: Iterable[Group]) -> None:
        super().__init__(groups, {})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]  # a captured step has no closure
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.addcmul_(parameter.grad, group["lr"], value=-1)
