"""Free Spoken Digits: the archive, its check, the official split."""

import hashlib
import io
import tarfile
import wave

import numpy as np
import pytest

from sw.cli import UserError
from sw.data import fsdd, registry, sources
from sw.features import cochlea

XZ, GZ = fsdd._ARCHIVES


def wav(frequency):
    """A second of a tone, mono, 16 bit, 8 kHz."""
    target = io.BytesIO()
    with wave.open(target, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(samples(frequency).tobytes())
    return target.getvalue()


def samples(frequency):
    return (9000 * np.sin(2 * np.pi * frequency * np.arange(8000) / 8000)).astype("<i2")


def packed(files, mode, folder=""):
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode=mode) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(folder + name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return target.getvalue()


@pytest.fixture
def files(monkeypatch, tmp_path):
    """Digits 3 and 7 by two speakers, recordings 0, 4, 5 and 12, in no order, beside others."""
    names = [
        f"{digit}_{speaker}_{n}.wav"
        for digit in (3, 7)
        for speaker in ("ann", "bo")
        for n in (0, 4, 5, 12)
    ]
    sounds = {f"recordings/{name}": wav(300 + 100 * k) for k, name in enumerate(sorted(names))}
    digest = hashlib.md5(b"".join(sounds.values())).hexdigest()
    monkeypatch.setattr(fsdd, "_MD5", digest)
    monkeypatch.setattr(sources, "_SYSTEM", tmp_path / "system")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("FIRSTSPIKE_DATA", raising=False)
    other = {"README.md": b"-", "recordings/notes.txt": b"-"}
    return dict(reversed((sounds | other).items()))


def test_official_split(files, tmp_path):
    (tmp_path / XZ).write_bytes(packed(files, "w:xz"))
    loaded = registry.load("fsdd", tmp_path)
    assert loaded.labels == tuple("0123456789")
    assert loaded.channels == 700
    # by name: 3_ann_0, 3_ann_12, 3_ann_4, 3_ann_5, 3_bo_0, …; 0 and 4 are for testing
    assert loaded.train_labels.tolist() == [3, 3, 3, 3, 7, 7, 7, 7]
    assert loaded.test_labels.tolist() == [3, 3, 3, 3, 7, 7, 7, 7]
    events = loaded.train_events[np.array([1])]  # 3_ann_5, the fourth by name
    times, units = cochlea.encode(samples(600), 8000)
    np.testing.assert_array_equal(events.time, times.astype(np.float32))
    np.testing.assert_array_equal(events.unit, units)
    assert (events.window, events.stride) == (fsdd._WINDOW, 2)


def test_release_holds_the_same(files, tmp_path):
    for folder, name, mode, inside in (
        ("one", XZ, "w:xz", ""),
        ("two", GZ, "w:gz", "free-spoken-digit-dataset-1.0.10/"),
    ):
        (tmp_path / folder / "fsdd").mkdir(parents=True)
        (tmp_path / folder / "fsdd" / name).write_bytes(packed(files, mode, inside))
    first, second = (registry.load("fsdd", tmp_path / folder) for folder in ("one", "two"))
    np.testing.assert_array_equal(first.train_events.time, second.train_events.time)
    np.testing.assert_array_equal(first.test_events.unit, second.test_events.unit)


def test_other_recordings_are_refused(files, tmp_path):
    files["recordings/7_bo_4.wav"] = wav(50)
    (tmp_path / XZ).write_bytes(packed(files, "w:xz"))
    with pytest.raises(UserError, match=rf"{XZ}: recordings have md5 \w+, must be \w+; move it"):
        registry.load("fsdd", tmp_path)


@pytest.mark.parametrize("damage", [lambda packed: b"no archive", lambda packed: packed[:-2000]])
@pytest.mark.parametrize(("name", "mode"), [(XZ, "w:xz"), (GZ, "w:gz")])
def test_damaged_archive_is_refused_and_left_alone(files, tmp_path, name, mode, damage):
    content = damage(packed(files, mode))
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=rf"{name}: cannot be read as Free Spoken.*; move") as error:
        registry.load("fsdd", tmp_path)
    assert "\n" not in str(error.value)
    assert (tmp_path / name).read_bytes() == content


def test_fetched_where_no_place_has_it(files, tmp_path, monkeypatch):
    def fetch(url, path, title, check):
        assert url.startswith("https://github.com/Jakobovski/free-spoken-digit-dataset/")
        assert path == tmp_path / "cache" / "firstspike" / "fsdd" / GZ
        with pytest.raises(UserError, match=r"cannot be read .*; try again later"):
            check(b"something else")
        return check(packed(files, "w:gz", "free-spoken-digit-dataset-1.0.10/"))

    monkeypatch.setattr(sources, "fetch", fetch)
    assert len(registry.load("fsdd").test_labels) == 8


def test_real_recordings(fsdd):
    assert len(fsdd.train_events) == 2700
    assert len(fsdd.test_events) == 300
    assert np.bincount(fsdd.test_labels).tolist() == [30] * 10
    assert np.bincount(fsdd.train_labels).tolist() == [270] * 10
    assert np.diff(fsdd.train_events.start).min() > 100  # nobody is silent
