"""Recipes for data of one's own: they follow from kind and size, and a trainer takes them."""

from dataclasses import replace

import numpy as np
import pytest
from networks import data_of

from sw.data.events import Events
from sw.data.partition import hold_out
from sw.data.raw import Kind
from sw.learn import own_recipes
from sw.learn.own_recipes import recipe_for
from sw.learn.presets import PRESETS, preset
from sw.learn.trainer import Trainer


def images(count, shape=(2, 8), kind="table", classes=2):
    pixels, truth = np.broadcast_to(np.uint8(100), (count, *shape)), np.arange(count) % classes
    labels = tuple(map(str, range(classes)))
    return data_of(pixels, truth, labels, "my file.csv", reading={"kind": kind})


@pytest.mark.parametrize(
    ("count", "batch", "epochs", "validation"),
    [
        (4, 4, 300, 0.0),  # too few of a class to hold one out
        (150, 16, 238, 0.1),
        (10_000, 256, 56, 0.1),
        (1_000_000, 256, 20, 0.1),
    ],
)
def test_size(count, batch, epochs, validation):
    recipe = recipe_for(images(count))
    assert (recipe.batch, recipe.epochs, recipe.validation) == (batch, epochs, validation)
    assert recipe.dataset == "my file.csv"


def test_as_many_passes_as_whole_groups_leave():
    """Four of twenty people have half of the rows: what is held out is not just a tenth."""
    groups = np.repeat(np.arange(20), [25] * 4 + [6, 7] * 8)
    data = replace(images(204), train_groups=groups)
    learnt = len(hold_out(data.train_labels, groups, 0.1)[0])
    recipe = recipe_for(data)
    assert recipe.epochs == 2000 * 16 // learnt
    assert Trainer(recipe, data).batches == learnt // 16


@pytest.mark.parametrize(
    ("count", "pixels", "hidden"),
    [
        (40, 16, 64),
        (150, 16, 128),
        (1200, 64, 512),
        (10_000, 64, 512),
        (10_000, 16, 128),  # no more than eight per input
        (1200, 30_000, 128),  # no more than 4 Mi weights
        (1200, 60_000, 64),
    ],
)
def test_units_by_examples_and_inputs(count, pixels, hidden):
    assert recipe_for(images(count, (1, pixels))).hidden == (hidden,)


def test_every_kind_has_one():
    assert set(own_recipes._BASES) == set(Kind)


@pytest.mark.parametrize(
    ("kind", "silent_below", "augmentation"),
    [
        ("table", 0, None),
        ("series", 0, None),
        ("images", 16, None),
        ("events", 16, None),
        ("sound", 16, PRESETS["fsdd"].augmentation),  # units are in the order of their pitch
    ],
)
def test_kinds(kind, silent_below, augmentation):
    """Of events whose units may have no order none is moved, and a trainer takes the recipe."""
    data = images(40, kind=kind)
    if kind in ("events", "sound"):
        events = Events(
            channels=3,
            window=1.0,
            time=np.zeros(40, np.float32),
            unit=np.zeros(40, np.int16),
            start=np.arange(41),
        )
        data = data_of(events, data.train_labels, data.labels, reading={"kind": kind})
    recipe = recipe_for(data)
    assert (recipe.silent_below, recipe.augmentation) == (silent_below, augmentation)
    assert recipe.events is (kind in ("events", "sound"))
    assert Trainer(recipe, data).batches == 2
    assert preset(recipe, epochs=3, hidden=(7,)).hidden == (7,)
