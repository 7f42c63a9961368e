"""Settings as data: those of every rule and augmentation, and what is refused."""

import json
import math

import pytest

from sw.cli import UserError
from sw.learn.batches import Augmentation, EventAugmentation
from sw.rules import RULES
from sw.rules.settings import Range, check, listing, settings_of


class Base:
    """Something.

    Parameters
    ----------
    size : int
    share : float, 0 … below 1
        A share
        of all.
    wide, deep : float, pixels, above 0
        Edges.
    """

    def __init__(
        self, size: int, *, share: float = 0.5, wide: float = math.inf, deep: float = 2.0
    ) -> None: ...


class Derived(Base):
    """More.

    Parameters
    ----------
    count : int, at least 1
        How many.
    loud : bool
        Heard.

    Raises
    ------
    deep : float
    """

    def __init__(
        self, size: int, *, count: int = 3, loud: bool = False, deep: float = 4.0, **settings: float
    ) -> None: ...


@pytest.mark.smoke
def test_read_off_signatures_and_docstrings():
    settings = settings_of(Derived)
    assert [str(setting) for setting in settings.values()] == [
        "count=3 (an integer at least 1): How many.",
        "loud=false (true or false): Heard.",
        "deep=4.0 (a number above 0, pixels): Edges.",
        "share=0.5 (a number in 0 … below 1): A share of all.",
        "wide=Infinity (a number above 0 or Infinity, pixels): Edges.",
    ]


@pytest.mark.parametrize(
    ("name", "taken", "refused"),
    [
        ("count", ["1", "7"], ["0", "-1", "1.0", "true", "null", '"3"', "1e999"]),
        ("loud", ["true", "false", "0", "1"], ["2", "1.0", "null", '"true"']),
        ("share", ["0", "0.0", "0.999"], ["1", "-0.1", "NaN", "true", "[]", "{}", '"x"', "null"]),
        ("deep", ["1e-9", "1e9", "3"], ["0", "-1", "Infinity", "-Infinity", "1" + "0" * 400]),
        ("wide", ["1.5", "Infinity"], ["-Infinity", "NaN", "0"]),
    ],
)
def test_takes(name, taken, refused):
    setting = settings_of(Derived)[name]
    assert all(setting.takes(json.loads(value)) for value in taken)
    assert not any(setting.takes(json.loads(value)) for value in refused)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"foo": 1}, "X: there is no 'foo'; its settings are count, loud, deep, share, wide"),
        ({"share": []}, r"X: share must be a number in 0 … below 1, not \[\]"),
        ({"share": 2}, "X: share must be a number in 0 … below 1, not 2"),
        ({"loud": 2}, "X: loud must be true or false, not 2"),
        ({"count": "y" * 9999}, "X: count must be an integer at least 1, not 'y{9,12}\\.\\.\\.y*'"),
    ],
)
def test_refusals_name_what_is_wanted(given, message):
    with pytest.raises(UserError, match=f"^{message}$"):
        check("X", settings_of(Derived), given)


def test_listing_has_what_is_shared_once():
    a, b = settings_of(Base), settings_of(Derived)
    assert listing({"base": a, "derived": b}).splitlines() == [
        "base:",
        "  deep=2.0 (a number above 0, pixels): Edges.",
        "base, derived:",
        "  share=0.5 (a number in 0 … below 1): A share of all.",
        "  wide=Infinity (a number above 0 or Infinity, pixels): Edges.",
        "derived:",
        "  count=3 (an integer at least 1): How many.",
        "  loud=false (true or false): Heard.",
        "  deep=4.0 (a number above 0, pixels): Edges.",
    ]


@pytest.mark.parametrize("text", ["0 … 1", "0 … below 1", "above 0", "at least 0.5", "-3 … 180"])
def test_ranges_read_as_they_are_written(text):
    assert str(Range.parse(text)) == text


@pytest.mark.parametrize("kind", [*RULES.values(), Augmentation, EventAugmentation])
def test_every_setting_is_documented_and_takes_its_default(kind):
    settings = settings_of(kind)
    assert settings
    for setting in settings.values():
        assert setting.kind in (bool, int, float)
        assert setting.meaning.endswith("."), setting
        assert setting.takes(setting.default), setting
        assert not Range.parse(setting.unit), setting


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.name)
def test_the_ends_of_every_range_can_be_built(rule):
    """What is taken makes a rule, whatever the value; a shape that is too small is not refused."""
    for setting in rule.settings().values():
        for value in (setting.range.low, setting.range.high):
            if setting.takes(setting.kind(value) if math.isfinite(value) else value):
                rule((3, 2), 4, **{setting.name: setting.kind(value)})


def test_a_rule_passes_on_what_its_parents_take():
    assert {"gap", "patience", "lobe"} <= set(RULES["sstdp"].settings())
    factor = RULES["stdg"].settings()["threshold_factor"]
    assert (factor.default, factor.meaning[:13]) == (10, "Learning rate")


@pytest.mark.parametrize(
    ("kind", "given", "message"),
    [
        (Augmentation, {"degrees": -5}, "degrees must be a number in 0 … 180, not -5"),
        (Augmentation, {"degrees": "x"}, "degrees must be a number in 0 … 180, not 'x'"),
        (Augmentation, {"flip": "yes"}, "flip must be true or false, not 'yes'"),
        (EventAugmentation, {"stretch": 1.0}, "stretch must be a number in 0 … below 1, not 1.0"),
        (EventAugmentation, {"drop": None}, "drop must be a number in 0 … 1, not None"),
    ],
)
def test_augmentations_are_checked_when_made(kind, given, message):
    with pytest.raises(UserError, match=f"^Augmentation: {message}$"):
        kind(**given)
