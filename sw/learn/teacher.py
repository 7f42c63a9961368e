"""Distillation: a network of full precision learns first, and its answers become part of what the
1-bit network learns. The teacher is convolutional; of width 0 it is logistic regression, which can
be better with new people or machines where the examples come from few.

The teacher sees the same images, augmented alike, as values; the 1-bit network sees when its inputs
fire. Source: Hinton, Vinyals and Dean, "Distilling the knowledge in a neural network", 2015.
"""

import copy
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from sw.learn.batches import Augmentation, ImageInputs
from sw.learn.step import captured, prepare
from sw.rules.settings import check, settings_of
from sw.structure import Map

__all__ = ["Distillation", "Teacher", "accuracy", "targets", "taught"]

_SMOOTHING = 0.05  # of the labels that the teacher learns
_DECAY = 0.01
_SMALL = 4  # pixels of an edge below which nothing is pooled
_CHUNK = 1000  # images at a time that it is asked


@dataclass(frozen=True, kw_only=True)
class Distillation:
    """How a teacher learns, and what becomes of its answers.

    Parameters
    ----------
    share : float, 0 … 1
        Of the teacher's answer in what is learnt; the rest is the label's.
    temperature : float, above 0
        The teacher's logits are divided by it.
    teacher_epochs : int, at least 1
        Passes over the training set that the teacher takes.
    teacher_rate : float, above 0
        Its learning rate at the start; falls to 0 as a half cosine.
    teacher_width : int, at least 0
        Channels of its first two layers; later ones have twice and four times as many. 0: no such
        layers, the teacher is logistic regression.
    """

    share: float = 0.5
    temperature: float = 1.0
    teacher_epochs: int = 30
    teacher_rate: float = 0.002
    teacher_width: int = 64

    def __post_init__(self) -> None:
        check("Distillation", settings_of(type(self)), asdict(self))


class Teacher(nn.Module):
    """Six convolutions in pairs, pooling between them, and one dense layer; that alone with a width
    of 0.

    Parameters
    ----------
    shape : Map
        Channels, height and width of the images.
    classes : int
    width : int
    """

    def __init__(self, shape: Map, classes: int, width: int) -> None:
        super().__init__()
        self.linear = width == 0
        if self.linear:
            self.output: nn.Module = nn.Linear(math.prod(shape), classes)
            return
        before, *edges = shape
        layers: list[nn.Module] = []
        for channels in (width, 2 * width, 4 * width):
            if layers:
                kernel = [2 if edge >= _SMALL else 1 for edge in edges]
                layers.append(nn.MaxPool2d((kernel[0], kernel[1])))
                edges = [edge // size for edge, size in zip(edges, kernel, strict=True)]
            for inputs in (before, channels):
                conv = nn.Conv2d(inputs, channels, 3, padding=1, bias=False)
                layers += [conv, nn.BatchNorm2d(channels), nn.ReLU()]
            before = channels
        self.maps = nn.Sequential(*layers)
        self.output = nn.Sequential(nn.Dropout(0.3), nn.Linear(before, classes))

    def forward(self, images: Tensor) -> Tensor:
        """Logits float32 [B, classes] of ``images`` uint8 [B, height, width] or [B, height, width,
        channels].
        """
        values = images.reshape(*images.shape[:3], -1).movedim(3, 1).float() / 255
        if self.linear:
            return self.output(values.flatten(1))
        with torch.autocast(images.device.type, torch.bfloat16, enabled=images.is_cuda):
            maps = self.maps(values.contiguous(memory_format=torch.channels_last))
            logits: Tensor = self.output(maps.mean(dim=(2, 3)))
        return logits.float()


def taught(
    teacher: Teacher,
    distillation: Distillation,
    inputs: ImageInputs,
    labels: Tensor,
    augmentation: Augmentation | None,
    batch: int,
    watch: Callable[[int, int], None],
) -> Teacher:
    """``teacher`` after it has learnt the ``labels`` int64 [R] of ``inputs``, in order to answer.

    Parameters
    ----------
    batch : int
        Images per step of the optimizer.
    watch : function of (epochs done, all epochs)
    """
    teacher.train()
    rate = torch.zeros((), device=labels.device)
    index = torch.zeros(batch, dtype=torch.int64, device=labels.device)

    def step(network: Teacher, optimizer: torch.optim.Optimizer) -> None:
        logits = network(inputs.images(index, augmentation))
        loss = cross_entropy(logits, labels[index], label_smoothing=_SMOOTHING)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    def optimizer_for(network: Teacher) -> torch.optim.Optimizer:
        optimizer = torch.optim.AdamW(
            network.parameters(), lr=rate, weight_decay=_DECAY, capturable=rate.is_cuda
        )
        prepare(optimizer)
        return optimizer

    learn: Callable[[], None] = partial(step, teacher, optimizer_for(teacher))
    if rate.is_cuda:
        spare = copy.deepcopy(teacher)
        learn = captured(learn, partial(step, spare, optimizer_for(spare)))
    batches = len(labels) // batch
    count = distillation.teacher_epochs * batches
    for done in range(count):
        if done % batches == 0:
            order = torch.randperm(len(labels)).to(labels.device)
            watch(done // batches, distillation.teacher_epochs)
        rate.fill_(distillation.teacher_rate * (1 + math.cos(math.pi * done / count)) / 2)
        place = done % batches * batch
        index.copy_(order[place : place + batch])
        learn()
    watch(distillation.teacher_epochs, distillation.teacher_epochs)
    return teacher.eval()


@torch.no_grad()
def targets(teacher: Teacher, distillation: Distillation, images: Tensor, labels: Tensor) -> Tensor:
    """What is learnt of ``images``, as :class:`Teacher` takes them, with ``labels`` int64 [B]: a
    share for each class, float32 [B, classes].
    """
    logits = teacher(images)
    answers = (logits / distillation.temperature).softmax(dim=1)
    truth = one_hot(labels, logits.shape[1]).float()
    return torch.lerp(truth, answers, distillation.share)


@torch.no_grad()
def accuracy(teacher: Teacher, inputs: ImageInputs, labels: Tensor) -> float:
    """Share, 0 … 1, of the ``inputs`` that it tells rightly; ``labels`` int64 [R]."""
    parts = torch.arange(len(labels), device=labels.device).split(_CHUNK)
    right = sum(int((teacher(inputs.images(p)).argmax(dim=1) == labels[p]).sum()) for p in parts)
    return right / len(labels)
