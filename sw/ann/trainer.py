"""Training of an ANN: plain supervised learning, by stochastic gradient descent with momentum and a
learning rate that falls as a half cosine.

Images lie on the device as bytes and are augmented there. An epoch's random numbers follow from the
seed and the epoch alone, so that a run that was killed goes on as if it had not been.
"""

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from sw.ann.files import Description, empty
from sw.ann.modules import Normalise
from sw.cli import UserError
from sw.data.dataset import Dataset
from sw.data.partition import hold_out
from sw.learn.batches import Augmentation, augmented
from sw.learn.saved import Saved

__all__ = [
    "AUGMENTATIONS",
    "AnnTrainer",
    "Part",
    "Plan",
    "accuracy",
    "on_device",
    "shape_of",
    "values",
]

_PHOTOGRAPHS = Augmentation(degrees=0.0, scale=0.0, shift=0.0, flip=True, crop=4)
AUGMENTATIONS = {
    "fashion_mnist": replace(_PHOTOGRAPHS, crop=2),
    "cifar10": _PHOTOGRAPHS,
    "cifar100": _PHOTOGRAPHS,
}
"""By data set; for others ``Augmentation()``."""

Part: TypeAlias = tuple[Tensor, Tensor]
"""Images uint8 [N, H, W, C], labels int64 [N]."""

_MOMENTUM = 0.9
_CHUNK = 500  # images at a time that are only classified
_CHECKPOINT = Saved(
    name="checkpoint",
    another="start again with --restart, or take another --build-dir",
    drop="start again with --restart",
)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How an ANN learns.

    Parameters
    ----------
    epochs, batch : int, at least 1
    rate : float
        Learning rate at the start.
    decay : float
        Weight decay.
    augmentation : Augmentation, or None
    mixed : bool
        Products in bfloat16 (autocast).
    """

    epochs: int
    batch: int = 128
    rate: float = 0.02
    decay: float = 5e-4
    augmentation: Augmentation | None = None
    mixed: bool = False


def shape_of(data: Dataset) -> tuple[int, ...]:
    """Channels, height and width of an image."""
    shape = data.on_maps().shape
    return shape if len(shape) == 3 else (1, *shape)


def on_device(data: Dataset, device: torch.device) -> tuple[Part, Part]:
    """The training and the test part on a device."""
    data = data.on_maps()

    def part(images: np.ndarray, labels: np.ndarray) -> Part:
        images = images if images.ndim == 4 else images[..., None]
        return torch.tensor(images, device=device), torch.tensor(labels, device=device)

    return part(data.train_images, data.train_labels), part(data.test_images, data.test_labels)


def values(images: Tensor) -> Tensor:
    """Images uint8 [B, H, W, C] as an ANN takes them: float32 [B, C, H, W] in 0 … 1."""
    result = images.movedim(3, 1).float() / 255
    return result.contiguous(memory_format=torch.channels_last)


class AnnTrainer:
    """Learns an ANN.

    Parameters
    ----------
    plan : Plan
    description : Description
        What becomes of it; its seed decides the weights at the start and every draw.
    data : Dataset
    device : torch.device
    """

    def __init__(
        self, plan: Plan, description: Description, data: Dataset, device: torch.device
    ) -> None:
        self.plan, self.description, self.device = plan, description, device
        (self._images, self._labels), self._test = on_device(data, device)
        fraction = description.validation
        learnt, validation = hold_out(data.train_labels, data.train_groups, fraction)
        self._learnt, self._validation = (
            torch.from_numpy(index).to(device) for index in (learnt, validation)
        )
        smallest = min(plan.batch, len(learnt))
        if smallest < 2:
            raise UserError(
                f"Batch must be of at least 2 images, not {smallest}, for batch norm to have a "
                "deviation; raise --batch, or lower --validation"
            )
        torch.manual_seed(description.seed)
        module = empty(description, _normalise(self._images[self._learnt]))
        self.module = module.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._maps, self._data = (data.maps, data.oriented), data.digest
        self._optimizer = torch.optim.SGD(
            self.module.parameters(),
            lr=plan.rate,
            momentum=_MOMENTUM,
            nesterov=True,
            weight_decay=plan.decay,
        )
        self.epoch = 0

    @property
    def batches(self) -> int:
        """Steps of the optimizer in an epoch; images that fill no batch are left for another."""
        return max(1, len(self._learnt) // self.plan.batch)

    def fit(self, checkpoint: Path, watch: Callable[[int, int, float | None], None]) -> None:
        """Trains to the end, from ``checkpoint`` if it is there, which is written at each epoch's
        end.

        ``watch`` gets the epochs done, the batches done of the next one, and at the end of an epoch
        the accuracy on the validation part, None where nothing is held out.
        """
        if checkpoint.exists():
            self._resume(checkpoint)
        while self.epoch < self.plan.epochs:
            self._learn_epoch(lambda batch: watch(self.epoch, batch, None))
            self.epoch += 1
            if not all(p.isfinite().all() for p in self.module.parameters()):
                raise UserError(
                    f"Epoch {self.epoch}: weights are no longer finite; lower --rate and start "
                    "again with --restart"
                )
            _CHECKPOINT.write(checkpoint, self._identity(), self._state())
            watch(self.epoch, 0, self.validation_accuracy())

    def validation_accuracy(self) -> float | None:
        """On the part that is held out, None if it is empty."""
        if not len(self._validation):
            return None
        index = self._validation
        return accuracy(self.module, self._images[index], self._labels[index])

    def test_accuracy(self) -> float:
        """On the test part: to be asked once, at the end."""
        return accuracy(self.module, *self._test)

    def _learn_epoch(self, watch: Callable[[int], None]) -> None:
        plan, count = self.plan, self.batches
        torch.manual_seed(self.description.seed * 1_000_003 + self.epoch + 1)
        order = self._learnt[torch.randperm(len(self._learnt)).to(self.device)]
        self.module.train()
        for batch in range(count):
            done = (self.epoch * count + batch) / (plan.epochs * count)
            for group in self._optimizer.param_groups:
                group["lr"] = plan.rate * (1 + math.cos(math.pi * done)) / 2
            index = order[batch * plan.batch : (batch + 1) * plan.batch]
            with torch.autocast(self.device.type, torch.bfloat16, enabled=plan.mixed):
                logits = self.module(values(self._augmented(index)))
            loss = cross_entropy(logits.float(), self._labels[index])
            self._optimizer.zero_grad()
            loss.backward()
            self._optimizer.step()
            watch(batch + 1)
        self.module.eval()

    def _augmented(self, index: Tensor) -> Tensor:
        images = self._images[index]
        if self.plan.augmentation is None:
            return images
        off_channel = self.description.off_channel
        return augmented(images, self.plan.augmentation, *self._maps, off_channel=off_channel)

    def _identity(self) -> Mapping[str, Any]:
        """What decides the weights."""
        named = ("layers", "levels", "shape", "dataset", "validation", "seed")
        plan = asdict(self.plan)
        described = {name: getattr(self.description, name) for name in named}
        return {**described, **plan, "data": self._data}

    def _state(self) -> Mapping[str, Any]:
        return {
            "epoch": self.epoch,
            "module": copy.deepcopy(self.module.state_dict()),
            "optimizer": self._optimizer.state_dict(),
        }

    def _resume(self, path: Path) -> None:
        with _CHECKPOINT.reading(path, self._identity(), self.device) as content:
            self.module.load_state_dict(content["module"])
            self._optimizer.load_state_dict(content["optimizer"])
            self.epoch = content["epoch"]
        self.module.eval()


def _normalise(images: Tensor) -> Normalise:
    """By the mean and the deviation of each channel of ``images``."""
    total, square = (
        sum((part.double() / 255).pow(power).sum(dim=(0, 1, 2)) for part in images.split(_CHUNK))
        for power in (1, 2)
    )
    count = images[..., 0].numel()
    mean = total / count
    deviation = (square / count - mean**2).clamp(min=1e-6).sqrt()  # a channel may be constant
    return Normalise(mean.tolist(), deviation.tolist())


@torch.no_grad()
def accuracy(module: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Share, 0 … 1, of ``images`` uint8 [N, H, W, C], with ``labels`` int64 [N], that ``module``
    tells rightly.
    """
    right = 0
    for part, truth in zip(images.split(_CHUNK), labels.split(_CHUNK), strict=True):
        right += int((module(values(part)).argmax(dim=1) == truth).sum())
    return right / len(labels)
