"""Recipes and their presets."""

import json
from dataclasses import replace

import pytest

from sw.cli import UserError
from sw.data.registry import DATASETS, EVENT_DATASETS
from sw.learn.batches import Augmentation, EventAugmentation
from sw.learn.presets import PRESETS, preset
from sw.learn.recipes import hidden_layers
from sw.rules import RULES
from sw.structure import Conv, Dense, First, Max, Shortcut


@pytest.mark.parametrize("name", PRESETS)
def test_presets_can_be_built(name):
    recipe = PRESETS[name]
    rule = RULES[recipe.rule]((4, 2), recipe.steps, **recipe.settings)
    assert rule.steps == recipe.steps
    json.dumps(recipe.to_dict())


@pytest.mark.smoke
@pytest.mark.parametrize("dataset", DATASETS)
def test_every_data_set_has_one(dataset):
    assert preset(dataset).dataset == dataset


@pytest.mark.parametrize("given", [{}, {"rule": "bistable"}, {"hidden": hidden_layers("8c3-f2")}])
def test_both_sets_of_photographs_start_alike(given):
    ten, hundred = preset("cifar10", **given), preset("cifar100", **given)
    assert hundred == replace(ten, dataset="cifar100")


def test_augment():
    assert preset("mnist").augmentation is None
    assert preset("mnist", augment=True) == PRESETS["mnist-augmented"]
    assert preset("digits", augment=True) == PRESETS["digits"]
    # a data set without a preset for it takes its plain one
    plain = PRESETS["fashion_mnist"]
    assert preset("fashion_mnist", augment=True) == replace(plain, augmentation=Augmentation())


def test_augment_by_name():
    recipe = preset("mnist", augment={"elastic": 0.5})
    augmentation = replace(PRESETS["mnist-augmented"].augmentation, elastic=0.5)
    assert recipe == replace(PRESETS["mnist-augmented"], augmentation=augmentation)
    with pytest.raises(UserError, match="Augmentation: there is no 'blur'; its settings are degr"):
        preset("mnist", augment={"blur": 1})


@pytest.mark.parametrize("dataset", EVENT_DATASETS)
def test_events_are_augmented_in_their_own_way(dataset):
    recipe = preset(dataset, augment={"stretch": 0.3})
    assert isinstance(recipe.augmentation, EventAugmentation)
    assert recipe.augmentation.stretch == 0.3
    with pytest.raises(UserError, match=r"Augmentation: there is no 'elastic'; its .* are stretch"):
        preset(dataset, augment={"elastic": 1})


@pytest.mark.parametrize("dataset", EVENT_DATASETS)
def test_events_take_any_number_of_steps(dataset):
    assert [preset(dataset, steps=steps).steps for steps in (1, 12, 255, 256)] == [1, 12, 255, 256]
    for steps in (0, 257):
        with pytest.raises(UserError, match=f"Steps must be in 1 … 256, not {steps}"):
            preset(dataset, steps=steps)


@pytest.mark.parametrize("name", ["pool", "inputs", "silent_below"])
def test_events_refuse_what_is_for_images(name):
    flag = name.replace("_", "-")
    with pytest.raises(UserError, match=f"shd: holds events, not images; leave out --{flag}"):
        preset("shd", **{name: 1})


def test_changes():
    recipe = preset("fashion_mnist", hidden=(5, 4), steps=None, settings={"smoothing": 0.1})
    assert (recipe.hidden, recipe.steps) == ((5, 4), PRESETS["fashion_mnist"].steps)
    assert recipe.settings == {**PRESETS["fashion_mnist"].settings, "smoothing": 0.1}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rule": "hebb"}, r"Rule must be one of bstdg, .*, not 'hebb'"),
        (
            {"hidden": hidden_layers("4c3-5"), "rule": "s4nn"},
            r"^Rule 's4nn' learns dense layers only, not 4c3; take --rule .*surrogate",
        ),
        (
            {"hidden": hidden_layers("f2-5"), "inputs": 9},
            "^--inputs: layers on maps, such as f2, take the whole image$",
        ),
        ({"hidden": (5, 0)}, "Hidden must be at least 1, not 0"),
        ({"steps": 12}, "Steps must be a power of two where pixels are encoded, not 12"),
        ({"steps": 512}, "Steps must be in 1 … 256, not 512"),
        (
            {"growth": (2,), "rule": "s4nn"},
            "^Rule 's4nn' learns one window only; take --rule bstdg",
        ),
        ({"growth": (2, 3), "rule": "surrogate"}, "Steps must be a power of two .*, not 3"),
        ({"warm_up": -1}, "Warm-up must be at least 0, not -1"),
        ({"epochs": 0}, "Epochs must be at least 1, not 0"),
        ({"batch": 0}, "Batch must be at least 1, not 0"),
        ({"rule": "bistable", "steps": 3, "batch": 1}, "Batch must be at least 2, not 1"),
        ({"seed": -1}, "Seed must be at least 0, not -1"),
        ({"rate": 0.0}, "Rate must be above 0, at most 1000, not 0.0"),
        ({"rate": float("nan")}, "Rate must be above 0, at most 1000, not nan"),
        ({"rate": float("inf")}, "Rate must be above 0, at most 1000, not inf"),
        ({"rate": 1e300}, r"Rate must be above 0, at most 1000, not 1e\+300"),
        ({"settings": {"threshold_factor": 1e300}}, "threshold_factor must be .* 0 … 10000, not"),
        ({"validation": 1.0}, "Validation must be in 0 … below 1, not 1.0"),
        ({"settings": {"magic": 1}}, "Rule 'bstdg': there is no 'magic'; its settings are lead, "),
        ({"settings": {"smoothing": []}}, r"Rule 'bstdg': smoothing must be a .* 0 … 1, not \[\]"),
    ],
)
def test_refusals(changes, message):
    with pytest.raises(UserError, match=message):
        preset("digits", **changes)


def test_layers_on_maps_have_a_recipe_of_their_own():
    hidden = hidden_layers("4c3p1-f2-20")
    conv = Conv(channels=4, kernel=(3, 3), padding=(1, 1, 1, 1))
    assert hidden == (conv, First(kernel=(2, 2)), 20)
    for dataset in ("mnist", "caltech"):
        recipe = preset(dataset, hidden=hidden)
        assert (recipe.dataset, recipe.rule) == (dataset, "surrogate")
        assert recipe.settings["shared_deviation"]
        assert recipe.to_dict()["hidden"] == ("4c3p1", "f2", 20)
    assert preset("mnist", hidden=hidden).steps == PRESETS["mnist-maps"].steps
    changed = preset("mnist", hidden=hidden, settings={"gain": 3.0}).settings
    assert changed == {**PRESETS["mnist-maps"].settings, "gain": 3.0}
    timing = preset("mnist", hidden=hidden, rule="bstdg", settings={"lead": 2.0})
    assert timing.rate == 0.015
    assert timing.settings["threshold_factor"] == 5  # of spreads, not of potentials
    assert timing.settings["lead"] == 2
    assert "shared_deviation" not in timing.settings


def test_bistable_networks_have_recipes_of_their_own():
    hidden = hidden_layers("4c3p1-m2-20+1x2-7")
    assert hidden[1:] == (Max(kernel=(2, 2)), Dense(units=20, shortcut=Shortcut(back=1, gain=2)), 7)
    for dataset in ("mnist", "caltech"):
        recipe = preset(dataset, rule="bistable", hidden=hidden)
        assert (recipe.rate, recipe.settings) == (0.015, {})
        assert (recipe.steps, recipe.silent_below, recipe.coding) == (3, 0, "bistable")
        assert recipe.to_dict()["hidden"] == ("4c3p1", "m2", "20+1x2", 7)
    assert preset("mnist", rule="bistable") == PRESETS["mnist-bistable"]
    assert preset("mnist", rule="bistable", augment=True).augmentation == Augmentation()
    plain = preset("digits", rule="bistable", augment={"degrees": 1.0})
    assert plain.augmentation == replace(PRESETS["digits"].augmentation, degrees=1.0)
    assert preset("caltech", rule="bistable").hidden == PRESETS["caltech"].hidden


@pytest.mark.parametrize(
    ("dataset", "changes", "message"),
    [
        ("digits", {"hidden": hidden_layers("4c3-m2")}, "^Layer 1, m2, is of bistable networks"),
        ("digits", {"hidden": hidden_layers("9-9+1")}, "only bistable networks have shortcuts"),
        (
            "digits",
            {"rule": "bistable", "hidden": hidden_layers("4c3-f2")},
            "^Layer 1, f2, is of first-spike networks; a bistable one has m or a$",
        ),
        ("digits", {"rule": "bistable", "steps": 9}, "^Steps of a bistable network must be in 1 …"),
        (
            "digits",
            {"rule": "bistable", "silent_below": 3},
            "^--silent-below: bistable networks have no silent pixels; leave it out$",
        ),
        (
            "fsdd",
            {"rule": "bistable"},
            "^Rule 'bistable' learns from images, not from events such as those of fsdd",
        ),
        ("digits", {"rule": "bistable", "growth": (2,)}, "^Rule 'bistable' learns one window only"),
    ],
)
def test_refusals_of_codings(dataset, changes, message):
    with pytest.raises(UserError, match=message):
        preset(dataset, **changes)


def test_another_rule_starts_from_its_own_rate_and_settings():
    assert PRESETS["digits"].settings
    recipe = preset("digits", rule="surrogate")
    assert (recipe.rate, recipe.settings) == (RULES["surrogate"].rate, {})
    recipe = preset("digits", rule="surrogate", rate=0.5, settings={"gain": 3.0})
    assert (recipe.rate, recipe.settings) == (0.5, {"gain": 3.0})


def test_unknown_data_set():
    with pytest.raises(UserError, match=r"Data set must be one of .*, not 'cifar'"):
        preset("cifar")
