"""Recipes: everything that decides what a training run makes, and presets that are known to work.

What we changed was chosen on held-out parts of the training sets. The constants for MNIST and
Fashion-MNIST that we started from were found earlier by runs compared on test images; see
docs/training.md.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from sw import limits
from sw.cli import UserError
from sw.data.dataset import Dataset
from sw.data.events import EventDataset
from sw.data.registry import DATASETS
from sw.learn.batches import Augmentation, EventAugmentation
from sw.learn.teacher import Distillation
from sw.rules import RULES
from sw.rules.settings import Value, check, settings_of
from sw.structure import Coding, Dense, Kind, coding_fault, parse

__all__ = ["MAPS", "PRESETS", "Recipe", "hidden_layers", "preset"]

_IMAGES_ONLY = {"pool", "inputs", "silent_below", "distillation"}
_FLAGS = {"distillation": "distil"}  # other than the field's name


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
        _member("Rule", self.rule, tuple(RULES))
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
        if fault := coding_fault(self.coding, self.kinds):
            raise UserError(fault)
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
        _least("Batch", self.batch, 1)
        _least("Seed", self.seed, 0)
        if not 0 < self.rate < math.inf:
            raise UserError(f"Rate must be above 0, not {self.rate!r}")
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


def _member(what: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise UserError(f"{what} must be one of {', '.join(choices)}, not {value!r}")


def _least(what: str, value: int, least: int) -> None:
    if value < least:
        raise UserError(f"{what} must be at least {least}, not {value!r}")


PRESETS: dict[str, Recipe] = {
    "digits": Recipe(
        dataset="digits",
        hidden=(192,),
        steps=16,
        epochs=200,
        batch=128,
        rate=0.005,
        settings={"threshold_factor": 10.0, "time_scale": 0.15, "smoothing": 0.05},
        augmentation=Augmentation(degrees=5.0, scale=0.05, shift=0.25),
        validation=0.2,
    ),
    "caltech": Recipe(
        dataset="caltech",
        hidden=(256,),
        steps=8,
        epochs=500,
        batch=32,
        rate=0.007,
        settings={"time_scale": 0.1, "smoothing": 0.02},
        augmentation=Augmentation(degrees=5.0, shift=3.0, flip=True, light=0.2),
        validation=0.25,
    ),
    "mnist": Recipe(dataset="mnist", hidden=(600,), steps=8, epochs=60, rate=0.015),
    "mnist-augmented": Recipe(
        dataset="mnist",
        hidden=(600,),
        steps=8,
        epochs=170,
        rate=0.007,
        augmentation=Augmentation(),
    ),
    "fashion_mnist": Recipe(
        dataset="fashion_mnist",
        hidden=(1000,),
        steps=8,
        epochs=100,
        rate=0.01,
        silent_below=1,
        settings={"output_noise": 3.0, "later_gain": 4.0, "later_from_start": True},
    ),
    "cifar10": Recipe(
        dataset="cifar10",
        hidden=(1000,),
        steps=8,
        epochs=100,
        rate=0.007,
        silent_below=1,
        settings={"output_noise": 3.0, "later_gain": 4.0, "later_from_start": True},
        augmentation=Augmentation(degrees=0.0, scale=0.0, shift=0.0, crop=4, flip=True),
    ),
    "fsdd": Recipe(
        dataset="fsdd",
        events=True,
        hidden=(256,),
        steps=16,
        epochs=100,
        batch=64,
        rate=0.006,
        settings={
            "time_scale": 3.0,
            "output_share": 0.005,
            "margin_gain": 4.0,
            "later_from_start": True,
            "silent_decay": 1.0,
            "threshold_factor": 10.0,
        },
        augmentation=EventAugmentation(stretch=0.0, shift=0.0),
        validation=0.2,
    ),
}
PRESETS["caltech_edges"] = replace(
    PRESETS["caltech"],
    dataset="caltech_edges",
    epochs=300,
    augmentation=Augmentation(degrees=5.0, shift=2.0, flip=True, light=0.2),
)


def hidden_layers(text: str) -> tuple[int | Kind, ...]:
    """What ``Recipe.hidden`` has for ``text``, such as "16c3p1-f2-128". Raises ValueError as
    :func:`sw.structure.parse`.
    """
    return tuple(
        kind.units if isinstance(kind, Dense) and kind.shortcut is None else kind
        for kind in parse(text)
    )


MAPS: dict[str, tuple[float, Mapping[str, Value]]] = {
    "surrogate": (
        0.01,
        {
            "gain": 0.0,
            "margin_gain": 1.0,
            "later_gain": 1.0,
            "end_gain": 1.0,
            "margin_scale": 4.0,
            "gap": 0.005,
            "calibration": 40,
            "start_bias": -1.0,
            "start_weight": 0.5,
            "shared_deviation": True,
        },
    ),
    "bstdg": (
        0.015,
        {
            "threshold_factor": 5.0,
            "silent_decay": 3.0,
            "fired_decay": 3.0,
            "output_noise": 0.3,
            "margin_gain": 4.0,
            "later_gain": 4.0,
            "calibration": 40,
            "anneal_share": 0.7,
        },
    ),
}
"""Rate and settings for layers on maps, by rule; the first learns them best."""


def _on_maps(recipe: Recipe, rule: str = next(iter(MAPS))) -> Recipe:
    """``recipe`` with a rule's rate and settings for layers on maps."""
    rate, settings = MAPS[rule]
    return replace(recipe, rule=rule, rate=rate, settings=settings)


def _bistable(recipe: Recipe) -> Recipe:
    """``recipe`` for bistable networks, with its layers where they have such."""
    return replace(
        recipe,
        rule="bistable",
        rate=RULES["bistable"].rate,
        settings={},
        hidden=tuple(each for each in recipe.hidden if isinstance(each, int)),
        steps=3,
        silent_below=0,
        growth=(),
    )


_LONG = {**MAPS["surrogate"][1], "anneal_share": 0.5}  # for ten thousand steps and more

PRESETS["mnist-maps"] = replace(
    _on_maps(PRESETS["mnist-augmented"]),
    hidden=hidden_layers("16c3p1-f2-32c3p1-f2"),
    steps=4,
    epochs=100,
    settings=_LONG,
)
PRESETS["fashion_mnist-maps"] = replace(
    _on_maps(PRESETS["fashion_mnist"]),
    hidden=hidden_layers("32c3p1-f2-64c3p1-f2-128"),
    steps=4,
    settings=_LONG,
    augmentation=Augmentation(degrees=0.0, scale=0.0, shift=0.0, flip=True),
)
PRESETS["cifar10-maps"] = replace(
    _on_maps(PRESETS["cifar10"]),
    hidden=hidden_layers("64c3p1-64c3p1-f2-128c3p1-f2-256c3p1-f2"),
    settings=_LONG,
)
PRESETS["digits-maps"] = replace(
    _on_maps(PRESETS["digits"]),
    hidden=hidden_layers("16c3p1-f2-32c3p1"),
    steps=4,
    epochs=100,
    batch=64,
)
PRESETS["digits-bistable"] = replace(
    _bistable(PRESETS["digits"]),
    hidden=hidden_layers("16c3p1-m2-32c3p1"),
    epochs=100,
    batch=64,
)
PRESETS["mnist-bistable"] = replace(
    _bistable(PRESETS["mnist-augmented"]),
    hidden=hidden_layers("16c3p1-m2-32c3p1-m2"),
    epochs=70,
)
PRESETS["fashion_mnist-bistable"] = replace(
    _bistable(PRESETS["fashion_mnist-maps"]),
    hidden=hidden_layers("32c3p1-m2-64c3p1-m2-128"),
    epochs=70,
)
PRESETS["cifar10-bistable"] = replace(
    _bistable(PRESETS["cifar10"]),
    hidden=hidden_layers("64c3p1-64c3p1+1x4-m2-128c3p1-m2-256c3p1-m2"),
    epochs=150,
)
PRESETS["mnist_16"] = replace(PRESETS["mnist"], dataset="mnist_16", hidden=(256,), steps=1)
PRESETS["mnist_16-augmented"] = replace(
    PRESETS["mnist-augmented"],
    dataset="mnist_16",
    hidden=(256,),
    steps=1,
    augmentation=Augmentation(shift=0.5),
)
PRESETS["mnist_16-maps"] = replace(
    PRESETS["mnist-maps"],
    dataset="mnist_16",
    hidden=hidden_layers("12c3p1-f2-24c3p1-f2"),
    steps=1,
    silent_below=96,
    augmentation=Augmentation(shift=0.5),
)
PRESETS["shd"] = replace(PRESETS["fsdd"], dataset="shd", batch=128, validation=1 / 12)


def preset(
    start: str | Recipe, *, augment: bool | Mapping[str, Value] = False, **changes: Any
) -> Recipe:
    """The preset for the data set that ``start`` names, or ``start`` itself, with ``changes`` to
    its fields; None leaves a field as it is.

    With ``augment``, the data are augmented: by the data set's preset for it, and with the fields
    of Augmentation (or EventAugmentation) that ``augment`` may name. A preset that augments anyway
    does so without it too. Layers on maps have presets, or at least a rule, of their own. Rate and
    settings of a preset go with its rule: another rule starts from its own.
    """
    if isinstance(start, Recipe):
        recipe = start
    else:
        _member("Data set", start, DATASETS)
        recipe = PRESETS[start]
    dataset = recipe.dataset
    kind = EventAugmentation if recipe.events else Augmentation
    if changes.get("rule") == "bistable":
        recipe = PRESETS.get(f"{dataset}-bistable") or _bistable(recipe)
    elif not all(isinstance(each, int) for each in changes.get("hidden") or ()):
        recipe = PRESETS.get(f"{dataset}-maps") or _on_maps(recipe)
        rule = changes.get("rule")
        if rule in MAPS and rule != recipe.rule:
            recipe = _on_maps(recipe, rule)
    if augment is not False and recipe.augmentation is None:
        augmented = replace(recipe, augmentation=kind())
        if recipe.coding == "first-spike":
            augmented = PRESETS.get(f"{dataset}-augmented", augmented)
        recipe = augmented
    if isinstance(augment, Mapping):
        check("Augmentation", settings_of(kind), augment)
        augmentation = replace(recipe.augmentation or kind(), **augment)  # type: ignore[arg-type]  # checked above
        recipe = replace(recipe, augmentation=augmentation)
    given = {name: value for name, value in changes.items() if value is not None}
    if recipe.events:
        for name in _IMAGES_ONLY & set(given):
            flag = "--" + _FLAGS.get(name, name).replace("_", "-")
            raise UserError(f"{dataset}: holds events, not images; leave out {flag}")
    settings = dict(given.pop("settings", {}))
    rule = given.get("rule", recipe.rule)
    if rule == recipe.rule:
        settings = {**recipe.settings, **settings}
    elif rule in RULES:  # the preset's rate and settings are another rule's
        recipe = replace(recipe, rate=RULES[rule].rate)
    return replace(recipe, settings=settings, **given)
