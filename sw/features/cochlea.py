"""A cochlea-like encoder: how sound becomes events of 700 units, the form that ``sw.data.shd`` has.

It stands for the path from the inner ear to the first nucleus behind it, by envelopes and not by a
model of the membrane as Cramer et al. (IEEE TNNLS 2020) have it. In the order of the signal:

1. **Filter bank.** 350 channels, centres equally spaced on the scale of equivalent rectangular
   bandwidths (ERB; Glasberg and Moore, Hearing Research 1990). Each weighs the power spectrum of a
   window of 25 ms, taken every 4 ms, by a gammatone filter of order 4 around its centre f
   (Patterson et al. 1988): ``(1 + ((ν − f) / b)²)⁻⁴``, b = 1.019 ERB(f), normed to sum 1.
2. **Compression.** Level x in dB below the loudest window, from −50 dB to 0 dB as 0 … 1.
3. **Onset.** Time 0 is the first window within 25 dB of the loudest.
4. **Lateral inhibition** (Shamma, JASA 1985), wide: contrast c is the level minus the mean level
   of 174 channels on either side (the outermost level goes on beyond the edge). What is left is
   the shape of the spectrum, not its loudness. Windows where no channel reaches 0.2 are silence.
5. **Integrate and fire.** Each channel has two units. The even one integrates ``max(c, 0)``, the
   odd one ``max(−c, 0)``; a unit fires when its integral passes the next whole number. Integrals
   start at different fractions (multiples of the golden ratio), so that neighbours do not fire
   together and a group of them carries more information than each of them.

A recording of half a second gives about 1,700 events. The same samples give the same events: all is
computed in float64, so that machines which sum in another order still agree on every event.

The choice of these stages is ours. Units that fire for what is above and below the mean let a
membrane without leak integrate evidence for a class and against it.
"""

from functools import cache

import numpy as np

__all__ = ["STRIDE", "UNITS", "encode"]

STRIDE = 2  # units per channel
UNITS = 700
_LOWEST, _HIGHEST = 80.0, 3800.0  # Hz, centres of the outer channels
_WINDOW, _HOP = 0.025, 0.004  # s
_FLOOR = -50.0  # dB
_ONSET = -25.0  # dB
_SILENCE = 0.2
_REACH = 174  # channels
_RATE = 100.0  # events a second of a unit whose contrast stays 1


def encode(sound: np.ndarray, rate: int) -> tuple[np.ndarray, np.ndarray]:
    """Times (float64 [E], s) and units (int64 [E], 0 … 699) of the events, in order of time.

    Parameters
    ----------
    sound : integer or float [samples]
        Any scale: loudness is measured against the loudest part.
    rate : int, Hz
        At least 8,000.
    """
    if rate < 2 * _HIGHEST:
        raise ValueError(f"Rate must be at least {2 * _HIGHEST:.0f} Hz, not {rate!r}")
    if len(sound) == 0 or np.ptp(sound) == 0:
        return np.zeros(0), np.zeros(0, np.int64)
    level = _levels(sound.astype(np.float64), rate)
    contrast = level - _surround(level)
    contrast[level.max(axis=1) < _SILENCE] = 0
    driven = np.stack([contrast, -contrast], axis=2).clip(min=0).reshape(len(level), UNITS)
    begun = np.arange(UNITS) * (5**0.5 - 1) / 2 % 1
    passed = np.floor(np.cumsum(driven * (_RATE * _HOP), axis=0) + begun)
    fires = np.diff(passed, axis=0, prepend=0).astype(np.int64)
    window, unit = np.nonzero(fires)
    often = fires[window, unit]
    return np.repeat(window * _HOP, often), np.repeat(unit, often)


def _levels(sound: np.ndarray, rate: int) -> np.ndarray:
    """Level of each channel in each window from the onset on: float64 [windows, channels], 0 … 1.
    The sound must not be constant.
    """
    size, hop = round(_WINDOW * rate), round(_HOP * rate)
    padded = np.pad(sound - sound.mean(), size // 2)
    windows = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop]
    power = np.abs(np.fft.rfft(windows * np.hanning(size), axis=1)) ** 2
    loudness = power.mean(axis=1)
    loudest = loudness.max()
    onset = int((loudness > loudest * 10 ** (_ONSET / 10)).argmax())
    filtered = power[onset:] @ _filters(size, rate).T
    decibels = 10 * np.log10(filtered / loudest + 1e-12)
    return (1 - decibels / _FLOOR).clip(0, 1)


def _surround(level: np.ndarray) -> np.ndarray:
    """Mean of each channel and those within reach on either side: [windows, channels]."""
    padded = np.pad(level, ((0, 0), (_REACH + 1, _REACH)), mode="edge")
    total = padded.cumsum(axis=1)
    size = 2 * _REACH + 1
    return (total[:, size:] - total[:, :-size]) / size


@cache
def _filters(size: int, rate: int) -> np.ndarray:
    """Weight of each frequency of the spectrum in each channel: [channels, size // 2 + 1]."""
    lowest, highest = (np.log1p(0.00437 * edge) for edge in (_LOWEST, _HIGHEST))
    centre = np.expm1(np.linspace(lowest, highest, UNITS // STRIDE)) / 0.00437  # Hz
    bandwidth = 1.019 * 24.7 * (0.00437 * centre + 1)
    distance = (np.fft.rfftfreq(size, 1 / rate) - centre[:, None]) / bandwidth[:, None]
    weight = (1 + distance**2) ** -4.0
    return weight / weight.sum(axis=1, keepdims=True)
