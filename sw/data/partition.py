"""How one's own examples are split into a part to learn from and a part for testing, and the former
for validation: by class, or by groups. The same data give the same split.
"""

from pathlib import Path

import numpy as np

from sw.cli import UserError
from sw.container import quoted
from sw.data.dataset import split
from sw.data.raw import Raw
from sw.selection import TEST_FRACTION, Selection

__all__ = ["by_class", "by_group", "hold_out", "test_part"]

_TRIES = 200


def test_part(
    path: Path, raw: Raw, labels: tuple[str, ...], truth: np.ndarray, selection: Selection
) -> np.ndarray:
    """The examples for testing, bool [N]: those that the data say, else whole groups if there are
    some, else a share of each class; or as ``--split`` says.

    Parameters
    ----------
    labels : tuple of str
        Names of the classes.
    truth : int64 [N]
        Class of each example.

    Raises
    ------
    UserError
        No such split leaves each tested class examples to learn from.
    """
    if selection.test_fraction == 1:
        return np.ones(len(raw), bool)
    fraction = TEST_FRACTION if selection.test_fraction is None else selection.test_fraction
    how = selection.split
    if raw.test is not None and how in (None, "given"):
        test = raw.test
    elif how == "given":
        raise UserError(f"{path}: does not say what is for testing; leave out --split given")
    elif raw.groups is not None and how in (None, "groups"):
        test = _whole_groups(path, raw.groups, truth, fraction)
    elif how == "groups":
        raise UserError(f"{path}: has no groups; name them with --group-column, or in the data")
    else:
        test = _shares(path, labels, truth, fraction)
    for part, what in ((~test, "to learn from"), (test, "for testing")):
        if not part.any():
            raise UserError(f"{path}: has no examples {what}; add some")
    unseen = np.setdiff1d(truth[test], truth[~test])
    if len(unseen):
        raise UserError(
            f"{path}: class {quoted(labels[unseen[0]])} is in the test part only, and nothing can "
            "learn it; split the data in another way"
        )
    return test


def _shares(path: Path, labels: tuple[str, ...], truth: np.ndarray, fraction: float) -> np.ndarray:
    counts = np.bincount(truth, minlength=len(labels))
    if (counts == 1).any():
        single = labels[int((counts == 1).argmax())]
        raise UserError(
            f"{path}: class {quoted(single)} has one example, which cannot be both learnt and "
            "tested; add some, or leave it out"
        )
    return by_class(truth, fraction)


def _whole_groups(path: Path, groups: np.ndarray, truth: np.ndarray, fraction: float) -> np.ndarray:
    found, index = np.unique(groups, return_inverse=True)
    if len(found) < 2:
        raise UserError(f"{path}: has one group only, {quoted(str(found[0]))}; there must be two")
    test = by_group(truth, index, fraction)
    if test is None:
        raise UserError(
            f"{path}: no split by groups leaves each class a group to learn from; leave out "
            "classes of one group, or take --split classes"
        )
    return test


def by_class(labels: np.ndarray, fraction: float) -> np.ndarray:
    """The examples for testing, bool [N]: ``fraction`` (above 0, below 1) of each class, but at
    least one on either side.

    Parameters
    ----------
    labels : int [N]
        Each at least twice.
    """
    test = np.ones(len(labels), bool)
    learn, _ = split(labels, fraction)
    test[learn] = False
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        for value in (True, False):
            if not (test[members] == value).any():
                test[members[0]] = value
    return test


def by_group(labels: np.ndarray, groups: np.ndarray, fraction: float) -> np.ndarray | None:
    """The examples for testing, bool [N]: whole groups, about ``fraction`` of each class; None if
    no choice leaves each class in the part to learn from.

    Of 200 random choices it is the one whose shares of the classes are closest to ``fraction``.

    Parameters
    ----------
    labels : int [N]
    groups : int [N]
        0 … G − 1, each at least once.
    """
    if not groups.any():
        return None  # there is one only
    table = np.zeros((groups.max() + 1, labels.max() + 1), np.int64)
    np.add.at(table, (groups, labels), 1)
    total = np.maximum(table.sum(axis=0), 1)
    generator = np.random.default_rng(0)
    best, least = None, np.inf
    for _ in range(_TRIES):
        order = generator.permutation(len(table))
        reached = table[order].sum(axis=1).cumsum()
        count = 1 + int(np.abs(reached[:-1] - fraction * len(labels)).argmin())
        chosen = order[:count]
        share = table[chosen].sum(axis=0) / total
        distance = np.abs(share - fraction).sum()
        if share.max() < 1 and distance < least:
            best, least = chosen, distance
    return None if best is None else np.isin(groups, best)


def hold_out(
    labels: np.ndarray, groups: np.ndarray | None, fraction: float
) -> tuple[np.ndarray, np.ndarray]:
    """Splits a training set into a part to learn from and one held out for validation: ``fraction``
    (0 … below 1) of each class, or whole groups. Where no choice of groups leaves each class to
    learn from, nothing is held out.

    Returns
    -------
    (int64 [N − V], int64 [V])
        Indices of the two parts, ascending.

    Raises
    ------
    UserError
        Nothing is left to learn from.
    """
    held_out = by_group(labels, groups, fraction) if groups is not None and fraction else None
    if held_out is not None:
        return np.flatnonzero(~held_out), np.flatnonzero(held_out)
    learnt, apart = split(labels, 0 if groups is not None else fraction)
    if not len(learnt):
        raise UserError(f"Validation {fraction:g}: leaves nothing to learn from; hold out less")
    return learnt, apart
