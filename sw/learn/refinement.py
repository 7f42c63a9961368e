"""Refinement: single signs and thresholds of a trained network are changed, one after another,
where that lowers the loss.

Gradients through a sign are an estimate, and learning ends where the estimate is of no more use.
What a change does is known exactly: the sign of one weight moves the potentials of its unit by 2
wherever its input fired, and what follows can be computed anew. That is cheap where there is one
step (T = 1) and few weights, as in networks for small chips. One sweep goes through all layers from
the last to the first, on a sample of training images of its own::

    d_n = loss of image n after the change − before it
    a change stays if  mean(d) < −caution · deviation(d) / √images

so that what may be chance, on this sample, is left as it was. The loss is the cross-entropy of the
output margins, times a scale that fits the network at the start best.

Sources: the flip as the unit of learning in binary networks, Helwegen et al. (Bop), NeurIPS 2019;
coordinate descent. What is ours: exact losses in place of gradients, the test by paired
differences, the order.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, max_pool2d, one_hot, pad

from sw.cli import UserError
from sw.network import Network
from sw.rules.maps.block import Block, blocks
from sw.rules.neuron import convolved
from sw.structure import Conv, Structure

__all__ = ["Changes", "Refinement"]

_SCALES = [2.0 ** (power / 4) for power in range(-24, 9)]  # of margins, from 1/64 to 4
_MOVES = (-2, -1, 1, 2)  # of a threshold
_GLANCE = 8  # a change that does worse on this part of the images is left at once
_MEMORY = 1 << 31  # bytes, for what each unit of a layer sees of all images
_PART = 2000  # images at a time that are only classified


class Changes(NamedTuple):
    """What a sweep did."""

    loss_before: float
    loss_after: float
    signs: int
    thresholds: int


class Refinement:
    """A network while it is refined.

    Parameters
    ----------
    network : Network
        First-spike, of one step.
    device : torch.device
    caution : float, at least 0
        Standard errors by which a change must lower the loss.

    Attributes
    ----------
    signs, thresholds : list of Tensor
        Of each layer with weights: float32, [rows, columns] of −1 and 1, and [rows].
    scale : float
        What a margin of 1 is worth as a logit.

    Raises
    ------
    UserError
        The network has another coding or more than one step.
    """

    def __init__(self, network: Network, device: torch.device, caution: float = 2.0) -> None:
        if network.coding != "first-spike" or network.steps != 1:
            raise UserError(
                f"network {network.title!r}: only first-spike networks of one step are refined, "
                f"not {network.coding} ones of {network.steps}; train it with --steps 1"
            )
        self._network, self._caution = network, caution
        structure = Structure(network.encoder.map, tuple(each.kind for each in network.layers))
        self._pooled_before, self._blocks = blocks(structure)
        weighted = [each for each in network.layers if each.weight.size]
        self.signs = [
            torch.from_numpy(2.0 * each.weight - 1.0).float().to(device) for each in weighted
        ]
        self.thresholds = [torch.from_numpy(each.threshold).float().to(device) for each in weighted]
        # a unit that needs a spike to fire goes on doing so: hardware looks at no other places
        self._least = [
            1.0 if bool((each >= 1).all()) else -torch.inf for each in self.thresholds[:-1]
        ]
        self.scale = 0.0

    @property
    def most_images(self) -> int:
        """What a sweep can look at in 2 GiB."""
        seen = [block.weights[1] * math.prod(block.output[1:]) for block in self._blocks[:-1]]
        return _MEMORY // max(seen, default=1)

    def network(self) -> Network:
        """The network as it is now."""
        found = iter(zip(self.signs, self.thresholds, strict=True))
        layers = []
        for layer in self._network.layers:
            if layer.weight.size:
                signs, threshold = next(found)
                layer = replace(
                    layer,
                    weight=(signs > 0).cpu().numpy(),
                    threshold=threshold.int().cpu().numpy(),
                )
            layers.append(layer)
        return replace(self._network, layers=tuple(layers))

    def fit_scale(self, spikes: Tensor, labels: Tensor) -> None:
        """Chooses what a margin of 1 is worth as a logit: what fits best."""
        margins = self.margins(spikes)
        losses = [float(cross_entropy(scale * margins, labels)) for scale in _SCALES]
        self.scale = _SCALES[losses.index(min(losses))]

    @torch.no_grad()
    def margins(self, spikes: Tensor) -> Tensor:
        """Output margins ``V − θ`` float32 [B, classes] of ``spikes``, 0 or 1, [B, N]."""
        parts = [
            self._tail(0, self._potentials(0, self._maps(part))) for part in spikes.split(_PART)
        ]
        return torch.cat(parts)

    @torch.no_grad()
    def sweep(
        self,
        spikes: Tensor,
        labels: Tensor,
        generator: torch.Generator,
        watch: Callable[[], None] = lambda: None,
    ) -> Changes:
        """Tries each sign and threshold once; those of the output layer twice.

        Parameters
        ----------
        spikes : float32 [B, N]
            0 or 1.
        labels : int64 [B]
        generator : torch.Generator
            Of the order; on the CPU.
        watch : function
            Called after each unit of a hidden layer.
        """
        inputs = [self._maps(spikes)]
        for index in range(len(self._blocks) - 1):
            inputs.append(self._fired(index, self._potentials(index, inputs[-1])))
        last = len(self._blocks) - 1
        before = self._loss(inputs[last], labels)
        signs, moved = self._refine_output(inputs[last], labels)
        for index in reversed(range(last)):
            patches = _patches(self._blocks[index], inputs[index])
            for unit in torch.randperm(len(self.signs[index]), generator=generator).tolist():
                flipped, shifted = self._refine_unit(
                    index, unit, inputs, patches, labels, generator
                )
                signs, moved = signs + flipped, moved + shifted
                watch()
        flipped, shifted = self._refine_output(inputs[last], labels)
        after = self._loss(inputs[last], labels)
        return Changes(before, after, signs + flipped, moved + shifted)

    def _maps(self, spikes: Tensor) -> Tensor:
        """What the first block sees of inputs [B, N]."""
        maps = spikes.view(len(spikes), *self._network.encoder.map)
        return maps if self._pooled_before == (1, 1) else max_pool2d(maps, self._pooled_before)

    def _potentials(self, index: int, spikes: Tensor) -> Tensor:
        """Of a block, [B, rows, height, width]."""
        return _sums(self._blocks[index], self.signs[index], spikes)

    def _fired(self, index: int, potentials: Tensor) -> Tensor:
        """Which windows of a block fire, as 0 and 1."""
        threshold = self.thresholds[index][:, None, None]
        return (max_pool2d(potentials, self._blocks[index].window) >= threshold).float()

    def _tail(self, index: int, potentials: Tensor) -> Tensor:
        """Output margins, from the potentials of a block."""
        while index < len(self._blocks) - 1:
            spikes = self._fired(index, potentials)
            index += 1
            potentials = self._potentials(index, spikes)
        return potentials.flatten(1) - self.thresholds[-1]

    def _loss(self, spikes: Tensor, labels: Tensor) -> float:
        """The mean, of what the output layer sees."""
        last = len(self._blocks) - 1
        margins = self._tail(last, self._potentials(last, spikes))
        return float(self._losses(margins, labels).mean())

    def _losses(self, margins: Tensor, labels: Tensor) -> Tensor:
        """Of each image."""
        return cross_entropy(self.scale * margins, labels, reduction="none")

    def _better(self, change: Tensor) -> bool:
        """Whether losses fall by more than chance, of the paired differences of all images."""
        error = change.std() / len(change) ** 0.5
        return bool(change.mean() < -self._caution * error)

    def _refine_unit(
        self,
        index: int,
        unit: int,
        inputs: list[Tensor],
        patches: Tensor,
        labels: Tensor,
        generator: torch.Generator,
    ) -> tuple[int, int]:
        """Changes a unit of a hidden block, and what of it later blocks see in ``inputs``. Returns
        how many signs and thresholds.
        """
        block, following = self._blocks[index], index + 1
        row, threshold = self.signs[index][unit], self.thresholds[index]
        potentials = _sums(block, row[None], inputs[index]).contiguous()
        fired = inputs[following][:, unit : unit + 1].clone()
        after = self._potentials(following, inputs[following])
        losses = self._losses(self._tail(following, after), labels)

        def tried(potentials: Tensor, threshold: float) -> bool:
            """Keeps the change if it is better. Most are not, and are known by a few images."""
            nonlocal fired, after, losses
            for part in (slice(len(labels) // _GLANCE), slice(None)):
                now = (max_pool2d(potentials[part], block.window) >= threshold).float()
                moved = after[part] + self._column(following, unit, now - fired[part])
                margins = self._tail(following, moved)
                change = self._losses(margins, labels[part]) - losses[part]
                if not change.sum() < 0:
                    return False
            if not self._better(change):
                return False
            fired, after, losses = now, moved, losses + change
            return True

        signs = moves = 0
        for column in torch.randperm(len(row), generator=generator).tolist():
            other = potentials - 2 * row[column] * patches[column].view(potentials.shape)
            if tried(other, float(threshold[unit])):
                row[column] *= -1
                potentials = other
                signs += 1
        for move in _MOVES:
            other_threshold = float(threshold[unit]) + move
            if other_threshold >= self._least[index] and tried(potentials, other_threshold):
                threshold[unit] = other_threshold
                moves += 1
        inputs[following][:, unit : unit + 1] = fired
        for later in range(following, len(self._blocks) - 1):
            inputs[later + 1] = self._fired(later, after)
            after = self._potentials(later + 1, inputs[later + 1])
        return signs, moves

    def _column(self, index: int, unit: int, change: Tensor) -> Tensor:
        """What a ``change`` [B, 1, height, width] of the spikes of one unit before a block adds to
        the block's potentials.
        """
        block, signs = self._blocks[index], self.signs[index]
        of_unit = signs.view(len(signs), block.inputs[0], -1)[:, unit]
        return _sums(block, of_unit.contiguous(), change)

    def _refine_output(self, spikes: Tensor, labels: Tensor) -> tuple[int, int]:
        """Changes signs and thresholds of the outputs. Returns how many."""
        seen = spikes.flatten(1)
        signs, thresholds = self.signs[-1], self.thresholds[-1]
        margins = seen @ signs.T - thresholds
        losses = self._losses(margins, labels)
        own = one_hot(labels, len(signs)).float()
        count = moves = 0

        def tried(row: int, change: Tensor | int) -> bool:
            """Keeps the change of a row's margins if it is better."""
            nonlocal margins, losses
            other = margins.clone()
            other[:, row] += change
            changed = self._losses(other, labels)
            if not self._better(changed - losses):
                return False
            margins, losses = other, changed
            return True

        found = True
        while found:
            found = False
            for row, column in enumerate(self._best_signs(seen, margins, own)):
                if tried(row, -2 * signs[row, column] * seen[:, column]):
                    signs[row, column] *= -1
                    count, found = count + 1, True
        for row in range(len(signs)):
            for move in _MOVES:
                if tried(row, -move):
                    thresholds[row] += move
                    moves += 1
        return count, moves

    def _best_signs(self, seen: Tensor, margins: Tensor, own: Tensor) -> list[int]:
        """Of each output the sign, by its column, whose change lowers the loss most. An image's
        loss changes where its spike is there, by an amount that does not depend on which spike: so
        one product judges all signs.
        """
        shares, signs = (self.scale * margins).softmax(dim=1), self.signs[-1]
        steps = [2 * self.scale, -2 * self.scale]
        changes = [torch.log1p(shares * math.expm1(step)) - step * own for step in steps]
        risen, fallen = (seen.T @ torch.cat(changes, dim=1)).split(len(signs), dim=1)
        return torch.where(signs.T < 0, risen, fallen).argmin(dim=0).tolist()


def _sums(block: Block, signs: Tensor, spikes: Tensor) -> Tensor:
    """Potentials [B, rows, height, width] of ``spikes`` [B, C, H, W] by ``signs`` [rows, …]."""
    if isinstance(block.kind, Conv):
        return convolved(spikes, signs, block.kind)
    return (spikes.flatten(1) @ signs.T)[:, :, None, None]


def _patches(block: Block, spikes: Tensor) -> Tensor:
    """What each unit of a channel sees, int8 [columns of the weights, B, places]."""
    if not isinstance(block.kind, Conv):
        return spikes.flatten(1).T[:, :, None].to(torch.int8).contiguous()
    kernel, stride = block.kind.kernel, block.kind.stride
    top, bottom, left, right = block.kind.padding
    _, height, width = block.output
    padded = pad(spikes, (left, right, top, bottom)).to(torch.int8)
    down, across = (stride[0] * (height - 1) + 1, stride[1] * (width - 1) + 1)
    windows = [
        padded[:, :, y : y + down : stride[0], x : x + across : stride[1]]
        for y in range(kernel[0])
        for x in range(kernel[1])
    ]
    # columns are channel by channel, row by row of the kernel
    return torch.stack(windows, dim=2).permute(1, 2, 0, 3, 4).flatten(3).flatten(0, 1).contiguous()
