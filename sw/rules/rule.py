"""What the trainer needs of a learning rule."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from sw.cli import UserError
from sw.network import Layer
from sw.rules.settings import Setting, check, settings_of
from sw.structure import Coding, Pooling, Structure

__all__ = ["Group", "Rule"]

Group: TypeAlias = dict[str, Any]  # what PyTorch calls a parameter group


class Rule(nn.Module, ABC):
    """A network while it learns: latent weights and thresholds, and how an error changes them.

    A subclass sets ``name`` (what ``--rule`` takes), ``rate`` (a learning rate that works) and,
    with real weights, ``binary = False``; ``averages = False`` if the gradient of a batch is not
    the mean of those of its parts; ``maps = True`` if it knows layers on maps, else it is given
    dense ones only; ``coding = "bistable"`` if its networks are; ``grows = True`` if ``steps`` may
    be set while it learns; ``shares = False`` if :meth:`backward` takes classes only;
    ``least_batch = 2`` if it needs a deviation over the examples of a batch. It has its own
    settings as further keyword arguments, with a default and an entry in its docstring
    (``sw/rules/settings.py``).
    Its parameters and buffers are all of its state, so a checkpoint is complete.

    Parameters
    ----------
    structure : Structure or sequence of int
        The units per layer of a dense network, inputs first, such as (784, 600, 10), stand for its
        structure.
    steps : int
        T.

    Attributes
    ----------
    structure : Structure
    sizes : tuple of int
        Units of the inputs and of each layer.
    """

    name: str
    rate: float
    binary: bool = True
    averages: bool = True
    maps: bool = False
    coding: Coding = "first-spike"
    grows: bool = False
    shares: bool = True
    least_batch: int = 1
    calibration: int = 0  # batches that :meth:`calibrate` wants after the last epoch

    def __init__(self, structure: Structure | Sequence[int], steps: int) -> None:
        super().__init__()
        self.structure = Structure.of(structure)
        self.sizes = self.structure.sizes
        self.steps = steps

    @classmethod
    def settings(cls) -> dict[str, Setting]:
        """The rule's own settings, by name."""
        return settings_of(cls)

    @classmethod
    def check(cls, settings: Mapping[str, object]) -> None:
        """Raises UserError if the rule cannot take ``settings``."""
        check(f"Rule {cls.name!r}", cls.settings(), settings)

    @abstractmethod
    def start(self, inputs: Tensor) -> None:
        """Sets what depends on the data, once, from a sample of inputs, as
        ``sw.rules.neuron.spiked`` takes them.
        """

    def begin(self, layers: Sequence[Layer], inputs: Tensor) -> None:
        """Starts from a network, after :meth:`start` and from the same sample: from those of its
        ``layers`` that have weights, which then are what the rule has.

        Raises
        ------
        UserError
            The rule cannot.
        """
        able = "surrogate"
        raise UserError(f"--start: rule {self.name!r} starts anew only; take --rule {able}")

    @abstractmethod
    def backward(self, inputs: Tensor, labels: Tensor) -> None:
        """Sets ``grad`` of every parameter for one batch. Draws its random numbers from the default
        generator.

        Parameters
        ----------
        inputs : integer [B, N_in] or [B, T, N_in]
            As ``sw.rules.neuron.spiked`` takes them; for bistable networks values of K bits.
        labels : int64 [B], or float [B, N_out]
            The class, or a share for each class.
        """

    def progress(self, share: float) -> None:
        """Told before each epoch which share of all is done, and 1 after the last."""

    def calibrate(self, inputs: Tensor, share: float) -> None:
        """Measures once more, on ``inputs`` as :meth:`start` takes them, what it answers with: the
        first time with a ``share`` of 1, then 1/2, 1/3, ….
        """

    @abstractmethod
    def groups(self) -> list[Group]:
        """Groups for the optimizer: ``params``, and ``factor`` that the learning rate is multiplied
        with.
        """

    def optimizer(self, groups: list[Group]) -> torch.optim.Optimizer:
        """What the trainer steps with, over :meth:`groups` whose ``lr`` is a tensor each."""
        return torch.optim.Adam(groups, eps=1e-10, capturable=groups[0]["lr"].is_cuda)

    @abstractmethod
    def constrain(self) -> None:
        """Puts the parameters back into their range after a step of the optimizer."""

    @abstractmethod
    def layers(self) -> list[tuple[Tensor, Tensor]]:
        """What it answers with, per layer with weights: weight float32 [rows, columns] as
        ``sw.structure`` has them, −1 or +1 if the rule is binary, and threshold [rows], int32 if it
        is binary, else float32.
        """

    def export(self) -> list[Layer]:
        """Its layers, as a Network has them.

        Raises
        ------
        UserError
            The rule's weights are real: they are no 1-bit network.
        """
        if not self.binary:
            raise UserError(
                f"Rule {self.name!r}: its weights are real, so there is no 1-bit network to write; "
                f"take one of the binary rules for hardware"
            )
        learnt, result = iter(self.layers()), []
        for kind in self.structure.kinds:
            if isinstance(kind, Pooling):
                result.append(Layer(kind=kind))
            else:
                weight, threshold = (each.cpu() for each in next(learnt))
                bits, levels = (weight > 0).numpy(), threshold.to(torch.int32).numpy()
                result.append(Layer(weight=bits, threshold=levels, kind=kind))
        return result
