"""Folders of images of one's own."""

import numpy as np
import pytest
from networks import trained_on
from PIL import Image

from sw.cli import UserError
from sw.data import images, own, registry
from sw.selection import Selection

PLAIN = Selection()


def picture(path, values, **kwargs):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(values)).save(path, **kwargs)


def cats_and_dogs(root, parts=("",), count=4, shape=(3, 5)):
    for part in parts:
        for label, name in enumerate(("cat", "dog")):
            for index in range(count):
                values = np.full(shape, 10 * index + label, np.uint8)
                picture(root / part / name / f"{index}.png", values)
    return str(root)


@pytest.mark.smoke
def test_a_folder_for_each_class(tmp_path):
    path = cats_and_dogs(tmp_path / "meine Bilder – süß")
    data = own.load(path, PLAIN)
    assert (data.shape, data.labels) == ((3, 5), ("cat", "dog"))
    assert (len(data.train_labels), len(data.test_labels)) == (6, 2)
    assert (data.train_images[:, 0, 0] % 10 == data.train_labels).all()


def test_train_and_test(tmp_path):
    path = cats_and_dogs(tmp_path, ("train", "test"))
    (tmp_path / "test" / "cat" / "3.png").unlink()
    data = own.load(path, PLAIN)
    assert (len(data.train_labels), len(data.test_labels)) == (8, 7)


def test_only_images_count(tmp_path):
    """Hidden ones, notes and what other systems leave do not; those further below do."""
    path = cats_and_dogs(tmp_path)
    for name in ("cat/Thumbs.db", "cat/.hidden.png", "cat/notes.txt", ".git/x.png", "README.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"no image")
    picture(tmp_path / "cat" / "further" / "4.PNG", np.zeros((3, 5), np.uint8))
    data = own.load(path, PLAIN)
    assert len(data.train_labels) + len(data.test_labels) == 9


def test_size(tmp_path):
    path = cats_and_dogs(tmp_path)
    picture(tmp_path / "cat" / "large.png", np.full((30, 50), 77, np.uint8))
    with pytest.raises(UserError, match=r"large.png: is 30 × 50 pixels, .*is 3 × 5; .*--size H W"):
        own.load(path, PLAIN)
    data = own.load(path, Selection(size=(4, 6)))
    assert data.shape == (4, 6)
    everything = np.concatenate([data.train_images, data.test_images])
    assert [77] * 24 in everything.reshape(-1, 24).tolist()
    assert data.reading["size"] == [4, 6]


def two_classes(root, values):
    """One image of ``values`` and one that is black, two of each class."""
    for index in range(2):
        picture(root / "a" / f"{index}.png", values)
        picture(root / "b" / f"{index}.png", np.zeros((3, 5), np.uint8))
    return str(root)


RED = np.full((3, 5, 3), (255, 0, 0), np.uint8)


@pytest.mark.parametrize(
    ("values", "flag", "grey"),
    [
        (RED, True, 76),  # ITU-R 601: 0.299 of red
        (np.full((3, 5, 3), 9, np.uint8), None, 9),  # three channels, and no colour
        (np.full((3, 5, 2), (9, 0), np.uint8), None, 9),
        (np.full((3, 5), 0x1234, np.uint16), None, 0x12),
    ],
    ids=["colour", "grey as colour", "transparent", "16 bits"],
)
def test_grey(tmp_path, values, flag, grey):
    data = own.load(two_classes(tmp_path, values), Selection(grey=flag))
    assert (data.shape, data.maps) == ((3, 5), 1)
    assert data.train_images.max(axis=(1, 2)).tolist() == [grey, 0]
    assert data.reading["grey"] is True


def test_colours_are_channels_one_below_the_other(tmp_path):
    data = own.load(two_classes(tmp_path / "mine", RED), PLAIN)
    assert (data.shape, data.maps, data.oriented) == ((9, 5), 3, False)
    assert data.train_images[0].tolist() == [[255] * 5] * 3 + [[0] * 5] * 6
    assert not data.train_images[1].any()
    network = trained_on(data, str(tmp_path / "mine"))
    other = two_classes(tmp_path / "other", np.full((3, 5), 9, np.uint8))
    taken, _ = registry.load_for(network, Selection(dataset=other))
    assert taken[0].tolist() == [[9] * 5] * 9  # grey ones as the network takes them


def test_the_way_up_that_a_camera_noted(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90°
    for name in ("a", "b"):
        for index in range(2):
            picture(tmp_path / name / f"{index}.png", np.zeros((3, 5), np.uint8), exif=exif)
    assert own.load(str(tmp_path), PLAIN).shape == (5, 3)


def test_an_image_that_cannot_be_read(tmp_path):
    path = cats_and_dogs(tmp_path)
    broken = tmp_path / "dog" / "2.png"
    whole = broken.read_bytes()
    for content in (b"", b"no image", whole[: len(whole) // 2]):
        broken.write_bytes(content)
        with pytest.raises(
            UserError, match=r"/dog/2.png: cannot be read as an image \("
        ) as refused:
            own.load(path, PLAIN)
        assert len(str(refused.value).splitlines()) == 1


def test_an_image_that_is_too_large_is_not_unpacked(tmp_path, monkeypatch):
    path = cats_and_dogs(tmp_path)
    picture(tmp_path / "dog" / "9.png", np.zeros((40, 50), np.uint8))
    monkeypatch.setattr(images, "_PIXELS", 1000)
    with pytest.raises(UserError, match=r"dog/9.png: has 2,000 pixels, at most 1,000"):
        own.load(path, Selection(size=(3, 5)))


def test_more_pixels_than_features(tmp_path):
    path = cats_and_dogs(tmp_path, count=2, shape=(256, 257))
    with pytest.raises(UserError, match="65,792 features per example, must have 1 … 65,535"):
        own.load(path, PLAIN)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "has no folders of images or WAV files, one per class"),
        (["cat"], "cat: has no images or WAV files"),
        (["train", "test"], "test: has no folders of images or WAV"),
        (["train/cat", "test/cat", "val/cat"], "val: lies beside train and test"),
    ],
)
def test_empty_folders(tmp_path, names, message):
    for name in names:
        (tmp_path / name).mkdir(parents=True)
        if "/" in name:
            picture(tmp_path / name / "1.png", np.zeros((3, 5), np.uint8))
    with pytest.raises(UserError, match=message):
        own.load(str(tmp_path), PLAIN)


def test_one_class(tmp_path):
    cats_and_dogs(tmp_path)
    for file in (tmp_path / "dog").iterdir():
        file.unlink()
    (tmp_path / "dog").rmdir()
    with pytest.raises(UserError, match="one class only, 'cat'"):
        own.load(str(tmp_path), PLAIN)
