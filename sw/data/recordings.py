"""One's own recordings of events in an ``.npz``: ``times`` [E] in seconds and ``units`` [E], of all
recordings one after the other, ``offsets`` [R + 1], where each begins and the last one ends, and
``labels`` [R]. ``groups`` and ``test`` may be there, as for arrays.

``channels`` (how many units there are) and ``window`` (s, how long the part is that counts) may be
there as single numbers. Without them there are as many units as the highest one says, and the
window ends when 99 % of all events have come.
"""

from pathlib import Path

import numpy as np

from sw.cli import UserError
from sw.data import npz
from sw.data.events import Events
from sw.data.raw import Kind, Raw
from sw.selection import Selection

__all__ = ["ARRAYS", "SUFFIXES", "read"]

SUFFIXES = (".npz",)
ARRAYS = ("times", "units", "offsets", "labels")
_BESIDE = ("groups", "test")
_NUMBERS = ("channels", "window")
_UNITS = 1 << 15  # of the type that holds a unit
_SHARE = 0.99  # of the events that lie in the window


def read(path: Path, selection: Selection) -> Raw:
    """The recordings. Raises UserError for arrays that are damaged or contradict one another."""
    arrays = npz.read(path, (*ARRAYS, *_BESIDE, *_NUMBERS))
    times, units, offsets = (arrays[name] for name in ("times", "units", "offsets"))
    if times.ndim != 1 or times.dtype.kind not in "iuf" or not np.isfinite(times).all():
        raise UserError(f"{path}: times must be finite numbers [E], in seconds")
    if units.shape != times.shape or units.dtype.kind not in "iu":
        raise UserError(
            f"{path}: units must be integers [{len(times)}], one per time, not {units.dtype} "
            f"{list(units.shape)}"
        )
    if offsets.ndim != 1 or offsets.dtype.kind not in "iu" or not _bounds(offsets, len(times)):
        raise UserError(
            f"{path}: offsets must be integers that ascend from 0 to the number of times, "
            f"{len(times)}"
        )
    if len(times) == 0 or times.min() < 0 or units.min() < 0:
        raise UserError(f"{path}: times and units must be at least one and not below 0")
    channels = int(_number(path, arrays, "channels", units.max() + 1))
    if not units.max() < channels <= _UNITS:
        raise UserError(
            f"{path}: units must be below the number of channels and of {_UNITS:,}, "
            f"not {units.max()} of {channels}"
        )
    window = _number(path, arrays, "window", _usual_window(times))
    if not 0 < window < np.inf:
        raise UserError(f"{path}: window must be above 0 s, not {window:g}")
    recordings = len(offsets) - 1
    beside = npz.beside(path, arrays, recordings)
    events = Events(
        channels=channels,
        window=window,
        time=times.astype(np.float32),
        unit=units.astype(np.int16),
        start=offsets.astype(np.int64),
    )
    labels = npz.vector(path, arrays, "labels", recordings)
    return Raw(kind=Kind.EVENTS, inputs=events, labels=labels, **beside)


def _bounds(offsets: np.ndarray, count: int) -> bool:
    """Whether they are where runs of ``count`` events begin, and the last one ends."""
    signed = offsets.astype(np.int64)
    ends = len(signed) > 1 and signed[0] == 0 and signed[-1] == count
    return bool(ends and (np.diff(signed) >= 0).all())


def _number(path: Path, arrays: dict[str, np.ndarray], name: str, usual: float) -> float:
    """A single number, ``usual`` if the file does not have it."""
    value = arrays.get(name, np.array(usual))
    if value.size != 1 or value.dtype.kind not in "iuf":
        raise UserError(
            f"{path}: {name} must be a single number, not {value.dtype} {list(value.shape)}"
        )
    return float(value.item())


def _usual_window(times: np.ndarray) -> float:
    """Three significant digits, as they are kept in a file; not 0 where all events come at once."""
    return float(f"{np.quantile(times, _SHARE):.3g}") or 1.0
