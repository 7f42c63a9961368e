"""The command ``python -m sw.evaluate``, and its figures for the networks that ship."""

import json
import subprocess
import sys

import pytest
from networks import image_network, random_network

from sim import golden
from sw import evaluate
from sw.cli import UserError
from sw.inference import run_images
from sw.network import find, zoo_names

NAMES = {
    "images",
    "accuracy",
    "lenient_accuracy",
    "decision_step_mean",
    "hidden_spikes_mean",
    "hidden_spikes_before_decision_mean",
}


@pytest.fixture
def saved(rng, tmp_path):
    image_network(rng).save(tmp_path / "mine.safetensors")
    return tmp_path / "mine.safetensors"


def test_command(saved, tmp_path, capsys, digits):
    evaluate.main([str(saved), "--json", str(tmp_path / "f.json")])
    figures = json.loads((tmp_path / "f.json").read_text())
    assert set(figures) >= NAMES
    answer = golden.run_images(find(saved), digits.test_images)
    assert figures == answer.figures(digits.test_labels).to_dict()
    out = capsys.readouterr().out
    assert "random: 64-5-10, 16 steps, digits" in out
    assert f"{figures['accuracy']:.2%}" in out
    evaluate.main([str(saved), "-q"])
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", zoo_names())
def test_zoo_equals_the_golden_model(name, request):
    network = find(name)
    dataset = request.getfixturevalue(network.provenance["dataset"])
    images, labels = dataset.test_images[:1000], dataset.test_labels[:1000]
    mine, theirs = (run(network, images).figures(labels) for run in (run_images, golden.run_images))
    assert mine == theirs


def test_refuses_another_kind_of_data(rng, digits):
    for network, takes in (
        (image_network(rng, shape=(28, 28)), r"\(28, 28\)"),
        (random_network(rng, (64, 10), 16), "events"),
    ):
        with pytest.raises(UserError, match=rf"takes {takes}, digits has images \(8, 8\)"):
            evaluate.evaluate(network, digits)
    other = random_network(rng, (64, 3), 16, encoder=image_network(rng).encoder)
    with pytest.raises(UserError, match="its classes are not those of digits"):
        evaluate.evaluate(other, digits)


def test_error_is_one_line():
    run = subprocess.run(
        [sys.executable, "-m", "sw.evaluate", "no-such-network"], capture_output=True, text=True
    )
    assert run.returncode == 2
    assert run.stdout == ""
    assert run.stderr.startswith("error: no-such-network: cannot be read")
    assert run.stderr.count("\n") == 1
