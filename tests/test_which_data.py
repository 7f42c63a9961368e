"""Every command refuses data that its network does not take, and all say so in the same words."""

from dataclasses import replace

import numpy as np
import pytest
from data_commands import each_data_command
from networks import data_of

import hw.table
from hw.explore.measure import measure
from hw.rtl.config import DEFAULT
from sw.cli import UserError
from sw.data import registry
from sw.network import find

MESSAGE = (
    "network 'mnist-512-192-10-t8': its classes are not those of fashion_mnist; "
    "name the data set that it was trained on, with --dataset or in its provenance"
)


@pytest.fixture
def clothes(monkeypatch):
    """Fashion-MNIST: of MNIST's shape, with other classes."""
    images, classes = np.zeros((3, 28, 28), np.uint8), np.arange(3)
    labels = registry.fashion_mnist.SOURCE.labels
    data = data_of(images, classes, labels, "fashion_mnist")
    monkeypatch.setattr(registry, "load", lambda name, data_dir: data)


@pytest.fixture
def mistaken():
    """A network for MNIST whose provenance names Fashion-MNIST."""
    network = find("mnist-512-192-10-t8")
    return replace(network, provenance={**network.provenance, "dataset": "fashion_mnist"})


@each_data_command
def test_data_set_that_is_named(clothes, tmp_path, monkeypatch, module, flags):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as refused:
        module.main(["mnist-512-192-10-t8", "--dataset", "fashion_mnist", *flags])
    assert str(refused.value) == MESSAGE
    assert not list(tmp_path.iterdir())


@each_data_command
def test_data_set_of_the_provenance(clothes, mistaken, tmp_path, monkeypatch, module, flags):
    monkeypatch.chdir(tmp_path)
    mistaken.save("mistaken")
    with pytest.raises(UserError) as refused:
        module.main(["mistaken", *flags])
    assert str(refused.value) == MESSAGE
    assert [path.name for path in tmp_path.iterdir()] == ["mistaken"]


def test_measuring(clothes, mistaken, tmp_path):
    figures = measure(mistaken)
    assert (figures.accuracy, figures.note) == (None, f"not measured: {MESSAGE}")
    with pytest.raises(UserError, match="its classes are not those"):
        hw.table.initiation_interval(mistaken, DEFAULT, build_dir=tmp_path)
