"""Classes of one's own data: their names, and the class of each example."""

from pathlib import Path

import numpy as np

from sw import limits
from sw.cli import UserError, printable
from sw.container import quoted

__all__ = ["classes"]


def classes(
    path: Path, given: np.ndarray, known: tuple[str, ...] | None
) -> tuple[tuple[str, ...], np.ndarray]:
    """Names of the classes, and the class of each example int64 [N].

    Parameters
    ----------
    given : array of str or integers [N]
        Labels as the data have them.
    known : tuple of str, or None
        The classes of a network, which its data may not have all; None takes those that are there,
        integers in the order of their values, names in that of their characters.

    Raises
    ------
    UserError
        Labels are real numbers, of one class only, or of one that the network does not tell.
    """
    if given.dtype.kind not in "biuU":
        raise UserError(
            f"{path}: labels must be names or integers, not {given.dtype} such as {given[0]!s}; a "
            "network tells classes apart"
        )
    if given.dtype.kind == "U" and (real := _real_number(given)):
        raise UserError(
            f"{path}: labels must be names or integers, not {real}; a network tells classes apart"
        )
    found, index = np.unique(given, return_inverse=True)
    names = [str(each) for each in found]
    if known is not None:
        for each in names:
            if each not in known:
                raise UserError(
                    f"{path}: has the class {quoted(each)}, and the network tells "
                    f"{printable(', '.join(known), 120)}; name the data that it was trained on "
                    "with --dataset"
                )
        return known, np.array([known.index(each) for each in names])[index]
    if len(names) < 2:
        raise UserError(f"{path}: has one class only, {quoted(names[0])}; there must be two")
    for each in names:
        if not each or len(each) > limits.TEXT:
            raise UserError(
                f"{path}: the name of a class must have 1 … {limits.TEXT} characters, "
                f"not {quoted(each)}"
            )
        if not each.isascii() and any(0xD800 <= ord(char) < 0xE000 for char in each):
            raise UserError(
                f"{path}: the name of a class must be text in UTF-8, not {quoted(each)}; rename it"
            )
    order = list(range(len(names)))
    if all(map(_is_integer, names)):
        order.sort(key=lambda place: int(names[place]))
    return tuple(names[place] for place in order), np.argsort(order)[index]


def _real_number(given: np.ndarray) -> str:
    """The first label that is no integer, if all are numbers; as a message has it."""
    try:
        given.astype(np.float64)
    except ValueError:
        return ""
    return next((quoted(str(each)) for each in given if not _is_integer(str(each))), "")


def _is_integer(text: str) -> bool:
    return text.removeprefix("-").isdecimal()
