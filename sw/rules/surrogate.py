"""``surrogate``: every step at once, with a surrogate derivative of the spike.

The membrane neither leaks nor resets, so ``V(t) = b · S(t)`` for the cumulative spikes S: no step
waits for another, and back-propagation needs no recurrence through time. Per layer, with
``b = sign(w)`` straight through and μ, σ mean and deviation of V over batch and steps (of a
convolution over its places, too)::

    u_j(t) = (V_j(t) − μ_j) / σ_j + β_j              batch norm, β trained
    f_j(t) = 1[max_{t' ≤ t} u_j(t') ≥ 0]             the latch: has fired by t
    ∂f/∂u  = max(0, 1 − |u|)                         triangle, at the step of the maximum
    L      = cross-entropy(gain · Σ_t f(t) / T) + Σ gain_s · cross-entropy(margin_scale · u(s))

``Σ_t f(t)`` counts the steps since a unit fired: earliness. The steps s are the decision step, a
random one from it on, and the last. First-spike pooling takes the largest u of a window, which is
the same as the earliest f. For hardware the normalisation moves the threshold, exactly
(``sw.fold``), since its factor 1/σ is positive::

    u ≥ 0  ⇔  V ≥ μ − β σ =: θ                       running averages of μ and σ

What helps layers on maps, each a setting: forward with the integers ⌈θ⌉ that hardware gets, from
running averages; ``tanh(k w)`` in place of signs at first, with k growing; an offset that all
output thresholds share, steered so that the decision is nearly as good as the last step; running
averages measured once more at the end.

Sources: surrogate gradients, Neftci et al., IEEE Signal Processing Magazine 2019; straight-through
signs, Hubara et al., NeurIPS 2016; threshold-dependent batch norm, Zheng et al., AAAI 2021;
annealed signs, Gong et al. (differentiable soft quantization), ICCV 2019. What is ours: the latch
as a running maximum, the loss, the offset, the constants.
"""

from collections.abc import Sequence
from importlib.util import find_spec

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from sw.fold import fold
from sw.network import Layer
from sw.rules.maps.block import HALF, blocks
from sw.rules.neuron import convolved, sign, spiked
from sw.rules.rule import Group, Rule
from sw.rules.straight import (
    annealed_sign,
    latched,
    moments,
    normalised,
    pooled,
    straight_sign,
)
from sw.structure import Conv, Pair, Structure

__all__ = ["Surrogate"]

_LOSS_SCALE = 512.0  # keeps gradients of half precision from vanishing
_OFFSET_STEP = 0.01  # deviations per step of the optimizer
_OFFSETS = -3.0, 6.0


class Surrogate(Rule):
    """The rule above, for networks of any depth.

    Parameters
    ----------
    gain : float, at least 0
        What full earliness is worth as a logit.
    margin_gain : float, at least 0
        Weight of the cross-entropy at the decision step.
    later_gain : float, at least 0
        Weight of the cross-entropy at a random step from the decision step on.
    end_gain : float, at least 0
        Weight of the cross-entropy at the last step.
    margin_scale : float, above 0
        What a margin of one deviation is worth as a logit.
    smoothing : float, 0 … 1
        Label smoothing.
    noise : float, deviations, at least 0
        Normal noise on hidden thresholds while training, one draw per unit and example.
    gap : float, at least 0
        What the cross-entropy at the decision step may exceed that at the last one by: an offset
        that all output thresholds share is steered to it. 0: no such offset.
    momentum : float, 0 … 1
        Share of a batch in the running averages.
    calibration : int, batches, at least 0
        After the last epoch the running averages become those of so many large batches.
    start_bias : float
        β at the start, in deviations; a lower one lets fewer units fire.
    bias_factor : float, 0 … 10000
        Learning rate of β over that of weights.
    start_weight : float, 0 … 1
        Latent weights start between this and its negative.
    integer : bool
        Learn with the integer thresholds that hardware gets, from the running averages.
    positive : bool
        Thresholds of hidden units are at least 1, so that none fires without input.
    shared_deviation : bool
        One σ for all output units.
    anneal_share : float, 0 … 1
        Share of the epochs that have tanh(k w) in place of signs.
    anneal_from, anneal_to : float, above 0
        k at the start and at the end of them; grows exponentially.
    """

    name = "surrogate"
    averages = False  # batch norm looks at the whole batch
    maps = True
    grows = True
    rate = 0.005

    def __init__(
        self,
        structure: Structure | Sequence[int],
        steps: int,
        *,
        gain: float = 8.0,
        margin_gain: float = 0.5,
        later_gain: float = 0.0,
        end_gain: float = 0.0,
        margin_scale: float = 1.0,
        smoothing: float = 0.0,
        noise: float = 0.0,
        gap: float = 0.0,
        momentum: float = 0.1,
        calibration: int = 0,
        start_bias: float = -0.5,
        bias_factor: float = 1.0,
        start_weight: float = 0.3,
        integer: bool = False,
        positive: bool = False,
        shared_deviation: bool = False,
        anneal_share: float = 0.0,
        anneal_from: float = 2.0,
        anneal_to: float = 100.0,
    ) -> None:
        super().__init__(structure, steps)
        self.gain, self.margin_scale, self.smoothing = gain, margin_scale, smoothing
        self.margin_gain, self.later_gain, self.end_gain = margin_gain, later_gain, end_gain
        self.noise, self.gap, self.momentum = noise, gap, momentum
        self.calibration, self.bias_factor = calibration, bias_factor
        self.start_weight = start_weight
        self.integer, self.positive, self.shared_deviation = integer, positive, shared_deviation
        self.anneal_share, self.anneal_from, self.anneal_to = anneal_share, anneal_from, anneal_to
        self._before, self._blocks = blocks(self.structure)
        shapes = [block.weights for block in self._blocks]
        self.weights = nn.ParameterList(
            nn.Parameter(torch.empty(shape).uniform_(-start_weight, start_weight))
            for shape in shapes
        )
        self.biases = nn.ParameterList(
            nn.Parameter(torch.full((rows,), float(start_bias))) for rows, _ in shapes
        )
        for index, (rows, _) in enumerate(shapes):
            self.register_buffer(f"mean{index}", torch.zeros(rows))
            self.register_buffer(f"deviation{index}", torch.ones(rows))
        self.offset: Tensor
        self.sharpness: Tensor
        self.register_buffer("offset", torch.zeros(()))
        self.register_buffer("sharpness", torch.zeros(()))  # 0: signs
        self.progress(0.0)

    def groups(self) -> list[Group]:
        return [
            {"params": list(self.weights), "factor": 1.0},
            {"params": list(self.biases), "factor": self.bias_factor},
        ]

    def optimizer(self, groups: list[Group]) -> torch.optim.Optimizer:
        if self._half and find_spec("triton"):
            from sw.rules.kernels import fused

            return fused.Adam(groups, eps=1e-10, capturable=True)
        return super().optimizer(groups)

    @torch.no_grad()
    def constrain(self) -> None:
        for weight in self.weights:
            weight.clamp_(-1, 1)

    @torch.no_grad()
    def start(self, inputs: Tensor) -> None:
        """Running averages of one large sample, with signs."""
        sharpness = self.sharpness.clone()
        self.sharpness.zero_()
        self._forward(inputs, 1.0)
        self.sharpness.copy_(sharpness)

    @torch.no_grad()
    def begin(self, layers: Sequence[Layer], inputs: Tensor) -> None:
        for latent, layer in zip(self.weights, layers, strict=True):
            latent.copy_(self.start_weight * (2.0 * torch.from_numpy(layer.weight).to(latent) - 1))
        # The averages of a layer are known when those before it fire as they should.
        for index, layer in enumerate(layers):
            self._forward(inputs, 1.0)
            mean, deviation = self._averages(index)
            bound = torch.from_numpy(layer.threshold).to(mean) - 0.5  # as good for integers
            self.biases[index].copy_((mean - bound) / deviation)
        self._forward(inputs, 1.0)

    @torch.no_grad()
    def progress(self, share: float) -> None:
        if share < self.anneal_share:
            growth = (self.anneal_to / self.anneal_from) ** (share / self.anneal_share)
            self.sharpness.fill_(self.anneal_from * growth)
        else:
            self.sharpness.zero_()

    @torch.no_grad()
    def calibrate(self, inputs: Tensor, share: float) -> None:
        self._forward(inputs, share)

    def backward(self, inputs: Tensor, labels: Tensor) -> None:
        u = self._forward(inputs, self.momentum, self.noise)
        fired = latched(u)
        loss = u.new_zeros(())
        if self.gain:
            earliness = self.gain * fired.mean(dim=1)
            loss = cross_entropy(earliness, labels, label_smoothing=self.smoothing)
        # the decision step: the number of steps by whose end no unit has fired
        last = self.steps - 1
        step = (fired.detach().amax(dim=2) < 0.5).sum(dim=1).clamp(max=last)

        def margins(step: Tensor) -> Tensor:
            """Cross-entropy of u at ``step`` [B]."""
            at = u.gather(1, step[:, None, None].expand(-1, 1, u.shape[2]))[:, 0]
            return cross_entropy(self.margin_scale * at, labels, label_smoothing=self.smoothing)

        decided = margins(step)
        if self.margin_gain:
            loss = loss + self.margin_gain * decided
        if self.later_gain:
            drawn = torch.rand(len(step), device=step.device) * (self.steps - step)
            later = (step + drawn.long()).clamp(max=last)
            loss = loss + self.later_gain * margins(later)
        if self.end_gain or self.gap:
            end = margins(torch.full_like(step, last))
            loss = loss + self.end_gain * end
        parameters = list(self.parameters())
        gradients = torch.autograd.grad(_LOSS_SCALE * loss if self._half else loss, parameters)
        if self._half:
            flat = torch.cat([gradient.flatten() for gradient in gradients]) / _LOSS_SCALE
            flat.nan_to_num_(0.0, 0.0, 0.0)  # what overflows half precision teaches nothing
            gradients = flat.split([gradient.numel() for gradient in gradients])
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient.view_as(parameter)
        if self.gap:
            with torch.no_grad():
                way = torch.where(decided - end > self.gap, _OFFSET_STEP, -_OFFSET_STEP)
                self.offset.add_(way).clamp_(*_OFFSETS)

    @torch.no_grad()
    def layers(self) -> list[tuple[Tensor, Tensor]]:
        result = []
        for index, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            hidden = index < len(self.weights) - 1
            mean, deviation, beta, offset = (
                each.cpu().double().numpy() for each in (*self._averages(index), bias, self.offset)
            )
            threshold = fold(
                gamma=1,
                mean=mean,
                deviation=deviation,
                beta=beta if hidden else beta - offset,
                reach=weight.shape[1],
            ).threshold
            folded = torch.from_numpy(threshold).to(weight.device)
            if self.positive and hidden:
                folded.clamp_(min=1)
            result.append((sign(weight), folded))
        return result

    @property
    def _half(self) -> bool:
        """Maps are of half precision."""
        return not self.structure.dense and self.offset.is_cuda

    def _forward(self, inputs: Tensor, momentum: float, noise: float = 0.0) -> Tensor:
        """u of the output layer, [B, T, N]."""
        count, steps = len(inputs), self.steps
        spikes = spiked(inputs, steps)  # [B, T, N], or maps [B · T, C, H, W]
        if not self.structure.dense:
            spikes = _pooled(spikes.view(count * steps, *self.structure.inputs), self._before)
        single = inputs.dim() == 2  # no unit fires twice
        for index, block in enumerate(self._blocks):
            weight = self._signs(self.weights[index])
            if isinstance(block.kind, Conv):
                exact = single and weight.shape[1] <= HALF
                form = torch.float16 if self._half and exact else torch.float32
                potentials = convolved(spikes.to(form), weight.to(form), block.kind)
                u = _pooled(self._on_maps(index, potentials, momentum), block.window)
                u = u.unflatten(0, (count, steps))
            else:
                if spikes.dim() == 4:
                    spikes = spikes.flatten(1).float().view(count, steps, -1)
                potentials = spikes @ weight.T
                if self.structure.dense or index == len(self._blocks) - 1:
                    u = self._dense(index, potentials, momentum)
                else:  # each unit is a map of one place
                    maps = potentials.flatten(0, 1)[:, :, None, None]
                    u = self._on_maps(index, maps, momentum).view_as(potentials)
            if index == len(self._blocks) - 1:
                break
            if noise:
                u = u + noise * torch.randn_like(u[:, :1])
            spikes = latched(u)
            if isinstance(block.kind, Conv):
                spikes = spikes.flatten(0, 1)
            single = True
        return u

    def _signs(self, weight: Tensor) -> Tensor:
        if self.anneal_share:
            return annealed_sign(weight, self.sharpness)
        return straight_sign(weight)

    def _on_maps(self, index: int, potentials: Tensor, momentum: float) -> Tensor:
        """u of potentials [B · T, C, H, W]."""
        with torch.no_grad():
            mean, deviation = moments(potentials)
            threshold, scale = self._threshold(index, mean, deviation, momentum)
        return normalised(potentials, self.biases[index], mean, deviation, threshold, scale)

    def _dense(self, index: int, potentials: Tensor, momentum: float) -> Tensor:
        """u of a dense layer's potentials [B, T, N]."""
        mean = potentials.mean(dim=(0, 1))
        deviation = potentials.std(dim=(0, 1)).clamp(min=1e-3)
        last = index == len(self._blocks) - 1
        if last and self.shared_deviation:
            deviation = deviation.square().mean().sqrt().expand_as(deviation)
        u = (potentials - mean) / deviation + self.biases[index]
        with torch.no_grad():
            threshold, scale = self._threshold(index, mean, deviation, momentum)
            if self.integer or (self.positive and not last):
                moved = (potentials - threshold) / scale - u
        if self.integer or (self.positive and not last):
            return u + moved
        return u - self.offset if last and self.gap else u

    def _threshold(
        self, index: int, mean: Tensor, deviation: Tensor, momentum: float
    ) -> tuple[Tensor, Tensor]:
        """Threshold and deviation that the layer fires by, after the running averages have taken in
        the batch's.
        """
        averages = self._averages(index)
        for average, value in zip(averages, (mean, deviation), strict=True):
            average.lerp_(value.detach(), momentum)
        last = index == len(self._blocks) - 1
        if self.integer:
            mean, deviation = averages
        bias = self.biases[index] - self.offset if last else self.biases[index]
        threshold = mean - bias * deviation
        if self.positive and not last:
            threshold = threshold.clamp(min=0.5)
        if self.integer:
            threshold = threshold.ceil() - 0.5  # as good for integers, and far from both
        return threshold, deviation

    def _averages(self, index: int) -> tuple[Tensor, Tensor]:
        return getattr(self, f"mean{index}"), getattr(self, f"deviation{index}")


def _pooled(maps: Tensor, window: Pair) -> Tensor:
    """The largest value of each window, of maps [N, C, H, W]."""
    return maps if window == (1, 1) else pooled(maps, window)
