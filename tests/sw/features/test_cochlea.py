"""The cochlea-like encoder on sounds whose events can be foretold."""

import numpy as np
import pytest

from sw.features.cochlea import STRIDE, UNITS, encode

RATE = 8000


def tone(frequency, seconds=0.3, loudness=8000, rate=RATE):
    """A whole number of periods, so its mean is 0."""
    return loudness * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)


def channel(frequency):
    """The channel whose centre is nearest, by the formula of Glasberg and Moore."""
    place = 21.4 * np.log10(1 + 0.00437 * np.array([80.0, 3800.0, frequency]))
    return (place[2] - place[0]) / (place[1] - place[0]) * (UNITS // STRIDE - 1)


@pytest.mark.parametrize("frequency", [400, 500, 1000, 2000, 3000])
@pytest.mark.parametrize("rate", [8000, 16000])
def test_a_tone_is_where_its_frequency_is(frequency, rate):
    _, units = encode(tone(frequency, rate=rate), rate)
    above = np.bincount(units[units % 2 == 0] // 2, minlength=UNITS // STRIDE)
    below = np.bincount(units[units % 2 == 1] // 2, minlength=UNITS // STRIDE)
    loud = int(np.convolve(above, np.ones(15), "same").argmax())
    # within 1.5 ERB, 14.6 channels each: the surround draws the peak away from the nearer edge
    assert abs(loud - channel(frequency)) < 22
    # what is above the mean is not below it
    assert not below[loud - 5 : loud + 6].any()
    assert above[loud] > 5
    assert below.sum() > 100


def test_times_are_in_order_and_in_seconds():
    times, units = encode(tone(500, seconds=0.4), RATE)
    assert (np.diff(times) >= 0).all()
    assert 0 <= times[0] < 0.05
    assert 0.35 < times[-1] < 0.43
    assert units.min() >= 0
    assert units.max() < UNITS


@pytest.mark.smoke
def test_a_channel_fires_at_a_steady_rate():
    """The loudest channel of a steady tone: equal intervals, but for the grid of 4 ms."""
    times, units = encode(tone(1000, seconds=1.0), RATE)
    often = np.bincount(units, minlength=UNITS)
    intervals = np.diff(times[units == often[::2].argmax() * 2])
    assert often.max() > 30
    assert np.ptp(intervals[2:-2]) < 0.0041


def test_twice_as_loud_is_the_same():
    rng = np.random.default_rng(0)
    sound = rng.integers(-3000, 3000, 4000)
    for mine, same in zip(encode(sound, RATE), encode(2 * sound, RATE), strict=True):
        np.testing.assert_array_equal(mine, same)


def test_silence_before_the_onset_is_left_out():
    sound = tone(700)
    late = np.concatenate([np.zeros(RATE), sound])
    times, units = encode(sound, RATE)
    late_times, late_units = encode(late, RATE)
    np.testing.assert_allclose(late_times[:100], times[:100], atol=0.0041 * 2)
    assert abs(len(late_units) - len(units)) < 0.05 * len(units)


def test_a_second_word_comes_later():
    sound = np.concatenate([tone(400, 0.2), np.zeros(800), tone(2000, 0.2)])
    times, units = encode(sound, RATE)
    low, high = (2 * round(channel(f)) for f in (400, 2000))
    assert times[units == low].max() < 0.22
    assert times[units == high].min() > 0.28
    # and nothing between them
    assert not ((times > 0.23) & (times < 0.27)).any()


@pytest.mark.parametrize("sound", [np.zeros(4000), np.full(4000, 77), np.zeros(0, int)])
def test_silence_has_no_events(sound):
    times, units = encode(sound, RATE)
    assert len(times) == len(units) == 0


def test_a_very_short_sound():
    times, _ = encode(tone(1000, 0.01), RATE)
    assert (times < 0.03).all()


def test_too_low_a_rate_is_refused():
    with pytest.raises(ValueError, match="Rate must be at least 7600 Hz, not 4000"):
        encode(tone(500), 4000)
