"""The training loop: batches, optimizer, validation, checkpoints. What it runs is a Recipe.

All randomness of an epoch follows from seed and epoch alone, so a run that was killed and resumed
ends with the same bits. On a GPU the whole step (augmentation, encoding, rule, optimizer) is one
captured CUDA graph.
"""

import copy
import math
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sw.answer import Answer
from sw.cli import UserError
from sw.data.dataset import Dataset
from sw.data.events import EventDataset, Events
from sw.data.partition import hold_out
from sw.encoder import (
    EventsEncoder,
    ImageEncoder,
    LatencyEncoder,
    NetworkEncoder,
    PhaseEncoder,
)
from sw.learn import bistable, distributed
from sw.learn.batches import (
    EventAugmentation,
    EventInputs,
    ImageInputs,
    Inputs,
    informative_inputs,
)
from sw.learn.history import Epoch
from sw.learn.inference import run_layers
from sw.learn.recipes import Recipe
from sw.learn.saved import Saved
from sw.learn.step import captured, learn, prepare
from sw.learn.teacher import Teacher, accuracy, targets, taught
from sw.learn.validation import VALUES, validated
from sw.network import PROVENANCE, Network
from sw.rules import RULES, Rule
from sw.rules.bistable import Bistable
from sw.structure import Dense, Structure

__all__ = ["Trainer", "encoder_of"]

_CHECKPOINTS = Saved(
    name="checkpoint",
    another="finish that one, or --restart drops it",
    drop="--restart drops it",
)
_TEACHERS = Saved(
    name="teacher", another="name another file, or remove it", drop="remove it, or name another"
)
_COLD = 0.01  # the learning rate at the start of a warm-up, over the recipe's
_TEACHER = 1_000_002  # in place of an epoch, for what is random in the teacher


class Trainer:
    """One run of a recipe.

    Parameters
    ----------
    recipe : Recipe
    data : Dataset or EventDataset
    device : str or torch.device
    start : Network, or None
        What learning starts from, of the recipe's layers; any window and any encoder of as many
        inputs.

    Attributes
    ----------
    epoch : int
        Epochs done.
    history : list of Epoch
        One per epoch done.
    """

    def __init__(
        self,
        recipe: Recipe,
        data: Dataset | EventDataset,
        device: str | torch.device = "cpu",
        start: Network | None = None,
    ) -> None:
        self.recipe, self.labels, self._data = recipe, data.labels, data.digest
        self.device = torch.device(device)
        learn, held_out = hold_out(data.train_labels, data.train_groups, recipe.validation)
        if len(learn) < recipe.batch:
            raise UserError(f"Batch must be at most {len(learn)} here, not {recipe.batch}")
        self.encoder = self._encoder(data, learn)
        self._maps = (1, False, False)
        if isinstance(data, Dataset):
            self._maps = data.maps, data.oriented, data.off_channel
        self._validated = len(held_out) > 0
        self._learn = self._on_device(data.train_inputs, data.train_labels, learn)
        probe = held_out if self._validated else learn[:1000]
        self._probe = self._on_device(data.train_inputs, data.train_labels, probe)

        self._seed(0)
        output = Dense(units=len(data.labels))
        try:
            structure = Structure(self.encoder.map, (*recipe.kinds, output))
        except ValueError as error:
            raise UserError(str(error)) from None
        kind = RULES[recipe.rule]
        rule = kind(structure if kind.maps else structure.sizes, recipe.steps, **recipe.settings)
        if distributed.count() > 1 and (recipe.batch % distributed.count() or not rule.averages):
            raise UserError(
                f"{distributed.count()} processes: batch {recipe.batch} must be divisible by them, "
                f"and rule {recipe.rule!r} learn from each image by itself"
            )
        self.rule: Rule = rule.to(self.device)
        most = min(4096, VALUES // (recipe.steps * max(structure.sizes)))
        self._sample = min(len(learn), max(recipe.batch, most))
        sample = torch.randperm(len(learn))[: self._sample].to(self.device)
        self.rule.start(self._learn[0].take(sample))
        if start is not None:
            self._begin(start, structure, self._learn[0].take(sample))
        self._optimizer = self._optimizer_for(self.rule)
        self._teacher: Teacher | None = None
        self.epoch = 0
        self.history: list[Epoch] = []

    def _begin(self, start: Network, structure: Structure, sample: Tensor) -> None:
        """Has the rule start from the network ``start``."""
        own = Structure(start.encoder.map, tuple(layer.kind for layer in start.layers))
        if own.sizes != structure.sizes or own.kinds != structure.kinds:
            raise UserError(
                f"--start: network {start.title!r} is {own}, and {structure} is to be trained; "
                "leave out --layers, or name another network"
            )
        self.rule.begin([layer for layer in start.layers if layer.weight.size], sample)

    def teach(
        self, path: Path | None = None, watch: Callable[[int, int], None] | None = None
    ) -> float:
        """Has the teacher that the recipe's distillation asks for.

        Parameters
        ----------
        path : Path, or None
            Its file, which is written if it is not there.
        watch : function of (epochs done, all epochs), or None

        Returns
        -------
        float, 0 … 1
            The share of held-out images, or of up to 1,000 learnt ones without, that it tells.
        """
        recipe, (inputs, labels) = self.recipe, self._learn
        (probe, truth), distillation = self._probe, recipe.distillation
        assert distillation is not None
        assert isinstance(inputs, ImageInputs)
        assert isinstance(probe, ImageInputs)
        assert not isinstance(recipe.augmentation, EventAugmentation)
        if distributed.count() > 1:
            raise UserError(f"{distributed.count()} processes: leave out --distil, or train by one")
        self._seed(_TEACHER)
        shape = inputs.shape
        teacher = Teacher(shape, len(self.labels), distillation.teacher_width).to(self.device)
        of_recipe = ("dataset", "validation", "augmentation", "batch")
        identity = {
            **{field: recipe.to_dict()[field] for field in of_recipe},
            **{key: value for key, value in asdict(distillation).items() if "teacher" in key},
            "classes": self.labels,
            "data": self._data,
            "shape": shape,
        }
        if path is not None and path.exists():
            with _TEACHERS.reading(path, identity, self.device) as content:
                teacher.load_state_dict(content["teacher"])
        else:
            taught(
                *(teacher, distillation, inputs, labels, recipe.augmentation, recipe.batch),
                watch or (lambda *_: None),
            )
            if path is not None:
                _TEACHERS.write(path, identity, {"teacher": teacher.state_dict()})
        self._teacher = teacher.eval()
        return accuracy(teacher, probe, truth)

    def fit(
        self, checkpoint: Path | None = None, watch: Callable[[int, int], None] | None = None
    ) -> None:
        """Trains to the end of the recipe.

        Parameters
        ----------
        checkpoint : Path, or None
            Written after each epoch. One that lies there is resumed.
        watch : function of (epochs done, steps done in this epoch), or None
            Called after each step, and at the end of each epoch with steps 0.

        Raises
        ------
        UserError
            The checkpoint is another run's, or training went wrong: not finite, or a dead layer.
        """
        if checkpoint is not None and checkpoint.exists():
            self._resume(checkpoint)
        if self.recipe.distillation and self._teacher is None:
            self.teach()
        size = self.recipe.batch
        index = torch.zeros(size // distributed.count(), dtype=torch.int64, device=self.device)
        step = None
        while self.epoch < self.recipe.epochs:
            if self._grow() or step is None:
                step = self._step_on(index)
            self._seed(self.epoch + 1)
            order = torch.randperm(len(self._learn[1])).to(self.device)
            rate = self._set_rate()
            self.rule.progress(self.epoch / self.recipe.epochs)
            for batch in range(self.batches):
                index.copy_(distributed.part(order[batch * size : (batch + 1) * size]))
                step()
                if watch:
                    watch(self.epoch, batch + 1)
            self.epoch += 1
            if self.epoch == self.recipe.epochs:
                self._calibrate()
            entry = validated(
                *(self.rule, *self._probe),
                epoch=self.epoch,
                rate=rate,
                held_out=self._validated,
            )
            self.history.append(entry)
            if checkpoint is not None and distributed.first():
                self._save(checkpoint)
            if watch:
                watch(self.epoch, 0)

    def network(self, name: str, provenance: dict[str, object]) -> Network:
        """The network as it is now."""
        return Network(
            name=name,
            steps=self.recipe.steps,
            encoder=self.encoder,
            layers=tuple(self.rule.export()),
            labels=self.labels,
            provenance=provenance,
        )

    def rounded(self) -> tuple[int, int] | None:
        """Of a bistable network, how many values of hidden units the rounding to integers changes
        on the images that validation takes, and how many there are; else None.
        """
        if not isinstance(self.rule, Bistable):
            return None
        inputs, _ = self._probe
        network = self.network("", dict.fromkeys(PROVENANCE))
        differ = count = 0
        for part in torch.arange(len(inputs), device=self.device).split(self._sample):
            of_part = bistable.changed(
                network.layers,
                network.maps,
                self.rule.activations(),
                inputs.take(part),
                network.steps,
            )
            differ, count = differ + of_part[0], count + of_part[1]
        return differ, count

    def answer(self, data: Dataset | EventDataset) -> Answer:
        """What a first-spike rule answers now to the test part of ``data``, also with real weights.
        Then a margin is a float.
        """
        inputs = self._inputs(data.test_inputs)
        everything = inputs.take(torch.arange(len(inputs), device=self.device))
        return run_layers(self.rule.layers(), everything, self.recipe.steps, self.rule.structure)

    @property
    def batches(self) -> int:
        """Steps of the optimizer in one epoch. Images that fill no batch wait for another epoch."""
        return len(self._learn[1]) // self.recipe.batch

    def _encoder(self, data: Dataset | EventDataset, learn: np.ndarray) -> NetworkEncoder:
        recipe, encoder = self.recipe, encoder_of(self.recipe, data)
        if recipe.inputs is None or isinstance(data, EventDataset):
            return encoder
        assert not isinstance(encoder, EventsEncoder)
        images = data.train_images[learn]
        try:
            if isinstance(encoder, PhaseEncoder):
                seen = encoder.codes(images, recipe.steps)
            else:
                seen = encoder.times(images, recipe.steps)
            select = informative_inputs(seen, data.train_labels[learn], recipe.inputs)
        except ValueError as error:
            raise UserError(str(error)) from None
        return replace(encoder, select=select)

    def _on_device(
        self, examples: np.ndarray | Events, labels: np.ndarray, index: np.ndarray
    ) -> tuple[Inputs, Tensor]:
        """Inputs and labels int64 [R] of the examples ``index`` [R]."""
        return self._inputs(examples[index]), torch.from_numpy(labels[index]).to(self.device)

    def _inputs(self, examples: np.ndarray | Events) -> Inputs:
        if isinstance(examples, Events):
            return EventInputs(examples, self.recipe.steps, self.device)
        assert isinstance(self.encoder, ImageEncoder)
        return ImageInputs(examples, self.encoder, self.recipe.steps, self.device, *self._maps)

    def _seed(self, epoch: int) -> None:
        """Everything random up to the next call follows from the recipe's seed and ``epoch``."""
        torch.manual_seed(self.recipe.seed * 1_000_003 + epoch)

    def _optimizer_for(self, rule: Rule) -> torch.optim.Optimizer:
        """The rule's optimizer, prepared."""
        groups = [{**group, "lr": torch.zeros((), device=self.device)} for group in rule.groups()]
        optimizer = rule.optimizer(groups)
        prepare(optimizer)
        return optimizer

    def _window(self, epoch: int) -> int:
        """T of an epoch; before the first, that of the recipe."""
        windows = (*self.recipe.growth, self.recipe.steps)
        return windows[epoch * len(windows) // self.recipe.epochs] if epoch >= 0 else windows[-1]

    def _grow(self) -> bool:
        """Sets the window of this epoch. Returns whether it is another than before."""
        steps = self._window(self.epoch)
        changed = steps != self.rule.steps
        self.rule.steps = steps
        for inputs, _ in (self._learn, self._probe):
            inputs.steps = steps
        if steps != self._window(self.epoch - 1):
            self._seed(self.epoch + 1)
            sample = torch.randperm(len(self._learn[1]))[: self._sample].to(self.device)
            self.rule.calibrate(self._learn[0].take(sample), 1.0)
        return changed

    def _set_rate(self) -> float:
        """Half a cosine from the recipe's rate to 0, one value per epoch; before that, it rises."""
        rate = self.recipe.rate * (1 + math.cos(math.pi * self.epoch / self.recipe.epochs)) / 2
        if self.epoch < self.recipe.warm_up:
            rate *= _COLD ** (1 - self.epoch / self.recipe.warm_up)
        for group in self._optimizer.param_groups:
            group["lr"].fill_(rate * group["factor"])
        return rate

    def _step_on(self, index: Tensor) -> Callable[[], None]:
        """One step of learning from the examples ``index``; on a GPU a graph that reads it."""
        inputs, labels = self._learn

        augmentation, distillation = self.recipe.augmentation, self.recipe.distillation

        def step(rule: Rule, optimizer: torch.optim.Optimizer) -> None:
            truth = labels[index]
            if distillation is not None and self._teacher is not None:
                assert isinstance(inputs, ImageInputs)
                images = inputs.images(index, augmentation)
                truth = targets(self._teacher, distillation, images, truth)
                learn(rule, optimizer, inputs.encoded(images), truth)
            else:
                learn(rule, optimizer, inputs.take(index, augmentation), truth)

        train = partial(step, self.rule, self._optimizer)
        if self.device.type != "cuda":
            return train
        spare = copy.deepcopy(self.rule)  # warming up must not train
        return captured(train, partial(step, spare, self._optimizer_for(spare)))

    def _calibrate(self) -> None:
        """Has the rule measure once more what it answers with, on data as it learnt from."""
        self.rule.progress(1.0)
        inputs, _ = self._learn
        for done in range(self.rule.calibration):
            sample = torch.randperm(len(inputs))[: self._sample].to(self.device)
            self.rule.calibrate(inputs.take(sample, self.recipe.augmentation), 1 / (done + 1))

    @property
    def _identity(self) -> dict[str, object]:
        return {**self.recipe.to_dict(), "data": self._data, "device": self.device.type}

    def _save(self, path: Path) -> None:
        content = {
            "rule": self.rule.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "epoch": self.epoch,
            "history": [epoch.to_dict() for epoch in self.history],
        }
        _CHECKPOINTS.write(path, self._identity, content)

    def _resume(self, path: Path) -> None:
        with _CHECKPOINTS.reading(path, self._identity, self.device) as content:
            self.rule.load_state_dict(content["rule"])
            self._optimizer.load_state_dict(content["optimizer"])
            self.history = [Epoch.from_dict(entry) for entry in content["history"]]
            self.epoch = len(self.history)
            if content["epoch"] != self.epoch or self.epoch > self.recipe.epochs:
                raise ValueError


def encoder_of(recipe: Recipe, data: Dataset | EventDataset) -> NetworkEncoder:
    """The encoder of all inputs, before some are chosen. Raises UserError if the recipe cannot take
    such images.
    """
    if isinstance(data, EventDataset):
        return EventsEncoder(channels=data.channels, shape=data.shape)
    encoder: LatencyEncoder | PhaseEncoder
    try:
        if recipe.coding == "bistable":
            encoder = PhaseEncoder(shape=data.shape, pool=recipe.pool)
        else:
            encoder = LatencyEncoder(
                shape=data.shape, pool=recipe.pool, silent_below=recipe.silent_below
            )
    except ValueError as error:
        raise UserError(str(error)) from None
    if (height := data.map_size[0]) % encoder.pool:
        raise UserError(f"Pool must divide the height of a map, {height}, not {encoder.pool}")
    return encoder
