"""Refinement: single signs, biases and thresholds of a trained network are changed, one after
another, where that lowers the loss.

Gradients through a sign are an estimate, and learning ends where the estimate is of no more use.
What a change does is known exactly: the sign of one weight moves the sums of its unit by twice what
its input sends, and what follows can be computed anew. That is cheap where weights are few, as in
networks for small chips. One sweep goes through all layers from the last to the first, on a sample
of training images of its own::

    d_n = loss of image n after the change − before it
    a change stays if  mean(d) < −caution · deviation(d) / √images

so that what may be chance, on this sample, is left as it was. The loss is the cross-entropy of the
outputs' potentials where the network decides, times a scale that fits the network at the start
best.

Both codings are one here. With S the sums of what a unit's inputs send by a step, weighed by
signs, a unit holds ::

    U = c + g S        a = clip(⌊max U / θ⌋, 0, 2^K − 1)

the maximum over the units of a window and over all steps up to this one. A bistable network has one
step. First-spike units have K = 1, g = θ = 1 and c = 1 − (their threshold), and a is whether they
have fired; their network decides in the first step in which an output has U ≥ 1, else in the last.

Sources: the flip as the unit of learning in binary networks, Helwegen et al. (Bop), NeurIPS 2019;
coordinate descent. What is ours: exact losses in place of gradients, the test by paired
differences, the order.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, max_pool2d, one_hot, pad

from sw.bistable import highest, reach
from sw.cli import UserError
from sw.network import Network
from sw.rules.maps.block import Block, blocks
from sw.rules.neuron import convolved, fire
from sw.structure import Conv, Structure, Sum

__all__ = ["Changes", "Refinement", "Units"]

_SCALES = [2.0 ** (power / 4) for power in range(-64, 9)]  # of potentials, from 2^−16 to 4
_MOVES = (-2, -1, 1, 2)
_FINE = 8  # moves of a unit's bias or threshold in the gap between two of its values
_GLANCE = 8  # a change that does worse on this part of the images is left at once
_MEMORY = 1 << 31  # bytes, for what each unit of a layer sees of all images
_PART = 2000  # images at a time that are only classified
_EXACT = 1 << 24  # potentials below it are exact in float32


class Changes(NamedTuple):
    """What a sweep did."""

    loss_before: float
    loss_after: float
    signs: int
    others: int  # biases and thresholds


@dataclass
class Units:
    """The units of a layer.

    Parameters
    ----------
    signs : float32 [rows, columns]
        −1 and 1.
    gain, bias, threshold : float32 [rows]
        g, c and θ above.
    """

    signs: Tensor
    gain: Tensor
    bias: Tensor
    threshold: Tensor


class Refinement:
    """A network while it is refined.

    Parameters
    ----------
    network : Network
        Of images; a bistable one has no shortcuts and no mean pooling.
    device : torch.device
    caution : float, at least 0
        Standard errors by which a change must lower the loss.

    Attributes
    ----------
    units : list of Units
        Of each layer with weights.
    scale : float
        What a potential of 1 is worth as a logit.

    Raises
    ------
    UserError
        The network has shortcuts or mean pooling, or potentials of 2^24 or more.
    """

    def __init__(self, network: Network, device: torch.device, caution: float = 2.0) -> None:
        structure = Structure(network.encoder.map, tuple(each.kind for each in network.layers))
        for kind in structure.kinds:
            if isinstance(kind, Sum) or getattr(kind, "shortcut", None) is not None:
                raise UserError(
                    f"network {network.title!r}: has {kind}, and networks with shortcuts or mean "
                    "pooling are not refined; leave it as it is"
                )
        self._network, self._caution = network, caution
        self._pooled_before, self._blocks = blocks(structure)
        first_spike = network.coding == "first-spike"
        self._steps = network.steps if first_spike else 1
        self._most = 1 if first_spike else highest(network.steps)
        self.units: list[Units] = []
        weighted = [each for each in network.layers if each.weight.size]
        for layer, block in zip(weighted, self._blocks, strict=True):
            bias, threshold = layer.bias, layer.threshold
            if first_spike:
                bias, threshold = 1 - threshold, np.ones_like(threshold)
            bits = 1 if first_spike else network.steps
            furthest = reach(block.kind, block.inputs, bits, bias=bias, gain=layer.gain).max()
            if furthest >= _EXACT:
                raise UserError(
                    f"network {network.title!r}: potentials may reach {furthest:,}, and only those "
                    f"below {_EXACT:,} are refined; leave it as it is"
                )
            numbers = (2.0 * layer.weight - 1.0, layer.gain, bias, threshold)
            self.units.append(
                Units(*(torch.from_numpy(each).float().to(device) for each in numbers))
            )
        # a unit that needs a spike to fire goes on doing so: hardware looks at no other places
        self._highest_bias = [
            0.0 if first_spike and bool((each.bias <= 0).all()) else torch.inf
            for each in self.units[:-1]
        ]
        self.scale = 0.0

    @property
    def most_images(self) -> int:
        """What a sweep can look at in 2 GiB."""
        seen = [block.weights[1] * math.prod(block.output[1:]) for block in self._blocks[:-1]]
        return _MEMORY // (self._steps * max(seen, default=1))

    def network(self) -> Network:
        """The network as it is now."""
        found = iter(self.units)
        layers = []
        for layer in self._network.layers:
            if layer.weight.size:
                units = next(found)
                bias, threshold = (
                    each.int().cpu().numpy() for each in (units.bias, units.threshold)
                )
                if self._network.coding == "first-spike":
                    bias, threshold = layer.bias, 1 - bias
                weight = (units.signs > 0).cpu().numpy()
                layer = replace(layer, weight=weight, bias=bias, threshold=threshold)
            layers.append(layer)
        return replace(self._network, layers=tuple(layers))

    def fit_scale(self, inputs: Tensor, labels: Tensor) -> None:
        """Chooses what a potential of 1 is worth as a logit: what fits best."""
        potentials = self.potentials(inputs)
        losses = [float(cross_entropy(scale * potentials, labels)) for scale in _SCALES]
        self.scale = _SCALES[losses.index(min(losses))]

    @torch.no_grad()
    def potentials(self, inputs: Tensor) -> Tensor:
        """U of the outputs where the network decides, float32 [B, classes], of ``inputs`` as
        :meth:`sweep` takes them.
        """
        parts = [self._tail(0, self._sums(0, self._maps(part))) for part in inputs.split(_PART)]
        return torch.cat([_decided(part, part) for part in parts])

    @torch.no_grad()
    def sweep(
        self,
        inputs: Tensor,
        labels: Tensor,
        generator: torch.Generator,
        watch: Callable[[], None] = lambda: None,
    ) -> Changes:
        """Tries each sign, bias and threshold once; those of the output layer twice.

        Parameters
        ----------
        inputs : float32 [B, steps, N]
            What inputs have sent by the end of each step: whether they have fired; or values, in
            one step.
        labels : int64 [B]
        generator : torch.Generator
            Of the order; on the CPU.
        watch : function
            Called after each unit of a hidden layer.
        """
        seen = [self._maps(inputs)]
        for index in range(len(self._blocks) - 1):
            seen.append(self._values(index, self._sums(index, seen[-1])))
        last = len(self._blocks) - 1
        before = self._loss(seen[last], labels)
        signs, others = self._refine_output(seen[last], labels)
        for index in reversed(range(last)):
            patches = _patches(self._blocks[index], seen[index])
            for unit in torch.randperm(len(self.units[index].bias), generator=generator).tolist():
                flipped, moved = self._refine_unit(index, unit, seen, patches, labels, generator)
                signs, others = signs + flipped, others + moved
                watch()
        flipped, moved = self._refine_output(seen[last], labels)
        after = self._loss(seen[last], labels)
        return Changes(before, after, signs + flipped, others + moved)

    def _maps(self, inputs: Tensor) -> Tensor:
        """What the first block sees of ``inputs`` [B, steps, N]. Here as below the steps of an
        image follow one another in the first dimension, [B · steps, C, H, W].
        """
        maps = inputs.reshape(-1, *self._network.encoder.map)
        return maps if self._pooled_before == (1, 1) else max_pool2d(maps, self._pooled_before)

    def _sums(self, index: int, values: Tensor) -> Tensor:
        """S of a block, [B · steps, rows, height, width]."""
        return _sums(self._blocks[index], self.units[index].signs, values)

    def _values(self, index: int, sums: Tensor) -> Tensor:
        """What the windows of a block send."""
        units = self.units[index]
        rows = [each[:, None, None] for each in (units.gain, units.bias, units.threshold)]
        return self._quantised(index, sums, *rows)

    def _quantised(
        self,
        index: int,
        sums: Tensor,
        gain: Tensor | float,
        bias: Tensor | float,
        threshold: Tensor | float,
    ) -> Tensor:
        """What the windows of a block send, for other numbers of its units. Gains are above 0, so
        the largest U is that of the largest S.
        """
        peaks = max_pool2d(sums, self._blocks[index].window)
        if self._steps > 1:
            peaks = peaks.unflatten(0, (-1, self._steps)).cummax(dim=1).values.flatten(0, 1)
        if self._most == 1:
            return (gain * peaks + bias >= threshold).float()
        return ((gain * peaks + bias) / threshold).floor_().clamp_(0, self._most)

    def _tail(self, index: int, sums: Tensor) -> Tensor:
        """U of the outputs [B, steps, classes], from S of a block."""
        while index < len(self._blocks) - 1:
            values = self._values(index, sums)
            index += 1
            sums = self._sums(index, values)
        outputs = self.units[-1]
        potentials = outputs.gain * sums.flatten(1) + outputs.bias
        return potentials.unflatten(0, (-1, self._steps))

    def _loss(self, values: Tensor, labels: Tensor) -> float:
        """The mean, of what the output layer sees."""
        last = len(self._blocks) - 1
        return float(self._losses(self._tail(last, self._sums(last, values)), labels).mean())

    def _losses(self, potentials: Tensor, labels: Tensor) -> Tensor:
        """Of each image, from U of the outputs [B, steps, classes]."""
        return cross_entropy(
            self.scale * _decided(potentials, potentials), labels, reduction="none"
        )

    def _better(self, change: Tensor) -> bool:
        """Whether losses fall by more than chance, of the paired differences of all images."""
        error = change.std() / len(change) ** 0.5
        return bool(change.mean() < -self._caution * error)

    def _refine_unit(
        self,
        index: int,
        unit: int,
        seen: list[Tensor],
        patches: Tensor,
        labels: Tensor,
        generator: torch.Generator,
    ) -> tuple[int, int]:
        """Changes a unit of a hidden block, and what of it later blocks see in ``seen``. Returns
        how many signs, and how many other numbers.
        """
        block, following, units = self._blocks[index], index + 1, self.units[index]
        row, gain = units.signs[unit], float(units.gain[unit])
        bias, threshold = float(units.bias[unit]), float(units.threshold[unit])
        sums = _sums(block, row[None], seen[index]).contiguous()
        sent = seen[following][:, unit : unit + 1].clone()
        after = self._sums(following, seen[following])
        losses = self._losses(self._tail(following, after), labels)

        def tried(column: int | None, bias: float, threshold: float) -> bool:
            """Keeps the change if it is better: of the sign of ``column``, or of the other numbers.
            Most are not, and are known by a few images.
            """
            nonlocal sums, sent, after, losses
            for count in (max(1, len(labels) // _GLANCE), len(labels)):
                rows = count * self._steps
                other = sums[:rows]
                if column is not None:
                    other = other - 2 * row[column] * patches[column, :rows].view(other.shape)
                now = self._quantised(index, other, gain, bias, threshold)
                moved = after[:rows] + self._column(following, unit, now - sent[:rows])
                change = self._losses(self._tail(following, moved), labels[:count]) - losses[:count]
                if not change.sum() < 0:
                    return False
            if not self._better(change):
                return False
            sums, sent, after, losses = other, now, moved, losses + change
            return True

        signs = others = 0
        for column in torch.randperm(len(row), generator=generator).tolist():
            if tried(column, bias, threshold):
                row[column] *= -1
                signs += 1
        for move in _MOVES:
            other = bias + move * max(1.0, threshold // _FINE)
            if other <= self._highest_bias[index] and tried(None, other, threshold):
                bias, others = other, others + 1
        for move in _MOVES if self._most > 1 else ():
            other = threshold + move * max(1.0, threshold // (_FINE * self._most))
            if other >= 1 and tried(None, bias, other):
                threshold, others = other, others + 1
        units.bias[unit], units.threshold[unit] = bias, threshold
        seen[following][:, unit : unit + 1] = sent
        for later in range(following, len(self._blocks) - 1):
            seen[later + 1] = self._values(later, after)
            after = self._sums(later + 1, seen[later + 1])
        return signs, others

    def _column(self, index: int, unit: int, change: Tensor) -> Tensor:
        """What a ``change`` [B · steps, 1, height, width] of what one unit before a block sends
        adds to the block's S.
        """
        block, signs = self._blocks[index], self.units[index].signs
        of_unit = signs.view(len(signs), block.inputs[0], -1)[:, unit]
        return _sums(block, of_unit.contiguous(), change)

    def _refine_output(self, values: Tensor, labels: Tensor) -> tuple[int, int]:
        """Changes signs and biases of the outputs. Returns how many."""
        heard, units = values.flatten(1).unflatten(0, (-1, self._steps)), self.units[-1]
        potentials = units.gain * (heard @ units.signs.T) + units.bias
        losses = self._losses(potentials, labels)
        signs = others = 0

        def tried(row: int, change: Tensor | float) -> bool:
            """Keeps the change of a row's potentials if it is better."""
            nonlocal potentials, losses
            other = potentials.clone()
            other[:, :, row] += change
            changed = self._losses(other, labels)
            if not self._better(changed - losses):
                return False
            potentials, losses = other, changed
            return True

        found = True
        while found:
            found = False
            for row, column in enumerate(self._best_signs(heard, potentials, labels)):
                step = -2 * units.gain[row] * units.signs[row, column]
                if tried(row, step * heard[:, :, column]):
                    units.signs[row, column] *= -1
                    signs, found = signs + 1, True
        fine = (self._most + 1) // 2
        for row in range(len(units.bias)):
            for move in _MOVES:
                change = float(move * fine * units.gain[row])
                if tried(row, change):
                    units.bias[row] += change
                    others += 1
        return signs, others

    def _best_signs(self, heard: Tensor, potentials: Tensor, labels: Tensor) -> list[int]:
        """Of each output the sign, by its column, whose change lowers the loss most, were the
        network to decide when it does now. An image's loss changes by what the input sends, not by
        which input it is: so one product for each value judges all signs.
        """
        units, classes = self.units[-1], potentials.shape[2]
        own = one_hot(labels, classes).float()
        shares = (self.scale * _decided(potentials, potentials)).softmax(dim=1)
        heard = _decided(heard, potentials)
        best = heard.new_zeros(heard.shape[1], 2 * classes)
        for value in heard.unique().tolist():
            step = 2 * value * self.scale * units.gain
            changes = [torch.log1p(shares * up.expm1()) - up * own for up in (step, -step)]
            best += (heard == value).float().T @ torch.cat(changes, dim=1)
        risen, fallen = best.split(classes, dim=1)
        return torch.where(units.signs.T < 0, risen, fallen).argmin(dim=0).tolist()


def _decided(steps: Tensor, potentials: Tensor) -> Tensor:
    """``steps`` [B, T, N] where the network decides, [B, N], by U of its outputs
    [B, T, classes].
    """
    last = steps.shape[1] - 1
    if not last:
        return steps[:, 0]
    step = fire(potentials, 1).amin(dim=1).clamp(max=last)
    return steps[torch.arange(len(step), device=step.device), step]


def _sums(block: Block, signs: Tensor, values: Tensor) -> Tensor:
    """S [B, rows, height, width] of ``values`` [B, C, H, W] by ``signs`` [rows, …]. A convolution
    may be computed by a transform: what it gives is rounded to the integer that it is.
    """
    if isinstance(block.kind, Conv):
        return convolved(values, signs, block.kind).round_()
    return (values.flatten(1) @ signs.T)[:, :, None, None]


def _patches(block: Block, values: Tensor) -> Tensor:
    """What each unit of a channel sees, uint8 [columns of the weights, B, places]."""
    if not isinstance(block.kind, Conv):
        return values.flatten(1).T[:, :, None].to(torch.uint8).contiguous()
    kernel, stride = block.kind.kernel, block.kind.stride
    top, bottom, left, right = block.kind.padding
    _, height, width = block.output
    padded = pad(values, (left, right, top, bottom)).to(torch.uint8)
    down, across = (stride[0] * (height - 1) + 1, stride[1] * (width - 1) + 1)
    windows = [
        padded[:, :, y : y + down : stride[0], x : x + across : stride[1]]
        for y in range(kernel[0])
        for x in range(kernel[1])
    ]
    # columns are channel by channel, row by row of the kernel
    return torch.stack(windows, dim=2).permute(1, 2, 0, 3, 4).flatten(3).flatten(0, 1).contiguous()
