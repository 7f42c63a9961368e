"""CIFAR-10 and CIFAR-100: the official archive, pickled by Python 2, and the copy in PNG files."""

import hashlib
import io
import pickle
import struct
import tarfile
import urllib.request
import zipfile
from dataclasses import dataclass, replace
from types import ModuleType
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image

from sw.cli import UserError
from sw.data import cifar10, cifar100, registry, sources


@dataclass(frozen=True)
class Published:
    """What the authors' page and their archive say."""

    module: ModuleType
    archive: str
    md5: str
    inner: str
    train: tuple[str, ...]
    test: str
    key: str
    mean: tuple[float, ...]
    deviation: tuple[float, ...]


PUBLISHED = {
    "cifar10": Published(
        module=cifar10,
        archive="cifar-10-python.tar.gz",
        md5="c58f30108f718f92721af3b95e74349a",
        inner="cifar-10-batches-py",
        train=("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5"),
        test="test_batch",
        key="labels",
        mean=(0.4914, 0.4822, 0.4465),
        deviation=(0.2470, 0.2435, 0.2616),
    ),
    "cifar100": Published(
        module=cifar100,
        archive="cifar-100-python.tar.gz",
        md5="eb9058c3a382ffc7106e4002c42a8d85",
        inner="cifar-100-python",
        train=("train",),
        test="test",
        key="fine_labels",
        mean=(0.5071, 0.4865, 0.4409),
        deviation=(0.2673, 0.2564, 0.2762),
    ),
}


def text(value):
    """A string of Python 2, by its opcode."""
    return b"T" + struct.pack("<i", len(value)) + value


def array(pixels):
    """uint8 [N, 3072] as NumPy pickled it then: the call that makes an array, and its state."""
    dtype = b"cnumpy\ndtype\n" + text(b"u1") + b"K\x00K\x01\x87R"
    dtype += b"(K\x03" + text(b"|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    shape = b"".join(b"J" + struct.pack("<i", n) for n in pixels.shape) + b"\x86"
    made = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + text(b"b")
    return made + b"\x87R(K\x01" + shape + dtype + b"\x89" + text(pixels.tobytes()) + b"tb"


def numbers(values):
    """A list of small integers."""
    return b"](" + b"".join(b"K" + bytes([n]) for n in values) + b"e"


def batch(pixels, key, labels, names):
    """A batch, by opcodes of protocol 2. Other labels than ``key``'s are not the classes."""
    return b"".join(
        [
            b"\x80\x02}(",
            text(b"batch_label") + text(b"testing batch 1 of 1"),
            text(b"coarse_labels") + numbers(n // 5 for n in labels),
            text(key.encode()) + numbers(labels),
            text(b"data") + array(pixels),
            text(b"filenames") + b"](" + b"".join(map(text, names)) + b"e",
            b"u.",
        ]
    )


@pytest.fixture(params=PUBLISHED)
def published(request, monkeypatch, tmp_path):
    """One of both, which is nowhere on this machine."""
    monkeypatch.setattr(sources, "_SYSTEM", tmp_path / "system")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("FIRSTSPIKE_DATA", raising=False)
    return PUBLISHED[request.param]


@pytest.fixture
def photographs(published, rng, monkeypatch):
    """Of each class two to learn from and one for testing, in the order of class and name."""
    found = [
        (part, label, f"{n}_{99 - label:02}.png", rng.integers(0, 256, (32, 32, 3), np.uint8))
        for part, count in (("train", 2), ("test", 1))
        for label in range(len(published.module.SOURCE.labels))
        for n in range(count)
    ]
    digest = hashlib.md5(b"".join(image.tobytes() for *_, image in found)).hexdigest()
    changed = replace(published.module.SOURCE, pixels_md5=digest)
    monkeypatch.setattr(published.module, "SOURCE", changed)
    return found


def official(published, photographs, path, monkeypatch, change=lambda content: content):
    """The archive, in another order; its md5 becomes the right one."""
    shuffled = photographs[::-1]
    learn = [each for each in shuffled if each[0] == "train"]
    count = len(learn) // len(published.train)
    parts = {name: learn[count * k : count * (k + 1)] for k, name in enumerate(published.train)}
    parts[published.test] = [each for each in shuffled if each[0] == "test"]
    with tarfile.open(path / published.archive, "w:gz") as archive:
        for name, part in parts.items():
            pixels = np.stack([np.moveaxis(image, 2, 0).ravel() for *_, image in part])
            labels, names = [each[1] for each in part], [each[2].encode() for each in part]
            content = change(batch(pixels, published.key, labels, names))
            member = tarfile.TarInfo(f"{published.inner}/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for name in ("readme.html", "meta"):
            archive.addfile(tarfile.TarInfo(f"{published.inner}/{name}"))
    digest = hashlib.md5((path / published.archive).read_bytes()).hexdigest()
    changed = replace(published.module.SOURCE, archive_md5=digest)
    monkeypatch.setattr(published.module, "SOURCE", changed)


def png(image):
    target = io.BytesIO()
    Image.fromarray(image).save(target, "png")
    return target.getvalue()


def folder(published, photographs, root):
    for part, label, name, image in photographs:
        place = root / part / published.module.SOURCE.labels[label]
        place.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(png(image))


def copy_of(published):
    """What GitHub calls the copy: CIFAR-10-dataset."""
    return published.archive.replace("cifar", "CIFAR").replace("python.tar.gz", "dataset")


def zipped(published, photographs, path):
    root = f"{copy_of(published)}-main"
    with zipfile.ZipFile(path / f"{root}.zip", "w") as archive:
        for part, label, name, image in photographs[::-1]:
            inner = f"{root}/{part}/{published.module.SOURCE.labels[label]}/{name}"
            archive.writestr(inner, png(image))
        archive.writestr(f"{root}/README.md", b"-")


class Response(io.BytesIO):
    headers: ClassVar[dict[str, str]] = {}


@pytest.mark.smoke
def test_each_source_gives_the_same_data_set(published, photographs, tmp_path, monkeypatch):
    places = [tmp_path / name for name in ("tar", "folder", "zip", "nothing")]
    for place in places:
        place.mkdir()
    name = published.module.SOURCE.name
    official(published, photographs, places[0], monkeypatch)
    folder(published, photographs, places[1] / name)
    zipped(published, photographs, places[2])
    served = {
        f"https://www.cs.toronto.edu/~kriz/{published.archive}": places[0] / published.archive
    }
    monkeypatch.setattr(
        urllib.request, "urlopen", lambda url, timeout: Response(served[url].read_bytes())
    )
    loaded = [registry.load(name, place) for place in places]
    classes = len(published.module.SOURCE.labels)
    for data in loaded:
        assert (data.name, data.shape, data.maps) == (name, (3, 32, 32), 3)
        assert len(data.labels) == classes
        for field in ("train_images", "train_labels", "test_images", "test_labels"):
            np.testing.assert_array_equal(getattr(data, field), getattr(loaded[0], field))
    pairs = {(image.tobytes(), part, label) for part, label, _, image in photographs}
    for part in ("train", "test"):
        images, labels = getattr(data, f"{part}_images"), getattr(data, f"{part}_labels")
        assert images.dtype == np.uint8
        assert len(images) == classes * {"train": 2, "test": 1}[part]
        assert {(i.tobytes(), part, k) for i, k in zip(images, labels, strict=True)} <= pairs
        assert (labels[1:] < labels[:-1]).any()  # shuffled


def test_names_of_the_classes():
    """In the order of the official numbers."""
    ten, hundred = cifar10.SOURCE.labels, cifar100.SOURCE.labels
    assert [ten[k] for k in (0, 3, 9)] == ["airplane", "cat", "truck"]
    assert [hundred[k] for k in (0, 42, 99)] == ["apple", "leopard", "worm"]
    for labels, count in ((ten, 10), (hundred, 100)):
        assert list(labels) == sorted(set(labels))
        assert len(labels) == count


@pytest.mark.deep
@pytest.mark.parametrize("name", PUBLISHED)
def test_the_data_are_those_that_are_known(name, request):
    """As many of each class, and the mean and deviation of the pixels to learn from that others
    found.
    """
    data = request.getfixturevalue(name)
    classes = len(data.labels)
    for labels, count in ((data.train_labels, 50_000), (data.test_labels, 10_000)):
        assert np.bincount(labels).tolist() == [count // classes] * classes
    values = data.train_images.reshape(-1, 3) / 255
    np.testing.assert_allclose(values.mean(0), PUBLISHED[name].mean, atol=6e-5)
    np.testing.assert_allclose(values.std(0), PUBLISHED[name].deviation, atol=6e-5)


def test_the_copy_within_its_own_folder(published, photographs, tmp_path):
    copy, find = tmp_path / copy_of(published), published.module.find
    folder(published, photographs, copy)
    assert find(tmp_path) == copy
    assert find(copy) == copy
    assert find(copy / "train") is None


def test_one_is_not_taken_for_the_other(published, photographs, tmp_path):
    folder(published, photographs, tmp_path)
    finds = {name: each.module.find(tmp_path) for name, each in PUBLISHED.items()}
    assert [name for name, found in finds.items() if found] == [published.module.SOURCE.name]


def test_the_folder_that_is_named_comes_first(published, photographs, tmp_path):
    """Though the cache has the archive, which is not even intact."""
    cache = tmp_path / "cache" / "firstspike" / published.module.SOURCE.name
    cache.mkdir(parents=True)
    (cache / published.archive).write_bytes(b"not it")
    folder(published, photographs, tmp_path / "mine" / published.module.SOURCE.name)
    data = published.module.load(tmp_path / "mine")
    assert len(data.test_labels) == len(data.labels)


def test_a_pickle_that_calls_something_is_not_obeyed(published, photographs, tmp_path, monkeypatch):
    """Even with the right md5."""
    target = tmp_path / "called"
    call = b"cos\nmkdir\n" + text(str(target).encode()) + b"\x85R0"
    official(
        published,
        photographs,
        tmp_path,
        monkeypatch,
        lambda content: content[:2] + call + content[2:],
    )
    with pytest.raises(pickle.UnpicklingError, match=r"os\.mkdir"):
        published.module.load(tmp_path)
    assert not target.exists()


def test_another_archive_is_refused_unread(published, tmp_path):
    (tmp_path / published.archive).write_bytes(b"not it")
    fault = rf"{published.archive}: content has md5 .*, must be {published.md5}; move it"
    with pytest.raises(UserError, match=fault):
        published.module.load(tmp_path)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (
            lambda file: file.unlink(),
            r"pixels of {fewer} images have md5 .*, must be .*move it away",
        ),
        (lambda file: file.write_bytes(b"-"), r"cannot be read as {title} \(.*\); move it away"),
        (
            lambda file: file.write_bytes(png(np.zeros((8, 9, 3), np.uint8))),
            r"cannot be read as {title} \({file} has 8 × 9 pixels\); move it away",
        ),
        (
            lambda file: file.write_bytes(png(np.zeros((32, 32, 3), np.uint8))),
            "pixels of {all} images have md5",
        ),
    ],
    ids=["missing", "damaged", "size", "other"],
)
def test_a_copy_that_is_not_right(published, photographs, tmp_path, change, fault):
    source = published.module.SOURCE
    folder(published, photographs, tmp_path / source.name)
    part, label, file, _ = photographs[7]
    change(tmp_path / source.name / part / source.labels[label] / file)
    count = len(photographs)
    title = copy_of(published).removesuffix("-dataset")
    fault = fault.format(fewer=count - 1, all=count, title=title, file=file)
    with pytest.raises(UserError, match=f"{source.name}: {fault}"):
        published.module.load(tmp_path)


def test_where_it_is_not(published, tmp_path, monkeypatch):
    def refuse(url, timeout):
        raise OSError("no network here")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    assert published.module.find(tmp_path) is None
    name = published.module.SOURCE.name
    fault = rf"{published.archive}: cannot be fetched .*put the file into a folder {name}/"
    with pytest.raises(UserError, match=fault):
        published.module.load(tmp_path)
