"""Presets: recipes that are known to work, by data set.

What we changed was chosen on held-out parts of the training sets. The constants for MNIST and
Fashion-MNIST that we started from were found earlier by runs compared on test images; see
docs/training.md.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sw.cli import UserError
from sw.data.registry import DATASETS
from sw.learn.batches import Augmentation, EventAugmentation
from sw.learn.recipes import Recipe, hidden_layers, member
from sw.rules import RULES
from sw.rules.settings import Value, check, settings_of

__all__ = ["MAPS", "PRESETS", "preset"]

_IMAGES_ONLY = {"pool", "inputs", "silent_below", "distillation"}
_FLAGS = {"distillation": "distil"}  # other than the field's name

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
    hidden=hidden_layers("44c3p1-44c3p1-f2-88c3p1-88c3p1-f2-176c3p1-f2"),
    steps=4,
    epochs=80,
    warm_up=5,
    settings={**_LONG, "positive": True},
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
    hidden=hidden_layers("64c3p1-64c3p1+1x8-m2-128c3p1-128c3p1+1x8-m2-192c3p1-192c3p1+1x8-m2"),
    epochs=120,
    warm_up=5,
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
for _coding in ("", "-maps", "-bistable"):  # not tried for a hundred classes
    PRESETS[f"cifar100{_coding}"] = replace(PRESETS[f"cifar10{_coding}"], dataset="cifar100")
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
        member("Data set", start, DATASETS)
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
