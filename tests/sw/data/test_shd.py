"""Spiking Heidelberg Digits, from small files of their layout."""

import hashlib
import io
import zipfile

import h5py
import numpy as np
import pytest

from sw.cli import UserError
from sw.data import registry, shd, sources

TRAIN, TEST = "shd_train.h5.zip", "shd_test.h5.zip"


def packed(times, units, labels, name="shd_train.h5"):
    """A zip of one HDF5 file, with the types that the official ones have."""
    target = io.BytesIO()
    with h5py.File(target, "w") as file:
        spikes = file.create_group("spikes")
        for key, rows, kind in (("times", times, np.float16), ("units", units, np.uint16)):
            ragged = spikes.create_dataset(key, (len(rows),), h5py.vlen_dtype(kind))
            for index, row in enumerate(rows):
                ragged[index] = np.array(row, kind)
        file["labels"] = np.array(labels, np.uint16)
        file["extra/speaker"] = np.zeros(len(labels), np.uint16)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as pack:
        pack.writestr(name, target.getvalue())
    return archive.getvalue()


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Two recordings to learn from and one for testing; returns a writer of other files."""
    monkeypatch.setattr(sources, "_SYSTEM", tmp_path / "system")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("FIRSTSPIKE_DATA", raising=False)
    (tmp_path / "shd").mkdir()

    def write(file, content):
        (tmp_path / "shd" / file).write_bytes(content)
        monkeypatch.setitem(shd._MD5, file, hashlib.md5(content).hexdigest())

    write(TRAIN, packed([[0.5, 0.25, 0.5], []], [[3, 699, 3], []], [4, 17]))
    write(TEST, packed([[0.125, 1.375, 1.5]], [[0, 1, 2]], [19]))
    return write


def test_layout(files, tmp_path):
    loaded = registry.load("shd", tmp_path)
    assert (loaded.name, loaded.channels, len(loaded.labels)) == ("shd", 700, 20)
    assert [loaded.labels[k] for k in (4, 17, 19)] == ["four", "sieben", "neun"]
    assert loaded.train_labels.tolist() == [4, 17]
    assert loaded.test_labels.tolist() == [19]
    assert loaded.train_labels.dtype == np.int64
    assert loaded.train_events.time.tolist() == [0.5, 0.25, 0.5]
    assert loaded.train_events.unit.tolist() == [3, 699, 3]
    assert loaded.train_events.start.tolist() == [0, 3, 3]


def test_binning_keeps_all_spikes_of_the_first_1400_ms(files, tmp_path):
    loaded = registry.load("shd", tmp_path)
    spikes = loaded.train_events.spikes(14)
    assert (spikes.step.tolist(), spikes.unit.tolist()) == ([2, 5, 5], [699, 3, 3])
    spikes = loaded.test_events.spikes(14)
    assert (spikes.step.tolist(), spikes.unit.tolist()) == ([1, 13], [0, 1])


def test_other_content_is_refused(files, tmp_path):
    path = tmp_path / "shd" / TEST
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(UserError, match=rf"{TEST}: content has md5 \w+, must be \w+; move it away"):
        registry.load("shd", tmp_path)


@pytest.mark.parametrize("content", [b"no zip", packed([[1.0]], [[2, 3]], [0])], ids=len)
def test_another_layout_is_refused(files, tmp_path, content):
    files(TRAIN, content)
    with pytest.raises(UserError, match=rf"{TRAIN}: cannot be read as Spiking Heidelberg") as error:
        registry.load("shd", tmp_path)
    assert "\n" not in str(error.value)


def test_missing_part_is_refused(files, tmp_path):
    target = io.BytesIO()
    with h5py.File(target, "w") as file:
        file["labels"] = np.zeros(3, np.uint16)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as pack:
        pack.writestr("shd_train.h5", target.getvalue())
    files(TRAIN, archive.getvalue())
    with pytest.raises(UserError, match=rf"{TRAIN}: cannot be read as Spiking Heidelberg"):
        registry.load("shd", tmp_path)


def test_fetched_where_no_place_has_it(files, tmp_path, monkeypatch):
    content = {file: (tmp_path / "shd" / file).read_bytes() for file in (TRAIN, TEST)}

    def fetch(url, path, title, check):
        assert url == f"https://zenkelab.org/datasets/{path.name}"
        assert path.parent == tmp_path / "cache" / "firstspike" / "shd"
        with pytest.raises(UserError, match=r"content has md5 .*; try again later"):
            check(b"something else")
        return check(content[path.name])

    monkeypatch.setattr(sources, "fetch", fetch)
    assert registry.load("shd").train_labels.tolist() == [4, 17]
