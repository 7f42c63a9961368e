"""Data sets in IDX files: where they are found, packed or not, and what is refused."""

import gzip
import hashlib
import io
import urllib.request
from dataclasses import replace

import numpy as np
import pytest

from sw.cli import UserError
from sw.data import fashion_mnist, idx, mnist, registry, sources


@pytest.fixture
def tiny(tmp_path, monkeypatch, rng):
    """A data set of MNIST's layout with 3 + 2 images; returns the folder that holds ``mnist/``. No
    other place has it, and nothing can be downloaded.
    """
    folder, md5 = tmp_path / "data" / "mnist", []
    folder.mkdir(parents=True)
    for name, count in zip(idx.FILES, (3, 3, 2, 2), strict=True):
        shape = (count, 28, 28) if "images" in name else (count,)
        header = bytes([0, 0, 8, len(shape)]) + b"".join(n.to_bytes(4, "big") for n in shape)
        content = header + rng.integers(0, 10, shape, np.uint8).tobytes()
        (folder / f"{name}.gz").write_bytes(gzip.compress(content))
        md5.append(hashlib.md5(content).hexdigest())
    for module in (mnist, fashion_mnist):
        changed = replace(module.SOURCE, url="http://nowhere.invalid/", md5=md5)
        monkeypatch.setattr(module, "SOURCE", changed)
    monkeypatch.setattr(sources, "_SYSTEM", tmp_path / "system")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("FIRSTSPIKE_DATA", raising=False)

    def refuse(url, timeout):
        raise OSError("no network here")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    return tmp_path / "data"


def unpack(folder):
    """Leaves the files unpacked, without ``.gz``."""
    for path in folder.glob("*.gz"):
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()


def test_mnist(mnist):
    assert mnist.train_images.shape == (60000, 28, 28)
    assert mnist.test_images.shape == (10000, 28, 28)
    assert mnist.test_labels[:5].tolist() == [7, 2, 1, 0, 4]
    assert mnist.train_labels.dtype == np.int64


@pytest.mark.parametrize("place", ["flag", "flag, inside", "environment", "cache", "system"])
def test_places(tiny, tmp_path, monkeypatch, place):
    flag = None
    if place.startswith("flag"):
        flag = tiny if place == "flag" else tiny / "mnist"
    elif place == "environment":
        monkeypatch.setenv("FIRSTSPIKE_DATA", str(tiny))
    else:
        target = tmp_path / ("cache/firstspike" if place == "cache" else "system")
        target.parent.mkdir(exist_ok=True)
        tiny.rename(target)
    assert registry.load("mnist", flag).train_images.shape == (3, 28, 28)


def test_a_user_without_a_home(tiny, monkeypatch):
    """As in some containers. What lies elsewhere is found; what would be fetched has no place."""

    def home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(sources.Path, "home", home)
    assert registry.load("mnist", tiny).train_images.shape == (3, 28, 28)
    with pytest.raises(UserError, match=r"there is no home folder .*; set HOME or XDG_CACHE_HOME"):
        registry.load("mnist")
    monkeypatch.setattr(sources, "_SYSTEM", tiny)
    assert registry.load("mnist").train_images.shape == (3, 28, 28)


def test_it_lies_where_all_of_its_files_do(tiny):
    first = tiny / "mnist" / f"{idx.FILES[0]}.gz"
    assert registry.find("mnist", tiny) == first
    (tiny / "mnist" / f"{idx.FILES[3]}.gz").unlink()
    assert registry.find("mnist", tiny) is None


def test_system_folder_with_a_hyphen(tiny, tmp_path):
    (tmp_path / "system").mkdir()
    (tiny / "mnist").rename(tmp_path / "system" / "fashion-mnist")
    assert len(registry.load("fashion_mnist").test_labels) == 2


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("mnist", "MNIST/raw"),
        ("mnist", "MNIST"),
        ("fashion_mnist", "FashionMNIST/raw"),
        ("mnist", "raw"),
        ("mnist", "mnist"),
        ("fashion_mnist", "."),
    ],
)
def test_folders_of_torchvision_and_unpacked_files(tiny, tmp_path, name, folder, packed):
    expected = registry.load("mnist", tiny)
    root = tmp_path / "root"
    (root / folder).mkdir(parents=True)
    for path in (tiny / "mnist").iterdir():
        path.rename(root / folder / path.name)
    if not packed:
        unpack(root / folder)
    found = registry.load(name, root)
    assert found.name == name
    for part in ("train_images", "train_labels", "test_images", "test_labels"):
        np.testing.assert_array_equal(getattr(found, part), getattr(expected, part))


def test_unpacked_file_is_checked(tiny):
    unpack(tiny / "mnist")
    path = tiny / "mnist" / "t10k-labels-idx1-ubyte"
    path.write_bytes(path.read_bytes()[:-1] + b"\xff")
    with pytest.raises(UserError, match=r"t10k-labels-idx1-ubyte: content has md5 .*; move it"):
        registry.load("mnist", tiny)


def test_flag_goes_before_the_environment(tiny, tmp_path, monkeypatch):
    wrong = tmp_path / "wrong"
    wrong.mkdir()
    (wrong / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(b"other"))
    monkeypatch.setenv("FIRSTSPIKE_DATA", str(wrong))
    assert registry.load("mnist", tiny).name == "mnist"
    with pytest.raises(UserError, match="content has md5"):
        registry.load("mnist")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda packed: packed[:-20], "is not intact as gzip"),
        (lambda packed: b"no gzip at all", "is not intact as gzip"),
        (lambda packed: gzip.compress(b"other"), r"content has md5 \w+, must be \w+"),
    ],
)
def test_damaged_file_is_refused_and_left_alone(tiny, damage, message):
    path = tiny / "mnist" / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(damage(path.read_bytes()))
    before = path.read_bytes()
    with pytest.raises(UserError, match=rf"t10k-images-idx3-ubyte.gz: {message}.*; move it") as e:
        registry.load("mnist", tiny)
    assert "\n" not in str(e.value)
    assert path.read_bytes() == before


@pytest.mark.smoke
def test_no_network(tiny, tmp_path):
    with pytest.raises(UserError, match=r"cannot be fetched \(no network here\); put the file"):
        registry.load("mnist")
    assert not list(tmp_path.glob("cache/firstspike/mnist/*"))


class Response(io.BytesIO):
    headers = {"Content-Length": "1"}  # noqa: RUF012


def test_download_into_the_cache(tiny, tmp_path, monkeypatch):
    asked = []

    def send(url, timeout):
        asked.append(url)
        return Response((tiny / "mnist" / url.rsplit("/", 1)[1]).read_bytes())

    monkeypatch.setattr(urllib.request, "urlopen", send)
    first = registry.load("mnist")
    second = registry.load("mnist")
    assert len(asked) == 4  # once each
    np.testing.assert_array_equal(first.train_images, second.train_images)
    assert len(list((tmp_path / "cache/firstspike/mnist").iterdir())) == 4


def test_download_of_something_else(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(urllib.request, "urlopen", lambda url, timeout: Response(b"<html>"))
    with pytest.raises(UserError, match=r"http://nowhere.invalid/train.*is not intact as gzip"):
        registry.load("mnist")
    assert not list(tmp_path.glob("cache/firstspike/mnist/*"))
