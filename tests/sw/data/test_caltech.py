"""Faces against motorbikes: archives, their check, and how photographs become images."""

import hashlib
import io
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image

from sw.cli import UserError
from sw.data import caltech as module
from sw.data import registry, sources

TAR = "caltech101_faceseasy_faces_motorbikes.tar"


def jpeg(shade, size=(60, 40), corner=None):
    """A photograph of one shade, its upper left quarter of another."""
    picture = Image.new("RGB", size, (shade,) * 3)
    if corner is not None:
        picture.paste((corner,) * 3, (0, 0, size[0] // 2, size[1] // 2))
    target = io.BytesIO()
    picture.save(target, "JPEG", quality=95)
    return target.getvalue()


def packed(files, mode="w"):
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode=mode) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return target.getvalue()


@pytest.fixture
def files(monkeypatch, tmp_path):
    """Five faces and four motorbikes, in no order, beside what is to be passed over."""
    faces = {f"Faces/image_{i:04}.jpg": jpeg(20 * i) for i in range(5)}
    bikes = {f"Motorbikes/image_{i:04}.jpg": jpeg(250, corner=5 * i) for i in range(4)}
    digest = hashlib.md5(b"".join([*faces.values(), *bikes.values()])).hexdigest()
    monkeypatch.setattr(module, "_MD5", digest)
    monkeypatch.setattr(sources, "_SYSTEM", tmp_path / "system")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("FIRSTSPIKE_DATA", raising=False)
    other = {"Faces_easy/image_0000.jpg": jpeg(9), "Faces/notes.txt": b"-"}
    return dict(reversed((faces | other | bikes).items()))


def test_tar(files, tmp_path):
    (tmp_path / TAR).write_bytes(packed(files))
    loaded = registry.load("caltech", tmp_path)
    assert loaded.labels == ("face", "motorbike")
    assert loaded.train_images.shape == (5, 32, 48)
    assert loaded.test_images.shape == (4, 32, 48)
    # every second of each category is for testing; dark is bright
    assert loaded.train_labels.tolist() == [0, 0, 0, 1, 1]
    assert loaded.test_labels.tolist() == [0, 0, 1, 1]
    shades = loaded.train_images[:3].mean(axis=(1, 2))
    np.testing.assert_allclose(shades, [255, 215, 175], atol=2)
    bike = loaded.test_images[2]
    assert bike[:14, :22].mean() > 245
    assert bike[18:, 26:].mean() < 10


def test_official_archive_holds_the_same(files, tmp_path):
    (tmp_path / "tar").mkdir()
    (tmp_path / "tar" / TAR).write_bytes(packed(files))
    inner = {f"101_ObjectCategories/{name}": content for name, content in files.items()}
    (tmp_path / "zip" / "caltech").mkdir(parents=True)
    with zipfile.ZipFile(tmp_path / "zip" / "caltech" / "caltech-101.zip", "w") as archive:
        archive.writestr("caltech-101/101_ObjectCategories.tar.gz", packed(inner, "w:gz"))
    first, second = (registry.load("caltech", tmp_path / kind) for kind in ("tar", "zip"))
    np.testing.assert_array_equal(first.train_images, second.train_images)
    np.testing.assert_array_equal(first.test_images, second.test_images)


def test_other_images_are_refused(files, tmp_path):
    files["Faces/image_0002.jpg"] = jpeg(200)
    (tmp_path / TAR).write_bytes(packed(files))
    with pytest.raises(UserError, match=rf"{TAR}: images of Faces and Motorbikes have md5 .*; mov"):
        registry.load("caltech", tmp_path)


@pytest.mark.parametrize("name", [TAR, "caltech-101.zip"])
def test_damaged_archive_is_refused_and_left_alone(files, tmp_path, name):
    (tmp_path / name).write_bytes(b"not an archive")
    with pytest.raises(UserError, match=rf"{name}: cannot be read as Caltech-101"):
        registry.load("caltech", tmp_path)
    assert (tmp_path / name).read_bytes() == b"not an archive"


def test_archive_without_the_inner_one(files, tmp_path):
    with zipfile.ZipFile(tmp_path / "caltech-101.zip", "w") as archive:
        archive.writestr("readme", "nothing")
    with pytest.raises(UserError, match=r"cannot be read as Caltech-101 \(no images inside\)"):
        registry.load("caltech", tmp_path)


def test_fetched_where_no_place_has_it(files, tmp_path, monkeypatch):
    def fetch(url, path, title, check):
        assert url.startswith("https://data.caltech.edu/records/mzrjq-6wc02/")
        with pytest.raises(UserError, match=r"content has md5 .*, must be 3138e192"):
            check(b"something else")
        raise UserError(f"{title} into {path}")

    monkeypatch.setattr(sources, "fetch", fetch)
    with pytest.raises(UserError, match=r"cache/firstspike/caltech/caltech-101.zip"):
        registry.load("caltech")


def test_real_photographs(caltech):
    assert caltech.train_images.shape == (617, 32, 48)
    assert caltech.test_images.shape == (616, 32, 48)
    assert np.bincount(caltech.train_labels).tolist() == [218, 399]
