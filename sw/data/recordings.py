"""One's own recordings of events: in an ``.npz``, or in an HDF5 file as the Spiking Heidelberg
Digits have it.

An ``.npz`` has ``times`` [E] in seconds and ``units`` [E], of all recordings one after the other,
``offsets`` [R + 1], where each begins and the last one ends, and ``labels`` [R]. ``groups`` and
``test`` may be there, as for arrays; ``channels`` (how many units there are) and ``window`` (s, how
long the part is that counts), too, as single numbers.

Units of a camera lie on a map. In place of ``units`` there may be ``x`` and ``y`` [E], and ``p``
[E], the polarity; and ``shape`` [3], polarities, height and width, which are those of the greatest
values where the file does not say it. Unit (p, y, x) is p · height · width + y · width + x.
With ``units``, ``shape`` says which map they are.

An HDF5 file has ``spikes/times`` and ``spikes/units``, one array per recording, and ``labels``;
``extra/speaker`` may be there and says groups. Labels that are indices are so named.

There are as many units as the highest one says, and the window ends when 99 % of all events have
come, where the file does not say it.
"""

import math
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sw.cli import UserError
from sw.data import npz
from sw.data.events import Events
from sw.data.raw import Kind, Raw, usual_window
from sw.selection import Selection
from sw.structure import Map

if TYPE_CHECKING:
    import h5py

__all__ = ["HDF5", "NPZ", "is_events", "read_hdf5", "read_npz"]

NPZ = (".npz",)
HDF5 = (".h5", ".hdf5")
_ARRAYS = ("times", "offsets", "labels")
_PLACES = ("p", "y", "x")
_NUMBERS = ("channels", "window")
_UNITS = 1 << 15  # of the type that holds a unit
_SHORTEST, _LONGEST = 1e-9, 1e9  # s
_CHUNK = 256  # recordings of an HDF5 file that are read at a time


def is_events(path: Path) -> bool:
    """Whether an ``.npz`` has the arrays of recordings."""
    names = set(npz.names(path))
    return set(_ARRAYS) <= names and ("units" in names or {"x", "y"} <= names)


def read_npz(path: Path, selection: Selection) -> Raw:
    """The recordings. Raises UserError for arrays that are damaged or contradict one another."""
    arrays = npz.read(path, (*_ARRAYS, "units", *_PLACES, "shape", *npz.BESIDE, *_NUMBERS))
    times, offsets = arrays["times"], arrays["offsets"]
    shape = _shape(path, arrays)
    if "units" in arrays:
        units = arrays["units"]
        if both := {"x", "y"} & set(arrays):
            raise UserError(f"{path}: has units and also {min(both)!r}; keep one or the other")
    else:
        units, shape = _placed(path, arrays, times.size, shape)
    channels = _number(path, arrays, "channels")
    if shape is not None:
        if channels not in (None, math.prod(shape)):
            raise UserError(
                f"{path}: channels must be {math.prod(shape):,}, as shape says, not {channels:g}"
            )
        channels = math.prod(shape)
    if offsets.ndim != 1 or offsets.dtype.kind not in "iu" or not _bounds(offsets, times.size):
        raise UserError(
            f"{path}: offsets must be integers that ascend from 0 to the number of times, "
            f"{times.size}"
        )
    recordings = len(offsets) - 1
    return Raw(
        kind=Kind.EVENTS,
        inputs=_events(
            path,
            times,
            units,
            offsets.astype(np.int64),
            channels=channels,
            window=_number(path, arrays, "window"),
            shape=shape,
        ),
        labels=npz.vector(path, arrays, "labels", recordings),
        **npz.beside(path, arrays, recordings),
    )


def read_hdf5(path: Path, selection: Selection) -> Raw:
    """The recordings. Raises UserError as :func:`read_npz` does."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            times, units = (_runs(path, file, f"spikes/{name}") for name in ("times", "units"))
            if len(times) != len(units):
                raise UserError(
                    f"{path}: has {len(units)} recordings of units and {len(times)} of times"
                )
            labels = _vector(path, file, "labels", len(times))
            speaker = "extra/speaker"
            groups = _vector(path, file, speaker, len(times)) if speaker in file else None
    except (OSError, RuntimeError, TypeError, ValueError) as error:  # h5py's, of damaged files
        reason = str(error).partition("\n")[0]
        raise UserError(f"{path}: cannot be read as HDF5 ({reason}); name another file") from None
    for index, (one, other) in enumerate(zip(times, units, strict=True)):
        if len(one) != len(other):
            raise UserError(
                f"{path}: recording {index} has {len(one)} times and {len(other)} units; mend it"
            )
    offsets = np.cumsum([0, *map(len, times)])
    none = np.zeros(0)
    events = _events(
        path, np.concatenate(times or [none]), np.concatenate(units or [none]), offsets
    )
    return Raw(kind=Kind.EVENTS, inputs=events, labels=labels, groups=groups)


def _events(
    path: Path,
    times: np.ndarray,
    units: np.ndarray,
    offsets: np.ndarray,
    *,
    channels: float | None = None,
    window: float | None = None,
    shape: Map | None = None,
) -> Events:
    """The events, checked; ``offsets`` int64 [R + 1] are right already."""
    if units.shape != times.shape or units.dtype.kind not in "iu":
        raise UserError(
            f"{path}: units must be integers [{times.size}], one per time, not {units.dtype} "
            f"{list(units.shape)}"
        )
    if times.ndim != 1 or times.dtype.kind not in "iuf" or len(times) == 0:
        raise UserError(f"{path}: times must be numbers [E], at least one, in seconds")
    valid = (times >= 0) & (times.astype(np.float64) <= _LONGEST)
    if not valid.all():
        raise UserError(
            f"{path}: times must be finite and in 0 … {_LONGEST:g} s, not {times[~valid][0]}"
        )
    seconds = times.astype(np.float32)
    channels = int(units.max()) + 1 if channels is None else channels
    if units.min() < 0 or not units.max() < channels <= _UNITS or channels % 1:
        raise UserError(
            f"{path}: units must be in 0 … below the number of channels, at most {_UNITS:,}, "
            f"not {units.min()} … {units.max()} of {channels:g}"
        )
    window = usual_window(seconds) if window is None else window
    if not _SHORTEST <= window < np.inf:
        raise UserError(
            f"{path}: window must be {_SHORTEST:g} s at least and finite, not {window:g}"
        )
    return Events(
        channels=int(channels),
        window=window,
        time=seconds,
        unit=units.astype(np.int16),
        start=offsets,
        shape=shape,
    )


def _shape(path: Path, arrays: dict[str, np.ndarray]) -> Map | None:
    """Polarities, height and width, None if the file does not say it."""
    value = arrays.get("shape")
    if value is None:
        return None
    if value.shape != (3,) or value.dtype.kind not in "iu" or not (value >= 1).all():
        raise UserError(
            f"{path}: shape must be three integers of 1 at least: polarities, height and width"
        )
    return tuple(map(int, value))  # type: ignore[return-value]  # three


def _placed(
    path: Path, arrays: dict[str, np.ndarray], count: int, shape: Map | None
) -> tuple[np.ndarray, Map]:
    """Units int64 [E] of events that have places, and the map that they are on."""
    places = [arrays.get(name, np.zeros(count, np.uint8)) for name in _PLACES]
    for name, each in zip(_PLACES, places, strict=True):
        if each.shape != (count,) or each.dtype.kind not in "biu":
            raise UserError(
                f"{path}: {name} must be integers [{count}], one per time, not {each.dtype} "
                f"{list(each.shape)}"
            )
    polarities, height, width = shape or (int(each.max(initial=0)) + 1 for each in places)
    for name, each, size in zip(_PLACES, places, (polarities, height, width), strict=True):
        if count and not 0 <= each.min() <= each.max() < size:
            raise UserError(
                f"{path}: {name} must be in 0 … {size - 1}, not {each.min()} … {each.max()}"
            )
    polarity, down, across = (each.astype(np.int64) for each in places)
    return (polarity * height + down) * width + across, (polarities, height, width)


def _bounds(offsets: np.ndarray, count: int) -> bool:
    """Whether they are where runs of ``count`` events begin, and the last one ends."""
    signed = offsets.astype(np.int64)
    ends = len(signed) > 1 and signed[0] == 0 and signed[-1] == count
    return bool(ends and (np.diff(signed) >= 0).all())


def _number(path: Path, arrays: dict[str, np.ndarray], name: str) -> float | None:
    """A single number, None if the file does not have it."""
    value = arrays.get(name)
    if value is None:
        return None
    if value.size != 1 or value.dtype.kind not in "iuf":
        raise UserError(
            f"{path}: {name} must be a single number, not {value.dtype} {list(value.shape)}"
        )
    return float(value.item())


def _dataset(path: Path, file: "h5py.File", name: str) -> "h5py.Dataset":
    import h5py

    if not isinstance(found := file.get(name), h5py.Dataset) or found.ndim != 1:
        raise UserError(
            f"{path}: must have spikes/times, spikes/units and labels, one per recording, as the "
            f"Spiking Heidelberg Digits have it; {name} is not there or of another shape"
        )
    if found.size * found.dtype.itemsize > npz.LARGEST:
        raise UserError(f"{path}: {name} declares {len(found):,} recordings; keep fewer")
    return found


def _runs(path: Path, file: "h5py.File", name: str) -> list[np.ndarray]:
    """An array per recording. It is read in parts, since nothing says before how much it is."""
    dataset = _dataset(path, file, name)
    runs: list[np.ndarray] = []
    size = 0
    for begin, end in pairwise([*range(0, len(dataset), _CHUNK), len(dataset)]):
        runs += (np.asarray(run) for run in dataset[begin:end])
        size += sum(run.nbytes for run in runs[begin:])
        if size > npz.LARGEST:
            raise UserError(
                f"{path}: {name} has more than {npz.LARGEST:,} bytes, which is as much as is read; "
                "keep fewer recordings"
            )
    if any(run.ndim != 1 for run in runs):
        raise UserError(f"{path}: {name} must be one array per recording")
    return runs


def _vector(path: Path, file: "h5py.File", name: str, count: int) -> np.ndarray:
    """One value per recording; texts as they are."""
    dataset = _dataset(path, file, name)
    if len(dataset) != count:
        raise UserError(f"{path}: {name} must be one per recording, {count}, not {len(dataset)}")
    values = dataset[:]
    return values if values.dtype.kind in "biuf" else np.array(dataset.asstr()[:], str)
