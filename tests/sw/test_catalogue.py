"""The zoo's page says what its files are."""

import re

import numpy as np
import pytest
from networks import image_network

from sw import catalogue, network
from sw.cli import UserError
from sw.network import CODINGS, ZOO, find, zoo_names


def test_page_is_what_the_files_give(mnist, fashion_mnist):
    assert (ZOO / "README.md").read_text(encoding="utf-8") == catalogue.page()


@pytest.mark.parametrize("name", zoo_names())
def test_names_follow_from_what_they_hold(name):
    zoo = find(name, codings=CODINGS)
    steps = f"k{zoo.steps}" if zoo.coding == "bistable" else f"t{zoo.steps}"
    assert re.fullmatch(
        rf"{zoo.provenance['dataset']}-{re.escape(zoo.structure)}-{steps}(-[a-z0-9]+)?", name
    )
    assert f"--out sw/zoo/{name}.safetensors" in zoo.provenance["command"]
    assert zoo.provenance["command"].startswith("python -m sw.train --dataset ")


def test_wrong_provenance_is_refused(tmp_path, monkeypatch):
    for module in (catalogue, network):
        monkeypatch.setattr(module, "ZOO", tmp_path)
    image_network(np.random.default_rng(0)).save(tmp_path / "bad.safetensors")
    with pytest.raises(UserError, match=r"bad: test accuracy is 0\.\d+, its provenance says 0.5"):
        catalogue.page()
