"""``bstdg``: binary weights, trained thresholds, learned from spike times alone.

This is OUR RECONSTRUCTION of the method; no code of it is public. Sources:

* BSTDG, Cai et al., IEEE JETCAS 2023: binary weights, a trained threshold, gradients from the
  spike times before and after a synapse. Only its abstract was available to us.
* STDG, by the same authors, BioCAS 2023: its full-precision parent.
* SSTDP, Liu et al., Frontiers in Neuroscience 2021: the error of a spike time passed back through
  the causal order of spikes.

Forward, layer by layer (docs/spec.md), with ``b = sign(w)`` of a latent weight w and a real
threshold θ (hardware gets its ceiling, which fires at the same steps)::

    V_j(t) = Σ_i b_ji · 1[t_i ≤ t]        t_j = first t with V_j(t) ≥ θ_j, T for never
    e_j    = t_j, or the step where V_j peaks if unit j stayed silent
    m_j    = (V_j(e_j) − θ_j) / s         s: spread of a unit's final potential at the start

Backward, with ``g_j(t)`` the error of unit j at step t; positive means it should fire earlier::

    ∂L/∂w_ji = −mean Σ_t g_j(t) · 1[t_i ≤ t]      straight through from b to w, w clipped to ±1
    ∂L/∂θ_j  = +mean Σ_t g_j(t)
    h_i      = Σ_j b_ji Σ_t g_j(t) · 1[e_i ≤ t]   error passed to unit i of the layer before
    g_i(e_i) = h_i · exp(κ m_i) if i stayed silent, h_i · exp(−m_i / 2) if it fired,
               0 if it fired in step 0 and should fire earlier

The output error has three parts, at the unit's own step, at the decision step t*, and at a random
step r from t* on; y is the one-hot label, U and R the margins at t* and r::

    p = softmax(−(t + δ y) / β + λ U / s)      q = softmax(λ₂ R / s)      β in steps, T / 20
    g(e) = −(p − y) / β      g(t*) = −λ (p − y)      g(r) = −λ₂ (q − y)

What is ours: the effective step and weight of silent units, the two margin read-outs, noise on the
thresholds while training (per hidden unit; one offset per image for all outputs, so that margins
hold whenever the window opens), the loss and every constant. The causal mask, the straight-through
sign and the trained threshold are the literature's.

Between forward and backward only t, e and the margins above are kept: nothing grows with T. The sum
over t is exact, without a B × N_out × N_in tensor: ``Σ_t G_tᵀ S_t``, G_t the errors at step t, S_t
the inputs that have fired by t.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from sw.inference import fire, spiked
from sw.rules.rule import Rule
from sw.rules.timing import place, sign

__all__ = ["Bstdg"]


class _Trace(NamedTuple):
    """What one layer keeps of its forward pass; all [B, N]."""

    times: Tensor  # t, int64, T for never
    effective: Tensor  # e, int64, 0 … T−1
    margin: Tensor  # m, in units of the spread


class _ReadOut(NamedTuple):
    """What the output error needs of the last layer's potentials."""

    decision: Tensor  # t*, int64 [B]
    later: Tensor  # r, int64 [B]
    at_decision: Tensor  # U / s, [B, N]
    at_later: Tensor  # R / s, [B, N]


class Bstdg(Rule):
    """The rule above, for fully connected networks of any depth.

    Parameters
    ----------
    lead : float, steps
        δ, how much earlier than the others the labelled unit should fire.
    time_scale : float
        β / T, what counts as one unit of time.
    margin_gain : float
        λ, weight of the margins at the decision step.
    later_gain : float
        λ₂, weight of the margins at the random step.
    later_from_start : bool
        The random step is drawn from 0 … T−1 instead of t* … T−1.
    silent_decay : float
        κ, how fast the error of a silent hidden unit fades with its distance to the threshold.
    hidden_noise : float
        Standard deviation of the noise on hidden thresholds, in units of the spread.
    output_noise : float
        Half the range of the shared offset on output thresholds, in units of the spread.
    smoothing : float, 0 … 1
        Label smoothing.
    hidden_share, output_share : float, 0 … 1
        Share of a layer's units that fire at the start.
    threshold_factor : float
        Learning rate of thresholds over that of weights.
    """

    name = "bstdg"
    rate = 0.01

    def __init__(
        self,
        sizes: Sequence[int],
        steps: int,
        *,
        lead: float = 1.0,
        time_scale: float = 0.05,
        margin_gain: float = 2.0,
        later_gain: float = 2.0,
        later_from_start: bool = False,
        silent_decay: float = 2.0,
        hidden_noise: float = 0.1,
        output_noise: float = 1.0,
        smoothing: float = 0.0,
        hidden_share: float = 0.35,
        output_share: float = 0.2,
        threshold_factor: float = 60.0,
    ) -> None:
        super().__init__(sizes, steps)
        self.lead, self.time_scale = lead, time_scale
        self.margin_gain, self.later_gain = margin_gain, later_gain
        self.later_from_start = later_from_start
        self.silent_decay = silent_decay
        self.hidden_noise, self.output_noise = hidden_noise, output_noise
        self.smoothing = smoothing
        self.hidden_share, self.output_share = hidden_share, output_share
        self.threshold_factor = threshold_factor
        shapes = list(zip(self.sizes[1:], self.sizes[:-1], strict=True))
        self.weights = nn.ParameterList(
            nn.Parameter(torch.empty(shape).uniform_(-0.3, 0.3)) for shape in shapes
        )
        self.thresholds = nn.ParameterList(nn.Parameter(torch.zeros(n)) for n in self.sizes[1:])
        self.register_buffer("spread", torch.ones(len(shapes)))

    def groups(self) -> list[dict[str, object]]:
        return [
            {"params": list(self.weights), "factor": 1.0},
            {"params": list(self.thresholds), "factor": self.threshold_factor},
        ]

    @torch.no_grad()
    def constrain(self) -> None:
        for weight in self.weights:
            weight.clamp_(-1, 1)

    def used(self, weight: Tensor) -> Tensor:
        """The weights that spikes meet, b, from the latent ones."""
        return sign(weight)

    @torch.no_grad()
    def layers(self) -> list[tuple[Tensor, Tensor]]:
        return [
            (self.used(weight), threshold.ceil().to(torch.int32))
            for weight, threshold in zip(self.weights, self.thresholds, strict=True)
        ]

    @torch.no_grad()
    def start(self, times: Tensor) -> None:
        """Thresholds at the quantile of the peak potentials that lets the wished share fire."""
        last = len(self.weights) - 1
        for index, weight in enumerate(self.weights):
            potentials = spiked(times, self.steps) @ self.used(weight).T
            share = self.output_share if index == last else self.hidden_share
            peak = potentials.amax(dim=1)
            self.thresholds[index].copy_(peak.quantile(1 - share, dim=0))
            self.spread[index] = potentials[:, -1].std(dim=0).mean().clamp(min=1.0)
            times = fire(potentials, self.thresholds[index])

    @torch.no_grad()
    def backward(self, times: Tensor, labels: Tensor) -> None:
        traces, read_out = self._forward(times)
        target = nn.functional.one_hot(labels, self.sizes[-1]).float()
        error = self._output_error(traces[-1], read_out, target)
        for index in reversed(range(len(self.weights))):
            arrived = traces[index - 1].times if index else times
            flat = error.flatten(0, 1)
            self.weights[index].grad = -(flat.T @ spiked(arrived, self.steps).flatten(0, 1))
            self.weights[index].grad /= len(labels)
            self.thresholds[index].grad = flat.sum(dim=0) / len(labels)
            if index:
                error = self._hidden_error(error, self.weights[index], traces[index - 1])

    def _forward(self, times: Tensor) -> tuple[list[_Trace], _ReadOut]:
        """Every layer's trace for input ``times`` [B, N_in], and the output's read-out."""
        traces, last = [], len(self.weights) - 1
        for index, (weight, threshold) in enumerate(
            zip(self.weights, self.thresholds, strict=True)
        ):
            potentials = spiked(times, self.steps) @ self.used(weight).T
            noise = self._noise(len(times), weight, output=index == last) * self.spread[index]
            threshold = threshold + noise
            times = fire(potentials, threshold[:, None, :])
            peak = potentials.amax(dim=1, keepdim=True)
            effective = torch.where(times < self.steps, times, fire(potentials, peak))
            reached = potentials.gather(1, effective[:, None, :])[:, 0]
            margin = (reached - threshold) / self.spread[index]
            traces.append(_Trace(times, effective, margin))
        decision = times.amin(dim=1).clamp(max=self.steps - 1)
        earliest = torch.zeros_like(decision) if self.later_from_start else decision
        draw = torch.rand(len(times), device=times.device)
        later = earliest + (draw * (self.steps - earliest)).long()
        later = later.clamp(max=self.steps - 1)  # the product may round up to a whole number
        at = (_at(potentials, step) - threshold for step in (decision, later))
        return traces, _ReadOut(decision, later, *(margin / self.spread[last] for margin in at))

    def _noise(self, images: int, weight: Tensor, *, output: bool) -> Tensor:
        """Noise on the thresholds of one layer in units of its spread, broadcastable to [B, N]."""
        if output:
            return self.output_noise * (2 * torch.rand(images, 1, device=weight.device) - 1)
        return self.hidden_noise * torch.randn(images, len(weight), device=weight.device)

    def _output_error(self, trace: _Trace, read_out: _ReadOut, target: Tensor) -> Tensor:
        """Error of the output layer at every step, [B, T, N]."""
        beta = self.steps * self.time_scale
        first = (
            -(trace.times + self.lead * target) / beta + self.margin_gain * read_out.at_decision
        ).softmax(dim=1)
        later = (self.later_gain * read_out.at_later).softmax(dim=1)
        wanted = target * (1 - self.smoothing) + self.smoothing / target.shape[1]
        own = (wanted - first) / beta
        too_early = (trace.times == 0) & (own > 0)
        too_late = (trace.times == self.steps) & (own < 0)
        own = own.masked_fill(too_early | too_late, 0)
        return (
            place(own, trace.effective, self.steps)
            + place(self.margin_gain * (wanted - first), read_out.decision[:, None], self.steps)
            + place(self.later_gain * (wanted - later), read_out.later[:, None], self.steps)
        )

    def _hidden_error(self, error: Tensor, weight: Tensor, trace: _Trace) -> Tensor:
        """Error [B, T, N] of the layer with ``trace``, from the error of the layer after it."""
        arrives = error @ self.used(weight)
        passed = (arrives * spiked(trace.effective, self.steps)).sum(dim=1)
        silent = trace.times == self.steps
        passed = (
            passed
            * torch.where(silent, self.silent_decay * trace.margin, -0.5 * trace.margin).exp()
        )
        passed = passed.masked_fill((trace.times == 0) & (passed > 0), 0)
        return place(passed, trace.effective, self.steps)


def _at(potentials: Tensor, step: Tensor) -> Tensor:
    """Potentials [B, N] at one ``step`` [B] per image."""
    return potentials.gather(1, step[:, None, None].expand(-1, 1, potentials.shape[2]))[:, 0]
