"""Data sets: where files are found, and what is refused."""

import gzip
import hashlib
import io
import urllib.request

import numpy as np
import pytest
from networks import image_network, random_network, speech

from sw.cli import UserError
from sw.data import registry

NAMES = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")


@pytest.fixture
def tiny(tmp_path, monkeypatch, rng):
    """A data set of MNIST's layout with 3 + 2 images; returns the folder that holds ``mnist/``. No
    other place has it, and nothing can be downloaded.
    """
    folder, md5 = tmp_path / "data" / "mnist", {}
    folder.mkdir(parents=True)
    for name, count in zip(NAMES, (3, 3, 2, 2), strict=True):
        size = (16, 784) if "images" in name else (8, 1)
        content = bytes(size[0]) + rng.integers(0, 10, count * size[1], np.uint8).tobytes()
        (folder / f"{name}-ubyte.gz").write_bytes(gzip.compress(content))
        md5[f"{name}-ubyte"] = hashlib.md5(content).hexdigest()
    idx = registry._Idx(url="http://nowhere.invalid/", md5=md5, labels=registry._DIGITS)
    monkeypatch.setitem(registry._IDX, "mnist", idx)
    monkeypatch.setattr(registry, "_SYSTEM", tmp_path / "system")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("FIRSTSPIKE_DATA", raising=False)

    def refuse(url, timeout):
        raise OSError("no network here")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    return tmp_path / "data"


def test_digits(digits):
    assert digits.train_images.shape == (1442, 8, 8)
    assert digits.test_images.shape == (355, 8, 8)
    assert digits.train_images.dtype == np.uint8
    assert digits.shape == (8, 8)
    assert digits.labels == tuple("0123456789")
    # 0 … 16 become round(x * 255 / 16)
    assert set(np.unique(digits.train_images)) == {round(x * 255 / 16) for x in range(17)}
    # every fifth image of each class
    for k in range(10):
        tests, all_ = (digits.test_labels == k).sum(), (digits.train_labels == k).sum()
        assert tests == (tests + all_) // 5


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


def test_system_folder_with_a_hyphen(tiny, tmp_path, monkeypatch):
    monkeypatch.setitem(registry._IDX, "fashion_mnist", registry._IDX["mnist"])
    (tmp_path / "system").mkdir()
    (tiny / "mnist").rename(tmp_path / "system" / "fashion-mnist")
    assert len(registry.load("fashion_mnist").test_labels) == 2


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
        (lambda packed: packed[:-20], "is not whole as gzip"),
        (lambda packed: b"no gzip at all", "is not whole as gzip"),
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


def test_no_network(tiny, tmp_path):
    with pytest.raises(UserError, match=r"cannot be fetched \(no network here\); put the file"):
        registry.load("mnist")
    assert not list(tmp_path.glob("cache/firstspike/mnist/*"))


class Answer(io.BytesIO):
    headers = {"Content-Length": "1"}  # noqa: RUF012


def test_download_into_the_cache(tiny, tmp_path, monkeypatch):
    asked = []

    def send(url, timeout):
        asked.append(url)
        return Answer((tiny / "mnist" / url.rsplit("/", 1)[1]).read_bytes())

    monkeypatch.setattr(urllib.request, "urlopen", send)
    first = registry.load("mnist")
    second = registry.load("mnist")
    assert len(asked) == 4  # once each
    np.testing.assert_array_equal(first.train_images, second.train_images)
    assert len(list((tmp_path / "cache/firstspike/mnist").iterdir())) == 4


def test_download_of_something_else(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(urllib.request, "urlopen", lambda url, timeout: Answer(b"<html>"))
    with pytest.raises(UserError, match=r"http://nowhere.invalid/train.*is not whole as gzip"):
        registry.load("mnist")
    assert not list(tmp_path.glob("cache/firstspike/mnist/*"))


def test_refuses_unknown_names_and_folders(tmp_path):
    with pytest.raises(
        UserError, match=r"Data set must be one of digits, mnist, .*, fsdd, shd, not 'cifar'"
    ):
        registry.load("cifar")
    with pytest.raises(UserError, match="nowhere: no such folder"):
        registry.load("digits", tmp_path / "nowhere")


@pytest.mark.parametrize("name", registry.EVENT_DATASETS)
def test_events_are_no_images(name):
    with pytest.raises(UserError, match=f"{name}: holds events, not images; only images"):
        registry.load_images(name)


def test_images(digits):
    assert registry.load_images("digits").test_images.shape == digits.test_images.shape


@pytest.mark.parametrize("fraction", [0, 0.1, 0.25])
def test_split(rng, fraction):
    labels = np.repeat([3, 5, 8], [40, 80, 200])
    learn, held_out = registry.split(labels, fraction, seed=4)
    assert sorted([*learn, *held_out]) == list(range(320))
    assert [(labels[held_out] == k).sum() for k in (3, 5, 8)] == [
        fraction * n for n in (40, 80, 200)
    ]
    for first, again in zip(
        (learn, held_out), registry.split(labels, fraction, seed=4), strict=True
    ):
        np.testing.assert_array_equal(first, again)
    if fraction:
        assert registry.split(labels, fraction, seed=5)[1].tolist() != held_out.tolist()


@pytest.mark.parametrize("fraction", [-0.1, 1])
def test_split_refuses(fraction):
    with pytest.raises(ValueError, match="Fraction must be in 0 … below 1, not"):
        registry.split(np.zeros(3), fraction)


def test_images_for_a_network(rng, digits):
    images, labels = registry.load_for(image_network(rng), "digits")
    assert np.array_equal(images, digits.test_images)
    assert np.array_equal(labels, digits.test_labels)
    images, labels = registry.load_for(image_network(rng), "digits", count=5)
    assert np.array_equal(images, digits.test_images[:5])
    assert np.array_equal(labels, digits.test_labels[:5])


@pytest.mark.parametrize(("count", "recordings"), [(None, 60), (7, 7), (99, 60)])
def test_events_for_a_network(rng, monkeypatch, count, recordings):
    words = speech(rng)
    monkeypatch.setattr(registry, "load", lambda name, data_dir: words)
    spikes, labels = registry.load_for(random_network(rng, (12, 3), 9), "fsdd", count=count)
    expected = words.test_events[np.arange(recordings)].spikes(9)
    for field in ("count", "image", "step", "unit"):
        assert np.array_equal(getattr(spikes, field), getattr(expected, field))
    assert np.array_equal(labels, words.test_labels[:recordings])


def test_inputs_that_a_network_does_not_take(rng, monkeypatch):
    images, events = image_network(rng, (4, 6)), random_network(rng, (9, 3), 8)
    refused = r"^digits: images of \(8, 8\) pixels, network 'random' takes "
    for network, takes in ((images, r"\(4, 6\)"), (events, "9 channels of events")):
        with pytest.raises(UserError, match=rf"{refused}{takes}; name the data set it was trained"):
            registry.load_for(network, "digits")
    words = speech(rng)
    monkeypatch.setattr(registry, "load", lambda name, data_dir: words)
    for network, takes in ((images, r"\(4, 6\)"), (events, "9 channels of events")):
        with pytest.raises(UserError, match=rf"^fsdd: events of 12 channels, .* takes {takes}; na"):
            registry.load_for(network, "fsdd")
