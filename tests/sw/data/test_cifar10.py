"""CIFAR-10: the official archive, pickled by Python 2, and the copy in PNG files."""

import hashlib
import io
import pickle
import struct
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image

from sw.cli import UserError
from sw.data import cifar10, registry, sources

TAR = "cifar-10-python.tar.gz"


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


def batch(pixels, labels, names):
    """A batch, by opcodes of protocol 2."""
    return b"".join(
        [
            b"\x80\x02}(",
            text(b"batch_label") + text(b"testing batch 1 of 1"),
            text(b"labels") + b"](" + b"".join(b"K" + bytes([n]) for n in labels) + b"e",
            text(b"data") + array(pixels),
            text(b"filenames") + b"](" + b"".join(map(text, names)) + b"e",
            b"u.",
        ]
    )


@pytest.fixture
def photographs(rng, monkeypatch, tmp_path):
    """Of each class two to learn from and one for testing, in the order of class and name."""
    monkeypatch.setattr(sources, "_SYSTEM", tmp_path / "system")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("FIRSTSPIKE_DATA", raising=False)
    found = [
        (part, label, f"{n}_{'zyxwvutsrq'[label]}.png", rng.integers(0, 256, (32, 32, 3), np.uint8))
        for part, count in (("train", 2), ("test", 1))
        for label in range(10)
        for n in range(count)
    ]
    digest = hashlib.md5(b"".join(image.tobytes() for *_, image in found)).hexdigest()
    monkeypatch.setattr(cifar10, "_PIXELS_MD5", digest)
    return found


def official(photographs, path, monkeypatch, change=lambda content: content):
    """The archive, in another order; its md5 becomes the right one."""
    shuffled = photographs[::-1]
    learn = [each for each in shuffled if each[0] == "train"]
    parts = {f"data_batch_{k + 1}": learn[4 * k : 4 * k + 4] for k in range(5)}
    parts["test_batch"] = [each for each in shuffled if each[0] == "test"]
    with tarfile.open(path / TAR, "w:gz") as archive:
        for name, part in parts.items():
            pixels = np.stack([np.moveaxis(image, 2, 0).ravel() for *_, image in part])
            labels, names = [each[1] for each in part], [each[2].encode() for each in part]
            content = change(batch(pixels, labels, names))
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        archive.addfile(tarfile.TarInfo("cifar-10-batches-py/readme.html"))
    digest = hashlib.md5((path / TAR).read_bytes()).hexdigest()
    monkeypatch.setattr(cifar10, "_TAR_MD5", digest)


def png(image):
    target = io.BytesIO()
    Image.fromarray(image).save(target, "png")
    return target.getvalue()


def folder(photographs, root):
    for part, label, name, image in photographs:
        place = root / part / cifar10.LABELS[label]
        place.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(png(image))


def zipped(photographs, path):
    with zipfile.ZipFile(path / "CIFAR-10-dataset-main.zip", "w") as archive:
        for part, label, name, image in photographs[::-1]:
            inner = f"CIFAR-10-dataset-main/{part}/{cifar10.LABELS[label]}/{name}"
            archive.writestr(inner, png(image))
        archive.writestr("CIFAR-10-dataset-main/README.md", b"-")


@pytest.mark.smoke
def test_each_source_gives_the_same_data_set(photographs, tmp_path, monkeypatch):
    places = [tmp_path / name for name in ("tar", "folder", "zip")]
    for place in places:
        place.mkdir()
    official(photographs, places[0], monkeypatch)
    folder(photographs, places[1] / "cifar10")
    zipped(photographs, places[2])
    loaded = [registry.load("cifar10", place) for place in places]
    for data in loaded:
        assert (data.name, data.shape, data.maps) == ("cifar10", (3, 32, 32), 3)
        assert data.labels[0] == "airplane"
        assert data.labels[9] == "truck"
        for field in ("train_images", "train_labels", "test_images", "test_labels"):
            np.testing.assert_array_equal(getattr(data, field), getattr(loaded[0], field))
    pairs = {(image.tobytes(), part, label) for part, label, _, image in photographs}
    for part in ("train", "test"):
        images, labels = getattr(data, f"{part}_images"), getattr(data, f"{part}_labels")
        assert images.dtype == np.uint8
        assert len(images) == {"train": 20, "test": 10}[part]
        assert {(i.tobytes(), part, k) for i, k in zip(images, labels, strict=True)} <= pairs
        assert (labels[1:] < labels[:-1]).any()  # shuffled


def test_the_copy_within_its_own_folder(photographs, tmp_path):
    folder(photographs, tmp_path / "CIFAR-10-dataset")
    assert cifar10.find(tmp_path) == tmp_path / "CIFAR-10-dataset"
    assert cifar10.find(tmp_path / "CIFAR-10-dataset") == tmp_path / "CIFAR-10-dataset"
    assert cifar10.find(tmp_path / "CIFAR-10-dataset" / "train") is None


def test_the_folder_that_is_named_comes_first(photographs, tmp_path):
    """Though the cache has the archive, which is not even intact."""
    cache = tmp_path / "cache" / "firstspike" / "cifar10"
    cache.mkdir(parents=True)
    (cache / TAR).write_bytes(b"not it")
    folder(photographs, tmp_path / "mine" / "cifar10")
    assert len(cifar10.load(tmp_path / "mine").test_labels) == 10


def test_a_pickle_that_calls_something_is_not_obeyed(photographs, tmp_path, monkeypatch):
    """Even with the right md5."""
    target = tmp_path / "called"
    call = b"cos\nmkdir\n" + text(str(target).encode()) + b"\x85R0"
    official(photographs, tmp_path, monkeypatch, lambda content: content[:2] + call + content[2:])
    with pytest.raises(pickle.UnpicklingError, match=r"os\.mkdir"):
        cifar10.load(tmp_path)
    assert not target.exists()


def test_another_archive_is_refused_unread(photographs, tmp_path):
    (tmp_path / TAR).write_bytes(b"not it")
    with pytest.raises(UserError, match=rf"{TAR}: content has md5 .*, must be c58f3010.*move it"):
        cifar10.load(tmp_path)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda file: file.unlink(), r"pixels of 29 images have md5 .*, must be .*move it away"),
        (lambda file: file.write_bytes(b"-"), r"cannot be read as CIFAR-10 \(.*\); move it away"),
        (
            lambda file: file.write_bytes(png(np.zeros((8, 9, 3), np.uint8))),
            r"cannot be read as CIFAR-10 \(1_w.png has 8 × 9 pixels\); move it away",
        ),
        (
            lambda file: file.write_bytes(png(np.zeros((32, 32, 3), np.uint8))),
            "pixels of 30 images have md5",
        ),
    ],
    ids=["missing", "damaged", "size", "other"],
)
def test_a_copy_that_is_not_right(photographs, tmp_path, change, fault):
    folder(photographs, tmp_path / "cifar10")
    change(tmp_path / "cifar10" / "train" / "cat" / "1_w.png")
    with pytest.raises(UserError, match=f"cifar10: {fault}"):
        cifar10.load(tmp_path)


def test_where_it_is_not(photographs, tmp_path, monkeypatch):
    monkeypatch.setattr(cifar10, "_URL", "http://127.0.0.1:9/cifar-10-python.tar.gz")
    assert cifar10.find(tmp_path) is None
    with pytest.raises(UserError, match=r"cannot be fetched .*put the file into a folder cifar10/"):
        cifar10.load(tmp_path)
