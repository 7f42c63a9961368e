"""Folders of sounds of one's own, held against the cochlea."""

import wave

import numpy as np
import pytest
from PIL import Image
from scipy.io import wavfile

from sw.cli import UserError
from sw.data import own, sounds
from sw.features import cochlea
from sw.selection import Selection

PLAIN = Selection()
RATE = 8000


def tone(frequency, seconds=0.1, rate=RATE):
    return (9000 * np.sin(2 * np.pi * frequency * np.arange(seconds * rate) / rate)).astype(
        np.int16
    )


def record(path, samples, rate=RATE):
    path.parent.mkdir(parents=True, exist_ok=True)
    wavfile.write(path, rate, samples)


def high_and_low(root, speakers=("",), count=2):
    """Two classes; each speaker has tones of their own."""
    for name, base in (("high", 2000), ("low", 300)):
        for number, speaker in enumerate(speakers):
            for index in range(count):
                record(root / name / speaker / f"{index}.wav", tone(base + 50 * number + 5 * index))
    return str(root)


def times_of(events, recording):
    part = slice(events.start[recording], events.start[recording + 1])
    return events.time[part].tolist(), events.unit[part].tolist()


def test_a_folder_for_each_class(tmp_path):
    """The same events as the cochlea gives, class by class; nothing but WAV counts."""
    path = high_and_low(tmp_path / "Töne 1", count=3)
    (tmp_path / "Töne 1" / "high" / "notes.txt").write_text("")
    data = own.load(path, PLAIN)
    assert (data.channels, data.labels) == (cochlea.UNITS, ("high", "low"))
    assert data.reading["kind"] == "sound"
    assert data.train_events.stride == cochlea.STRIDE
    assert data.test_labels.tolist() == [0, 1]
    expected = []
    for base in (2000, 300):
        for index in range(3):
            time, unit = cochlea.encode(tone(base + 5 * index), RATE)
            expected.append((time.astype(np.float32).tolist(), unit.tolist()))
    parts = ((data.train_events, 4), (data.test_events, 2))
    given = [times_of(events, n) for events, count in parts for n in range(count)]
    assert sorted(given) == sorted(expected)
    assert data.train_events.window == 0.101  # the last events come at 0.1 s


def test_folders_of_speakers_are_groups_if_asked(tmp_path):
    path = high_and_low(tmp_path, speakers=("ann", "bob", "cai", "dot"))
    data = own.load(path, Selection(split="groups"))
    assert data.train_labels.tolist() == [0] * 6 + [1] * 6
    assert data.train_groups.tolist() == [0, 0, 1, 1, 2, 2] * 2 or len(set(data.train_groups)) == 3
    assert own.load(path, PLAIN).train_groups is None
    record(tmp_path / "low" / "9.wav", tone(400))
    with pytest.raises(UserError, match="and a file lies directly in that of a class"):
        own.load(path, Selection(split="groups"))


@pytest.mark.parametrize(
    ("samples", "rate"),
    [
        (np.stack([tone(500, rate=16000)] * 2, axis=1), 16000),
        ((tone(500) / 2**15).astype(np.float32), RATE),
        ((tone(500) // 256 + 128).astype(np.uint8), RATE),
        (tone(500).astype(np.int32) << 16, RATE),
    ],
    ids=["stereo", "float", "8 bits", "32 bits"],
)
def test_kinds_of_samples(tmp_path, samples, rate):
    """Loudness does not count, nor the zero of 8 bits: about as many events, of the same units."""
    record(tmp_path / "x.wav", samples, rate)
    given = sounds.read([tmp_path / "x.wav"])
    _, expected = cochlea.encode(tone(500), RATE)
    both = [
        np.bincount(np.asarray(units, int) // 70, minlength=10) / len(units)
        for units in (given.unit, expected)
    ]
    assert abs(both[0] - both[1]).max() < 0.05


def test_24_bits(tmp_path):
    samples = tone(500).astype("<i4")
    with wave.open(str(tmp_path / "x.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(3)
        file.setframerate(RATE)
        file.writeframes((samples << 8).view(np.uint8).reshape(-1, 4)[:, :3].tobytes())
    record(tmp_path / "y.wav", tone(500))
    one, other = (sounds.read([tmp_path / name]) for name in ("x.wav", "y.wav"))
    assert times_of(one, 0) == times_of(other, 0)


@pytest.mark.parametrize(
    ("samples", "rate", "message"),
    [
        (tone(500, rate=4000), 4000, "has 4,000 samples per second, must be 8,000 at least"),
        (np.zeros(61 * RATE, np.int16), RATE, "lasts 61.0 s, at most 60 s are read; cut it"),
        (np.full(800, np.nan, np.float32), RATE, "has samples that are not finite"),
        (np.full((800, 2), 1.7e308), RATE, "has samples that are not finite"),
        (np.zeros(0, np.int16), RATE, "has no samples"),
    ],
)
def test_refuses_sounds(tmp_path, samples, rate, message):
    path = high_and_low(tmp_path)
    record(tmp_path / "low" / "wrong.wav", samples, rate)
    with pytest.raises(UserError, match=rf"low/wrong.wav: {message}"):
        own.load(path, PLAIN)


def test_a_sound_that_cannot_be_read(tmp_path):
    path = high_and_low(tmp_path)
    whole = (tmp_path / "low" / "1.wav").read_bytes()
    damaged = (
        whole.replace(b"fmt ", b"fmu "),
        whole.replace(b"data", b"dath", 1),
        whole[:22] + b"\x00\x10" + whole[24:],  # 4,096 channels of 2 bytes in frames of 2 bytes
    )
    for content in (b"", b"no sound", whole[:30], whole[:41], *damaged):
        (tmp_path / "low" / "1.wav").write_bytes(content)
        with pytest.raises(UserError, match=r"low/1.wav: cannot be read as WAV \(") as refused:
            own.load(path, PLAIN)
        assert len(str(refused.value).splitlines()) == 1


def test_silence(tmp_path):
    """One is an example without events; all are no data."""
    path = high_and_low(tmp_path)
    record(tmp_path / "low" / "1.wav", np.zeros(800, np.int16))
    data = own.load(path, PLAIN)
    assert 0 in [*np.diff(data.train_events.start), *np.diff(data.test_events.start)]
    with pytest.raises(UserError, match="all sounds are silent"):
        sounds.read([tmp_path / "low" / "1.wav"])


@pytest.mark.parametrize("flag", [{"size": (8, 8)}, {"grey": True}])
def test_flags_for_images(tmp_path, flag):
    with pytest.raises(UserError, match="has sounds; leave out --size and --grey"):
        own.load(high_and_low(tmp_path), Selection(**flag))


def test_images_among_them(tmp_path):
    path = high_and_low(tmp_path)
    Image.new("L", (4, 4)).save(tmp_path / "high" / "x.png")
    with pytest.raises(UserError, match=r"0.wav: is a sound, .*x.png an image; keep one kind"):
        own.load(path, PLAIN)
