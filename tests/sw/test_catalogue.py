"""The zoo's page says what its files are."""

import re

import numpy as np
import pytest
from networks import image_network

from sw import catalogue, network
from sw.cli import UserError
from sw.network import CODINGS, ZOO, find, zoo_names

PAGE = (ZOO / "README.md").read_text(encoding="utf-8")


def test_the_page_lists_all():
    assert re.findall(r"^## (.*)$", PAGE, re.MULTILINE) == zoo_names()


@pytest.mark.parametrize(
    "name",
    [  # an evaluation of the larger ones takes up to minutes
        pytest.param(
            name, marks=pytest.mark.deep if name.startswith("cifar10") or "64c3" in name else ()
        )
        for name in zoo_names()
    ],
)
def test_the_page_says_what_the_file_gives(name, request):
    request.getfixturevalue(find(name, codings=CODINGS).provenance["dataset"])
    assert catalogue.section(name) in PAGE


@pytest.mark.parametrize("name", zoo_names())
def test_names_follow_from_what_they_hold(name):
    zoo = find(name, codings=CODINGS)
    steps = f"k{zoo.steps}" if zoo.coding == "bistable" else f"t{zoo.steps}"
    # the gain of a shortcut is the trained one in the name, times that of its layer in the file
    gains = iter(
        layer.kind.shortcut.gain / layer.gain[0]
        for layer in zoo.layers
        if getattr(layer.kind, "shortcut", None) is not None
    )
    held = re.sub(r"(\+[0-9]+)x[0-9]+", lambda found: f"{found[1]}x{next(gains):g}", zoo.structure)
    assert re.fullmatch(
        rf"{zoo.provenance['dataset']}-{re.escape(held)}-{steps}(-[a-z0-9]+)?", name
    )
    assert f"--out sw/zoo/{name}.safetensors" in zoo.provenance["command"]
    assert zoo.provenance["command"].startswith("python -m sw.train --dataset ")


def test_wrong_provenance_is_refused(tmp_path, monkeypatch):
    for module in (catalogue, network):
        monkeypatch.setattr(module, "ZOO", tmp_path)
    image_network(np.random.default_rng(0)).save(tmp_path / "bad.safetensors")
    with pytest.raises(UserError, match=r"bad: test accuracy is 0\.\d+, its provenance says 0.5"):
        catalogue.page()
