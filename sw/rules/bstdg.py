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
    g_i(e_i) = h_i · exp(κ m_i) if i stayed silent, h_i · exp(−κ' m_i) if it fired,
               0 if it fired in step 0 and should fire earlier

The output error has three parts, at the unit's own step, at the decision step t*, and at a random
step r from t* on; y is the one-hot label, U and R the margins at t* and r::

    p = softmax(−(t + δ y) / β + λ U / s)      q = softmax(λ₂ R / s)      β in steps, T / 20
    g(e) = −(p − y) / β      g(t*) = −λ (p − y)      g(r) = −λ₂ (q − y)

In a network with layers on maps some things differ (``sw/rules/maps``):

* Of a window of first-spike pooling the unit with the highest potential has the error: it fires
  first, or with others. Of equal ones it is the first, row by row.
* An error at step k asks whether a unit has fired by k, and so for the peak of its potential up to
  k, whether or not it fired before. Each window has two effective steps, its peaks up to the two
  read-outs t* and r; errors up to the first read-out concern the one, later ones the other. A spike
  that later input has made safe is left alone, as ``exp(−κ' m)`` sees the margin of the peak. A
  hidden unit that fires in step 0 may be told to fire earlier: its margin grows.
* A channel has one threshold ``θ = μ + s φ``, with running averages of its potentials' mean μ and
  of the layer's spread s, and φ trained. What an error changes at every place alike moves with μ.
* Spikes may meet ``tanh(k w)`` in place of b at first, with k growing (annealed signs, Gong et al.,
  ICCV 2019), and output thresholds share an offset that waits while the last step knows more than
  the decision.

As a variant, a window takes the place of 1[t_i ≤ t] in the gradient of the weights, and there
alone (``Window`` in sw/rules/timing.py, after SSTDP): its tail forgets early spikes, its negative
lobe weakens weights whose spike came too late or never. Neither gains (docs/results.md).

What is ours: the effective steps and weight of silent units, the two margin read-outs, noise on the
thresholds while training (per hidden unit; one offset per image for all outputs, so that margins
hold whenever the window opens), the loss and every constant. The causal mask, the straight-through
sign and the trained threshold are the literature's.

Only t, e and the margins above are kept between forward and backward, and within them nothing
grows with T either (sw/rules/timing.py; on a GPU sw/rules/kernels/fused.py). Inputs that fire more
than once count as often as they have fired by a step.
"""

import math
from collections.abc import Callable, Sequence
from functools import reduce
from typing import NamedTuple

import torch
from torch import Tensor, nn

from sw.cli import UserError
from sw.rules import timing
from sw.rules.draws import draw
from sw.rules.kernels.interface import Dense, Draws, Settings
from sw.rules.maps.rule import OnMaps
from sw.rules.neuron import sign
from sw.rules.rule import Group
from sw.rules.timing import FLAT, Part, ReadOut, Trace, Window, arrived_by
from sw.structure import Structure

__all__ = ["Bstdg"]


class _Layer(NamedTuple):
    """What is kept of a layer's forward pass."""

    inputs: Tensor  # as they came, [B, N_in] or [B, T, N_in]
    times: Tensor  # t, int64 [B, N], T for never
    effective: Tensor  # e, int64 [B, N], 0 … T−1
    margin: Tensor  # m, [B, N], in units of the spread


class Bstdg(OnMaps):
    """The rule above, for networks of any depth.

    Parameters
    ----------
    lead : float, steps, at least 0
        δ, how much earlier than the others the labelled unit should fire.
    time_scale : float, above 0
        β / T, what counts as one unit of time.
    margin_gain : float, at least 0
        λ, weight of the margins at the decision step.
    later_gain : float, at least 0
        λ₂, weight of the margins at the random step.
    later_from_start : bool
        The random step is drawn from 0 … T−1 instead of t* … T−1.
    silent_decay, fired_decay : float, at least 0
        κ and κ', how fast the error of a hidden unit fades with its distance to the threshold, if
        it stayed silent or fired.
    hidden_noise : float, at least 0
        Standard deviation of the noise on hidden thresholds, in units of the spread.
    output_noise : float, at least 0
        Half the range of the shared offset on output thresholds, in units of the spread.
    smoothing : float, 0 … 1
        Label smoothing.
    hidden_share, output_share : float, 0 … 1
        Share of a layer's units that fire at the start.
    threshold_factor : float, 0 … 10000
        Learning rate of thresholds over that of weights; 0 leaves them as they are at the start.
        On maps thresholds are in units of the spread.
    momentum : float, 0 … 1
        On maps: share of a batch in the running means and spreads.
    calibration : int, batches, at least 0
        On maps: after the last epoch the means and spreads become those of so many large batches.
    gap : float, at least 0
        On maps: what the cross-entropy of margins at the decision step may exceed that at the last
        one by: an offset that all output thresholds share is steered to it. 0: no such offset.
    positive : bool
        On maps: thresholds of hidden units are at least 1, so that none fires without input.
    anneal_share : float, 0 … 1
        On maps: share of the epochs that have tanh(k w) in place of signs.
    anneal_from, anneal_to : float, above 0
        k at the start and at the end of them; grows exponentially.
    lobe : float, at least 0
        b, height of the window's negative side.
    width : float, steps, above 0
        ρ, decay of the window.
    fused : bool
        Let a GPU use the kernels of ``sw/rules/kernels/fused.py``, which have the flat window only.
    """

    name = "bstdg"
    maps = True
    grows = True
    rate = 0.01

    def __init__(
        self,
        structure: Structure | Sequence[int],
        steps: int,
        *,
        lead: float = 1.0,
        time_scale: float = 0.05,
        margin_gain: float = 2.0,
        later_gain: float = 2.0,
        later_from_start: bool = False,
        silent_decay: float = 2.0,
        fired_decay: float = 0.5,
        hidden_noise: float = 0.1,
        output_noise: float = 1.0,
        smoothing: float = 0.0,
        hidden_share: float = 0.35,
        output_share: float = 0.2,
        threshold_factor: float = 60.0,
        momentum: float = 0.05,
        calibration: int = 0,
        gap: float = 0.0,
        positive: bool = False,
        anneal_share: float = 0.0,
        anneal_from: float = 2.0,
        anneal_to: float = 100.0,
        lobe: float = 0.0,
        width: float = math.inf,
        fused: bool = True,
    ) -> None:
        super().__init__(structure, steps)
        self.lead, self.time_scale = lead, time_scale
        self.margin_gain, self.later_gain = margin_gain, later_gain
        self.later_from_start = later_from_start
        self.silent_decay, self.fired_decay = silent_decay, fired_decay
        self.hidden_noise, self.output_noise = hidden_noise, output_noise
        self.smoothing = smoothing
        self.hidden_share, self.output_share = hidden_share, output_share
        self.threshold_factor = threshold_factor
        self.momentum, self.gap, self.positive = momentum, gap, positive
        self.calibration = 0 if self.structure.dense else calibration
        self.anneal_share, self.anneal_from, self.anneal_to = anneal_share, anneal_from, anneal_to
        self.window = Window(lobe, width)
        self.fused = fused
        shapes = [block.weights for block in self._blocks]
        self.weights = nn.ParameterList(
            nn.Parameter(torch.empty(shape).uniform_(-0.3, 0.3)) for shape in shapes
        )
        self.thresholds = nn.ParameterList(nn.Parameter(torch.zeros(rows)) for rows, _ in shapes)
        self.register_buffer("spread", torch.ones(len(shapes)))
        if not self.structure.dense:
            self._prepare_maps()

    @property
    def time_unit(self) -> float:
        """β, steps."""
        return self.steps * self.time_scale

    def groups(self) -> list[Group]:
        return [
            {"params": list(self.weights), "factor": 1.0},
            {"params": list(self.thresholds), "factor": self.threshold_factor},
        ]

    def optimizer(self, groups: list[Group]) -> torch.optim.Optimizer:
        if self.fused and groups[0]["lr"].is_cuda:
            from sw.rules.kernels import fused  # Triton comes with PyTorch for GPUs only

            return fused.Adam(groups, eps=1e-10, capturable=True)
        return super().optimizer(groups)

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
            (self.used(weight), self._threshold(index).ceil().to(torch.int32))
            for index, weight in enumerate(self.weights)
        ]

    @torch.no_grad()
    def start(self, inputs: Tensor) -> None:
        """Thresholds at the quantile of the peak potentials that lets the desired share fire."""
        if self.window != FLAT and (inputs.dim() != 2 or not self.structure.dense):
            what = "layers on maps" if inputs.dim() == 2 else "events"
            raise UserError(
                f"Rule {self.name!r}: its window takes one spike per input of a dense layer, "
                f"not {what}; leave out lobe and width"
            )
        if not self.structure.dense:
            self._start_on_maps(inputs)
            return
        last = len(self.weights) - 1
        for index, (weight, threshold) in enumerate(
            zip(self.weights, self.thresholds, strict=True)
        ):
            share = self.output_share if index == last else self.hidden_share
            peak = self._trace(index, inputs, torch.full_like(threshold, torch.inf)).reached
            threshold.copy_(peak.quantile(1 - share, dim=0))
            final = arrived_by(inputs, self.steps - 1) @ self.used(weight).T
            self.spread[index] = final.std(dim=0).mean().clamp(min=1.0)
            inputs = self._trace(index, inputs, threshold).times

    @torch.no_grad()
    def backward(self, inputs: Tensor, labels: Tensor) -> None:
        draws = self.draw(len(inputs))
        if not self.structure.dense:
            found, traces = self._gradients_on_maps(
                inputs, labels, draws, fused=self.fused and inputs.is_cuda
            )
            for index, trace in enumerate(traces):
                self._follow(index, trace, self.momentum)
        elif self.fused and inputs.is_cuda and inputs.dim() == 2 and self.window == FLAT:
            from sw.rules.kernels import fused

            found = fused.gradients(*self.for_kernels(), inputs, labels, draws)
        else:
            found = self.gradients(inputs, labels, draws)
        for weight, threshold, (by_weight, by_threshold) in zip(
            self.weights, self.thresholds, found, strict=True
        ):
            weight.grad, threshold.grad = by_weight, by_threshold

    def for_kernels(self) -> tuple[Settings, list[Dense]]:
        """What ``sw.rules.kernels.fused.gradients`` takes of the rule; the tensors are its own."""
        settings = Settings(
            steps=self.steps,
            binary=self.binary,
            lead=self.lead,
            time_unit=self.time_unit,
            margin_gain=self.margin_gain,
            later_gain=self.later_gain,
            later_from_start=self.later_from_start,
            smoothing=self.smoothing,
            silent_decay=self.silent_decay,
            fired_decay=self.fired_decay,
        )
        layers = zip(self.weights, self.thresholds, self.spread, strict=True)
        return settings, [Dense(*layer) for layer in layers]

    def draw(self, images: int) -> Draws:
        """The random numbers of one batch."""
        device, offset = self.spread.device, self.output_noise

        def normal(*units: int) -> Callable[[int], Tensor]:
            return lambda n: torch.empty(n, *units, device=device).normal_(0, self.hidden_noise)

        if self.structure.dense:
            noise = [draw(normal(units), images) for units in self.sizes[1:-1]]
        else:
            noise = [draw(normal(*block.shape), images) for block in self._blocks[:-1]]
        shared = draw(lambda n: torch.empty(n, 1, device=device).uniform_(-offset, offset), images)
        return Draws([*noise, shared], draw(lambda n: torch.rand(n, 1, device=device), images))

    def gradients(
        self, inputs: Tensor, labels: Tensor, draws: Draws
    ) -> list[tuple[Tensor, Tensor]]:
        """Gradient of weights and thresholds of each layer, by plain PyTorch."""
        layers, read_out = self._forward(inputs, draws)
        parts = self._output_error(layers[-1], read_out, self._target(labels))
        result = []
        for index in reversed(range(len(layers))):
            by_weight = timing.weight_error(parts, layers[index].inputs, self.steps, self.window)
            by_threshold = reduce(torch.add, (part.error for part in parts)).mean(dim=0)
            result.append((by_weight / -len(labels), by_threshold))
            if index:
                parts = [self._hidden_error(parts, index, layers[index - 1])]
        return result[::-1]

    def _forward(self, inputs: Tensor, draws: Draws) -> tuple[list[_Layer], ReadOut]:
        """Every layer's part, and the output's read-out."""
        layers, last = [], len(self.weights) - 1
        for index, threshold in enumerate(self.thresholds):
            noisy = threshold + draws.noise[index] * self.spread[index]
            times, effective, reached = self._trace(index, inputs, noisy)
            margin = (reached - noisy) / self.spread[index]
            layers.append(_Layer(inputs, times, effective, margin))
            inputs = times
        decision = times.amin(dim=1, keepdim=True).clamp(max=self.steps - 1)
        earliest = torch.zeros_like(decision) if self.later_from_start else decision
        later = earliest + (draws.later * (self.steps - earliest)).long()
        later = later.clamp(max=self.steps - 1)  # the product may round up to the next integer
        weight = self.used(self.weights[last])
        margins = (
            (arrived_by(layers[last].inputs, step) @ weight.T - noisy) / self.spread[last]
            for step in (decision, later)
        )
        return layers, ReadOut(decision, later, *margins)

    def _trace(self, index: int, inputs: Tensor, threshold: Tensor) -> Trace:
        return timing.trace(inputs, self.used(self.weights[index]), threshold, self.steps)

    def _output_error(self, layer: _Layer | Trace, read_out: ReadOut, target: Tensor) -> list[Part]:
        """The three parts of the output layer's error."""
        beta = self.time_unit
        first = (
            -(layer.times + self.lead * target) / beta + self.margin_gain * read_out.at_decision
        ).softmax(dim=1)
        later = (self.later_gain * read_out.at_later).softmax(dim=1)
        wanted = target * (1 - self.smoothing) + self.smoothing / target.shape[1]
        own = (wanted - first) / beta
        too_early = (layer.times == 0) & (own > 0)
        too_late = (layer.times == self.steps) & (own < 0)
        return [
            Part(own.masked_fill(too_early | too_late, 0), layer.effective),
            Part(self.margin_gain * (wanted - first), read_out.decision),
            Part(self.later_gain * (wanted - later), read_out.later),
        ]

    def _hidden_error(self, parts: Sequence[Part], index: int, layer: _Layer) -> Part:
        """The error of ``layer``, from that of layer ``index`` after it."""
        weight = self.used(self.weights[index])
        passed = timing.input_error(parts, weight, layer.effective, self.steps)
        silent = layer.times == self.steps
        decay = torch.where(silent, self.silent_decay, -self.fired_decay)
        passed = passed * (decay * layer.margin).exp()
        return Part(passed.masked_fill((layer.times == 0) & (passed > 0), 0), layer.effective)
