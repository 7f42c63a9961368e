"""One's own data as arrays in an ``.npz``: ``inputs`` and ``labels``, one per example, which may
have ``groups`` (a person, a machine) or ``test`` (True for testing) beside them; or
``train_inputs``, ``train_labels``, ``test_inputs`` and ``test_labels``.

Inputs are uint8, taken as they are, or other numbers, which are quantised:

- [N, F]: features of no order; with ``--series`` a time series of F values;
- [N, H, W]: images; with ``--series`` a time series of W values in H channels;
- [N, 1, L]: a time series;
- [N, C, H, W]: images of C channels.
"""

from pathlib import Path

import numpy as np

from sw.cli import UserError
from sw.data import npz
from sw.data.raw import Kind, Raw
from sw.selection import Selection

__all__ = ["SUFFIXES", "read"]

SUFFIXES = (".npz",)
_WHOLE = ("inputs", "labels")
_PARTS = ("train_inputs", "train_labels", "test_inputs", "test_labels")


def read(path: Path, selection: Selection) -> Raw:
    """The examples. Raises UserError for arrays that are missing, damaged or of another shape."""
    arrays = npz.read(path, (*_WHOLE, *_PARTS, *npz.BESIDE))
    if set(_PARTS) <= set(arrays):
        if others := set(_WHOLE + npz.BESIDE) & set(arrays):
            raise UserError(
                f"{path}: has train and test arrays and also {min(others)!r}; keep one or the other"
            )
        return _joined(path, arrays, selection)
    if not set(_WHOLE) <= set(arrays):
        found = ", ".join(map(repr, npz.names(path)[:20])) or "none"
        raise UserError(
            f"{path}: must have the arrays {', '.join(_WHOLE)}; or {', '.join(_PARTS)}; or times, "
            f"units, offsets, labels; not {found}"
        )
    kind, inputs = _examples(path, "inputs", arrays["inputs"], selection)
    labels = npz.vector(path, arrays, "labels", len(inputs))
    return Raw(kind=kind, inputs=inputs, labels=labels, **npz.beside(path, arrays, len(inputs)))


def _joined(path: Path, arrays: dict[str, np.ndarray], selection: Selection) -> Raw:
    """The examples of both parts."""
    kinds, inputs = zip(
        *(
            _examples(path, name, arrays[name], selection)
            for name in ("train_inputs", "test_inputs")
        ),
        strict=True,
    )
    train, test = inputs
    if kinds[0] != kinds[1] or train.shape[1:] != test.shape[1:] or train.dtype != test.dtype:
        raise UserError(
            f"{path}: train_inputs and test_inputs must be alike, not {train.dtype} "
            f"{list(arrays['train_inputs'].shape)} and {test.dtype} "
            f"{list(arrays['test_inputs'].shape)}"
        )
    labels = [
        npz.vector(path, arrays, name, len(part))
        for name, part in (("train_labels", train), ("test_labels", test))
    ]
    return Raw(
        kind=kinds[0],
        inputs=np.concatenate(inputs),
        labels=_one_after_other(*labels),
        test=np.arange(len(train) + len(test)) >= len(train),
    )


def _one_after_other(train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Labels of both parts. Integers of two types stay integers, as their digits."""
    if train.dtype.kind in "iu" and test.dtype.kind in "iu":
        train, test = train.astype(str), test.astype(str)
    return np.concatenate([train, test])


def _examples(
    path: Path, name: str, array: np.ndarray, selection: Selection
) -> tuple[Kind, np.ndarray]:
    """What the inputs are, and they as [N, channels, height, width]."""
    if array.dtype.kind not in "biuf":
        raise UserError(f"{path}: array {name!r} must be numbers, not {array.dtype}")
    match array.shape:
        case (_, _) if not selection.series:
            return Kind.TABLE, array[:, None, None, :]
        case (_, _):
            return Kind.SERIES, array[:, None, None, :]
        case (_, channels, _) if selection.series or channels == 1:
            return Kind.SERIES, array[:, :, None, :]
        case (_, _, _):
            return Kind.IMAGES, array[:, None, :, :]
        case (_, _, _, _) if not selection.series:
            return Kind.IMAGES, array
    shapes = "[N, L] or [N, C, L]" if selection.series else "[N, F], [N, H, W] or [N, C, H, W]"
    raise UserError(f"{path}: array {name!r} must be {shapes}, not {list(array.shape)}")
