"""Recipes: everything that decides what a training run makes. Known ones: ``sw.learn.presets``."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from sw import limits
from sw.cli import UserError
from sw.data.dataset import Dataset
from sw.data.events import EventDataset
from sw.flags import MOST_RATE
from sw.learn.batches import Augmentation, EventAugmentation
from sw.learn.teacher import Distillation
from sw.rules import RULES
from sw.rules.settings import Value
from sw.structure import Coding, Dense, Kind, coding_fault, parse

__all__ = ["Recipe", "hidden_layers", "member"]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What a run learns, from what, and how. Two runs of one recipe on one machine give the same
    network.

    Parameters
    ----------
    dataset : str
        A name, or the path of one's own data.
    hidden : tuple of int or Kind
        The hidden layers; a number is a dense layer of so many units.
    steps : int, 1 … 256
        T; a power of two where the data set holds images. Of a bistable network K, 1 … 8.
    rule : str
        One of ``sw.rules.RULES``.
    settings : dict
        Those of the rule (``Rule.settings``) that differ from their defaults.
    epochs : int
    batch : int
        Images, or recordings, per step of the optimizer.
    rate : float
        Learning rate of the weights at the start; falls to 0 as a half cosine.
    warm_up : int, epochs
        The learning rate rises exponentially to its start, from a hundredth of it.
    growth : tuple of int
        Windows that learning starts with, each for an equal share of the epochs, before T.
    distillation : Distillation, or None
        What is learnt from a teacher, of images only.
    augmentation : Augmentation, EventAugmentation, or None
        The one for the data set's kind.
    pool, silent_below : int
        As ``LatencyEncoder`` has them; images only.
    inputs : int, or None
        Keep only this many pixels, the most informative about the class; None keeps all.
    validation : float, 0 … below 1
        Share of the training set that is held out.
    events : bool
        The data set holds recordings of events; else images.
    start_from : str, or None
        SHA-256 of the network that learning starts from.
    seed : int

    Raises
    ------
    UserError
        A value is out of its range.
    """

    dataset: str
    hidden: tuple[int | Kind, ...]
    steps: int
    epochs: int
    rate: float
    batch: int = 256
    rule: str = "bstdg"
    settings: Mapping[str, Value] = field(default_factory=dict)
    warm_up: int = 0
    growth: tuple[int, ...] = ()
    distillation: Distillation | None = None
    augmentation: Augmentation | EventAugmentation | None = None
    pool: int = 1
    silent_below: int = 16
    inputs: int | None = None
    validation: float = 1 / 12
    events: bool = False
    start_from: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        member("Rule", self.rule, tuple(RULES))
        RULES[self.rule].check(self.settings)
        dense = [units for units in self.hidden if isinstance(units, int)]
        maps = [kind for kind in self.hidden if not isinstance(kind, int)]
        for units in dense:
            _least("Hidden", units, 1)
        if maps and not RULES[self.rule].maps:
            able = ", ".join(name for name, rule in RULES.items() if rule.maps)
            raise UserError(
                f"Rule {self.rule!r} learns dense layers only, not {maps[0]}; take --rule {able}"
            )
        if maps and self.inputs is not None:
            raise UserError(f"--inputs: layers on maps, such as {maps[0]}, take the whole image")
        if self.coding == "bistable":
            if self.events:
                raise UserError(
                    f"Rule {self.rule!r} learns from images, not from events such as those of "
                    f"{self.dataset}; take another rule"
                )
            if fault := limits.phases_fault(self.steps):
                raise UserError(fault)
            if self.silent_below:
                raise UserError(
                    "--silent-below: bistable networks have no silent pixels; leave it out"
                )
        elif fault := limits.steps_fault(self.steps, pixels=not self.events):
            raise UserError(fault)
        if not maps and (fault := limits.sizes_fault((1, *dense, 1))):
            raise UserError(fault)
        try:
            kinds = self.kinds
        except ValueError as error:
            raise UserError(str(error)) from None
        if fault := coding_fault(self.coding, kinds):
            raise UserError(fault)
        if self.distillation and not RULES[self.rule].shares:
            raise UserError(
                f"Rule {self.rule!r} learns one class per image, not a teacher's answers; "
                f"leave out --distil"
            )
        if self.growth and not RULES[self.rule].grows:
            able = ", ".join(name for name, rule in RULES.items() if rule.grows)
            raise UserError(f"Rule {self.rule!r} learns one window only; take --rule {able}")
        for steps in self.growth:
            if fault := limits.steps_fault(steps, pixels=not self.events):
                raise UserError(fault)
        _least("Epochs", self.epochs, 1)
        _least("Warm-up", self.warm_up, 0)
        _least("Batch", self.batch, RULES[self.rule].least_batch)
        _least("Seed", self.seed, 0)
        if not 0 < self.rate <= MOST_RATE:
            raise UserError(f"Rate must be above 0, at most {MOST_RATE}, not {self.rate!r}")
        if not 0 <= self.validation < 1:
            raise UserError(f"Validation must be in 0 … below 1, not {self.validation!r}")

    @property
    def coding(self) -> Coding:
        """Of the networks that the rule makes."""
        return RULES[self.rule].coding

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The hidden layers."""
        return tuple(Dense(units=each) if isinstance(each, int) else each for each in self.hidden)

    def arranged(self, data: Dataset | EventDataset) -> Dataset | EventDataset:
        """``data`` in the form that the first layer takes: maps as channels, or one below the other
        for a dense one.
        """
        dense = not self.hidden or isinstance(self.hidden[0], int)
        return data.stacked() if dense else data.on_maps()

    def to_dict(self) -> dict[str, object]:
        """As plain values, for JSON; layers on maps as text."""
        hidden = tuple(each if isinstance(each, int) else str(each) for each in self.hidden)
        return {**asdict(self), "hidden": hidden}


def member(what: str, value: str, choices: tuple[str, ...]) -> None:
    """Raises UserError unless ``value`` is one of ``choices``."""
    if value not in choices:
        raise UserError(f"{what} must be one of {', '.join(choices)}, not {value!r}")


def _least(what: str, value: int, least: int) -> None:
    if value < least:
        raise UserError(f"{what} must be at least {least}, not {value!r}")


def hidden_layers(text: str) -> tuple[int | Kind, ...]:
    """What ``Recipe.hidden`` has for ``text``, such as "16c3p1-f2-128". Raises ValueError as
    :func:`sw.structure.parse`.
    """
    return tuple(
        kind.units if isinstance(kind, Dense) and kind.shortcut is None else kind
        for kind in parse(text)
    )
