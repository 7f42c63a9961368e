"""The command ``python -m sw.evaluate``, and its figures for the networks that ship."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest
from networks import image_network, random_network, speech

from sim import golden
from sw import evaluate
from sw.cli import UserError
from sw.data.registry import EVENT_DATASETS
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
    if dataset.name in EVENT_DATASETS:
        theirs = golden.run(network, dataset.test_events.spikes(network.steps))
    else:
        dataset = replace(
            dataset, test_images=dataset.test_images[:1000], test_labels=dataset.test_labels[:1000]
        )
        theirs = golden.run_images(network, dataset.test_images)
    assert evaluate.evaluate(network, dataset) == theirs.figures(dataset.test_labels).to_dict()


def test_events_equal_the_golden_model(rng):
    words = speech(rng)
    network = random_network(rng, (12, 9, 3), 7)
    network = replace(network, labels=words.labels)
    theirs = golden.run(network, words.test_events.spikes(7)).figures(words.test_labels)
    assert evaluate.evaluate(network, words) == theirs.to_dict()


def test_refuses_another_kind_of_data(rng, digits):
    words = speech(rng)
    small, large = r"images \(8, 8\)", r"images \(28, 28\)"
    for network, data, takes, has in (
        (image_network(rng, shape=(28, 28)), digits, large, f"digits has {small}"),
        (random_network(rng, (64, 10), 16), digits, "events of 64 channels", f"digits has {small}"),
        (image_network(rng), words, small, "fsdd has events of 12 channels"),
        (random_network(rng, (9, 3), 16), words, "events of 9 channels", "fsdd has events of 12"),
    ):
        with pytest.raises(UserError, match=f"takes {takes}, {has}"):
            evaluate.evaluate(network, data)
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
