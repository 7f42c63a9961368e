"""What is held out for validation: whole groups where there are some."""

import numpy as np
import pytest

from sw.cli import UserError
from sw.data.partition import hold_out

LABELS = np.arange(60) % 3


def test_by_class_without_groups():
    learn, held_out = hold_out(LABELS, None, 0.2)
    assert np.bincount(LABELS[held_out]).tolist() == [4, 4, 4]
    assert sorted([*learn, *held_out]) == list(range(60))


def test_a_group_is_on_one_side():
    groups = np.arange(60) // 6  # ten people, each with all classes
    learn, held_out = hold_out(LABELS, groups, 0.2)
    assert not set(groups[learn]) & set(groups[held_out])
    assert len(set(groups[held_out])) == 2
    assert sorted([*learn, *held_out]) == list(range(60))
    assert np.array_equal(held_out, hold_out(LABELS, groups, 0.2)[1])


@pytest.mark.parametrize(
    "groups",
    [np.zeros(60, int), LABELS],
    ids=["one group", "each class in one group"],
)
def test_nothing_is_held_out_where_a_class_would_not_be_learnt(groups):
    learn, held_out = hold_out(LABELS, groups, 0.2)
    assert len(learn) == 60
    assert not len(held_out)


def test_nothing_is_held_out_where_nothing_is_asked_for():
    assert not len(hold_out(LABELS, np.arange(60) // 6, 0.0)[1])


def test_something_is_left_to_learn_from():
    with pytest.raises(UserError, match=r"Validation 0\.9: leaves nothing to learn from"):
        hold_out(np.arange(3), None, 0.9)
    with pytest.raises(UserError, match=r"Validation 0: leaves nothing to learn from"):
        hold_out(np.zeros(0, int), None, 0.0)
