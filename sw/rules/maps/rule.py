"""What a timing rule does in networks with layers on maps."""

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sw.rules.kernels.interface import Draws
from sw.rules.maps import backward, forward
from sw.rules.maps.block import Layer, Part, Source, Trace, arrived, blocks, fired
from sw.rules.rule import Rule
from sw.rules.timing import Part as DensePart
from sw.rules.timing import ReadOut
from sw.rules.timing import Trace as DenseTrace
from sw.structure import Structure

__all__ = ["OnMaps"]

_LEAST = 0.1  # spread of a layer on maps whose potentials hardly move
_OFFSET_STEP = 0.01  # spreads per step of the optimizer
_OFFSETS = -3.0, 6.0
_AWAKE = 0.5  # a threshold below it fires without input


class OnMaps(Rule):
    """A rule's part that knows layers on maps. A subclass makes ``weights``, ``thresholds`` (on
    maps φ, in spreads from the mean) and ``spread``, sets its settings, calls
    :meth:`_prepare_maps`, and has the output error.
    """

    maps = True
    grows = True
    weights: nn.ParameterList
    thresholds: nn.ParameterList
    spread: Tensor
    sharpness: Tensor  # k of annealed signs, 0 for signs
    offset: Tensor  # that output thresholds share, in spreads
    # Settings
    later_from_start: bool
    margin_gain: float
    silent_decay: float
    fired_decay: float
    hidden_share: float
    output_share: float
    gap: float
    positive: bool
    anneal_share: float
    anneal_from: float
    anneal_to: float

    def __init__(self, structure: Structure | Sequence[int], steps: int) -> None:
        super().__init__(structure, steps)
        self._before, self._blocks = blocks(self.structure)

    @abstractmethod
    def used(self, weight: Tensor) -> Tensor:
        """The weights that spikes meet, b, from the latent ones."""

    @abstractmethod
    def _output_error(
        self, layer: DenseTrace, read_out: ReadOut, target: Tensor
    ) -> list[DensePart]:
        """The parts of the output layer's error."""

    def _prepare_maps(self) -> None:
        self.averages = False  # a mean over all places of a batch
        for index, block in enumerate(self._blocks):
            self.register_buffer(f"mean{index}", torch.zeros(block.weights[0]))
        self.register_buffer("sharpness", torch.zeros(()))
        self.register_buffer("offset", torch.zeros(()))
        self.progress(0.0)

    @torch.no_grad()
    def progress(self, share: float) -> None:
        if self.structure.dense:
            return
        if share < self.anneal_share:
            growth = (self.anneal_to / self.anneal_from) ** (share / self.anneal_share)
            self.sharpness.fill_(self.anneal_from * growth)
        else:
            self.sharpness.zero_()

    def _target(self, labels: Tensor) -> Tensor:
        """Labels as a share for each class."""
        if labels.is_floating_point():
            return labels
        return nn.functional.one_hot(labels, self.sizes[-1]).to(self.spread.dtype)

    def _threshold(self, index: int) -> Tensor:
        """θ of a layer, [rows]."""
        if self.structure.dense:
            return self.thresholds[index]
        last = index == len(self.thresholds) - 1
        units = self.thresholds[index] + self.offset if last else self.thresholds[index]
        threshold = self._mean(index) + self.spread[index] * units
        return threshold.clamp(min=_AWAKE) if self.positive and not last else threshold

    def _mean(self, index: int) -> Tensor:
        mean: Tensor = getattr(self, f"mean{index}")
        return mean

    def _on_maps(self, index: int, threshold: Tensor, fused: bool = False) -> Layer:
        latent = self.weights[index]
        soft = torch.tanh(self.sharpness * latent)
        weight = torch.where(self.sharpness > 0, soft, self.used(latent))
        return Layer(self._blocks[index], weight, threshold, self.spread[index], fused)

    def _source(self, inputs: Tensor) -> Source:
        return arrived(inputs, self.structure.inputs, self._before)

    def _start_on_maps(self, inputs: Tensor) -> None:
        """Means, spreads, and thresholds that let the desired share of the windows fire."""
        source, last = self._source(inputs), len(self.weights) - 1
        for index, threshold in enumerate(self.thresholds):
            share = self.output_share if index == last else self.hidden_share
            self.spread[index] = 1.0
            potentials = self._on_maps(index, torch.zeros_like(threshold))
            found = forward.survey(potentials, source, len(inputs), self.steps)
            peaks = found.seen[0].margin.flatten(0, 2)
            wanted = peaks.kthvalue(max(1, round((1 - share) * len(peaks))), dim=0).values
            self._mean(index).copy_(found.mean)
            self.spread[index] = found.spread.clamp(min=_LEAST)
            threshold.copy_((wanted - found.mean) / self.spread[index])
            layer = self._on_maps(index, self._threshold(index))
            fires = forward.survey(layer, source, len(inputs), self.steps).times
            source = fired(fires)

    @torch.no_grad()
    def _gradients_on_maps(
        self, inputs: Tensor, labels: Tensor, draws: Draws, fused: bool = False
    ) -> tuple[list[tuple[Tensor, Tensor]], list[Trace]]:
        """What :meth:`gradients` gives, and what each block kept; by kernels if ``fused``."""
        source, single = self._source(inputs), inputs.dim() == 2
        layers = []
        for index, noise in enumerate(draws.noise):
            noise = noise if noise.dim() == 4 else noise[:, :, None, None]
            noisy = self._threshold(index) + noise * self.spread[index]
            layers.append(self._on_maps(index, noisy, fused))
        traces, read_out = forward.run(
            layers, source, draws.later, self.steps, single, self.later_from_start
        )
        target = self._target(labels)
        parts = [
            Part(part.error[:, None, None], part.step[:, None, None])
            for part in self._output_error(forward.outputs(traces[-1]), read_out, target)
        ]
        if self.gap:
            self._steer(read_out, target)
        found = backward.gradients(
            layers,
            traces,
            read_out,
            parts,
            source,
            self.steps,
            single,
            (self.silent_decay, self.fired_decay),
        )
        return found, traces

    def _steer(self, read_out: ReadOut, target: Tensor) -> None:
        """Moves the offset that output thresholds share by one step."""
        assert read_out.at_end is not None
        decided, ended = (
            nn.functional.cross_entropy(self.margin_gain * margins, target)
            for margins in (read_out.at_decision, read_out.at_end)
        )
        way = torch.where(decided - ended > self.gap, _OFFSET_STEP, -_OFFSET_STEP)
        self.offset.add_(way).clamp_(*_OFFSETS)

    def _follow(self, index: int, trace: Trace, share: float) -> None:
        """Running mean and spread of a layer, into which those of ``trace`` go by their share."""
        self._mean(index).lerp_(trace.mean, share)
        self.spread[index].lerp_(trace.spread.clamp(min=_LEAST), share)

    @torch.no_grad()
    def calibrate(self, inputs: Tensor, share: float) -> None:
        """The means and spreads that thresholds on maps are made of, without noise."""
        if self.structure.dense:
            return
        source = self._source(inputs)
        for index in range(len(self.weights)):
            layer = self._on_maps(index, self._threshold(index))
            found = forward.survey(layer, source, len(inputs), self.steps)
            self._follow(index, found, share)
            source = fired(found.times)
