"""Data sets by name, and those that a network takes."""

from dataclasses import replace

import numpy as np
import pytest
from networks import PROVENANCE, data_of, image_network, random_network, speech

from sw.cli import UserError
from sw.data import registry
from sw.network import find
from sw.selection import Selection


def images_of(shape, labels, name="pictures"):
    return data_of(np.zeros((2, *shape), np.uint8), np.zeros(2, np.int64), labels, name)


def test_refuses_unknown_names():
    names = r"one of digits, mnist, .*, fsdd, shd, or the path of a file or folder, not 'cifar'"
    with pytest.raises(UserError, match=f"Data set must be {names}"):
        registry.load("cifar")


@pytest.mark.parametrize("name", ["digits", "mnist", "fsdd"])
def test_refuses_folders_that_are_not_there(tmp_path, monkeypatch, name):
    (tmp_path / "file").write_bytes(b"")
    for place in ("nowhere", "file"):
        with pytest.raises(UserError, match=rf"/{place}: no such folder; .* with --data-dir$"):
            registry.load(name, tmp_path / place)
        monkeypatch.setenv("FIRSTSPIKE_DATA", str(tmp_path / place))
        with pytest.raises(UserError, match=rf"/{place}: no such folder; set FIRSTSPIKE_DATA to"):
            registry.load(name)
        monkeypatch.delenv("FIRSTSPIKE_DATA")


def test_an_empty_environment_names_no_folder(monkeypatch):
    monkeypatch.setenv("FIRSTSPIKE_DATA", "")
    assert registry.load("digits").name == "digits"


def test_images_for_a_network(rng, digits):
    images, labels = registry.load_for(image_network(rng))  # its provenance says digits
    assert np.array_equal(images, digits.test_images)
    assert np.array_equal(labels, digits.test_labels)
    images, labels = registry.load_for(image_network(rng), Selection(dataset="digits"), count=5)
    assert np.array_equal(images, digits.test_images[:5])
    assert np.array_equal(labels, digits.test_labels[:5])


@pytest.mark.parametrize(("count", "recordings"), [(None, 60), (7, 7), (99, 60)])
def test_events_for_a_network(rng, monkeypatch, count, recordings):
    words = speech(rng)
    monkeypatch.setattr(registry, "load", lambda name, data_dir: words)
    network = random_network(rng, (12, 3), 9)
    spikes, labels = registry.load_for(network, Selection(dataset="fsdd"), count=count)
    expected = words.test_events[np.arange(recordings)].spikes(9)
    for field in ("count", "image", "step", "unit"):
        assert np.array_equal(getattr(spikes, field), getattr(expected, field))
    assert np.array_equal(labels, words.test_labels[:recordings])


REMEDY = "; name the data set that it was trained on, with --dataset or in its provenance$"


@pytest.mark.smoke
def test_refuses_other_inputs(rng):
    words, digits = speech(rng), images_of((8, 8), tuple("0123456789"), "digits")
    small, large = "images of 8 × 8 pixels", "images of 28 × 28 pixels"
    for network, data, takes, has in (
        (image_network(rng, shape=(28, 28)), digits, large, f"digits has {small}"),
        (random_network(rng, (64, 10), 16), digits, "events of 64 channels", f"digits has {small}"),
        (image_network(rng), words, small, "fsdd has events of 12 channels"),
        (random_network(rng, (9, 3), 16), words, "events of 9 channels", "fsdd has events of 12"),
    ):
        with pytest.raises(UserError, match=f"^network 'random': takes {takes}, {has}.*{REMEDY}"):
            registry.check(network, data)


def test_refuses_other_classes(rng):
    """Of the same shape, as MNIST's and Fashion-MNIST's images are; fewer, or in another order."""
    clothes = registry.fashion_mnist.SOURCE.labels
    network = find("mnist-784-600-10-t8")
    registry.check(network, images_of((28, 28), network.labels))
    for labels in (clothes, network.labels[:9], network.labels[::-1]):
        with pytest.raises(
            UserError, match=f"'{network.name}': its classes are not those of pictures{REMEDY}"
        ):
            registry.check(network, images_of((28, 28), labels))


def test_provenance_that_names_no_data_set(rng):
    network = replace(image_network(rng), provenance={**PROVENANCE, "dataset": ["digits"]})
    with pytest.raises(UserError, match=r"^Data set must be one of .*, not \"\['digits'\]\"$"):
        registry.load_for(network)
