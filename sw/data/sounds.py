"""Sounds of one's own, in WAV files, as events of the cochlea (``sw.features.cochlea``): 700 units.

Whatever SciPy reads, of at least 8 kHz; the channels of a file are mixed. Loudness does not count.
"""

import struct
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sw.cli import UserError
from sw.data.events import Events
from sw.data.raw import usual_window, watched
from sw.features import cochlea

__all__ = ["is_sound", "read"]

_LONGEST = 60  # s: longer ones are not what a window of 256 steps can tell apart
_RATE = 8000  # Hz, at least
_DAMAGES = (OSError, ValueError, EOFError, ZeroDivisionError, UnboundLocalError, struct.error)


def is_sound(file: Path) -> bool:
    """Whether it is a WAV file, by its suffix."""
    return file.suffix.lower() in (".wav", ".wave")


def read(files: Sequence[Path]) -> Events:
    """A recording of each file; the window holds 99 % of all events.

    Raises
    ------
    UserError
        A file cannot be read, is too long or sampled too slowly; or all are silent.
    """
    recordings = [cochlea.encode(*_sound(file)) for file in watched(files)]
    times = np.concatenate([time for time, _ in recordings])
    if not len(times):
        raise UserError(f"{files[0].parent.parent}: all sounds are silent; record them again")
    return Events.collect(
        recordings, channels=cochlea.UNITS, window=usual_window(times), stride=cochlea.STRIDE
    )


def _sound(file: Path) -> tuple[np.ndarray, int]:
    """Samples float64 [samples] of the channels' mean, and their rate in Hz."""
    from scipy.io import wavfile

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", wavfile.WavFileWarning)  # chunks of other programs
            rate, samples = wavfile.read(file)
    except _DAMAGES as error:
        # SciPy forgets to check that the format and the data are there
        forgotten = isinstance(error, UnboundLocalError)
        reason = "a chunk is missing" if forgotten else str(error).partition("\n")[0]
        raise UserError(
            f"{file}: cannot be read as WAV ({reason}); correct it or move it away"
        ) from None
    if rate < _RATE:
        raise UserError(f"{file}: has {rate:,} samples per second, must be {_RATE:,} at least")
    if len(samples) > _LONGEST * rate:
        raise UserError(
            f"{file}: lasts {len(samples) / rate:.1f} s, at most {_LONGEST} s are read; cut it"
        )
    if not len(samples):
        raise UserError(f"{file}: has no samples; record it again, or move it away")
    with np.errstate(over="ignore"):
        mixed = samples.astype(np.float64).reshape(len(samples), -1).mean(axis=1)
    if not np.isfinite(mixed).all():
        raise UserError(f"{file}: has samples that are not finite; correct it or move it away")
    return mixed, rate
