"""How one's own examples are split into a part to learn from and a part for testing, where the
data do not say it, and the former for validation: by class, or by groups. The same data give the
same split.
"""

import numpy as np

from sw.data.dataset import split

__all__ = ["by_class", "by_group", "hold_out"]

_TRIES = 200


def by_class(labels: np.ndarray, fraction: float) -> np.ndarray:
    """The examples for testing, bool [N]: ``fraction`` (above 0, at most 1) of each class, but at
    least one on either side.

    Parameters
    ----------
    labels : int [N]
        Each at least twice.
    """
    test = np.ones(len(labels), bool)
    if fraction == 1:
        return test
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
    if fraction == 1:
        return np.ones(len(labels), bool)
    table = np.zeros((groups.max() + 1, labels.max() + 1), np.int64)
    np.add.at(table, (groups, labels), 1)
    total = table.sum(axis=0)
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
    """
    if groups is None or not fraction:
        return split(labels, fraction)
    held_out = by_group(labels, groups, fraction) if groups.any() else None
    if held_out is None:
        return split(labels, 0)
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)
