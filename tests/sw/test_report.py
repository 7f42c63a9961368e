"""The command ``python -m sw.report``: the answer at each step, confusion, pictures."""

import json
from dataclasses import replace

import numpy as np
import pytest
from networks import image_network, map_network, random_network, speech

from sim import golden
from sw import report
from sw.cli import UserError, write_json
from sw.encoder import LatencyEncoder, Spikes
from sw.learn.history import Epoch
from sw.learn.inference import run_images
from sw.reports.behaviour import accuracy_at_step, confusion

PNG = b"\x89PNG"


def by_hand(network, images, labels, step):
    """The class when stopped at the end of ``step``: who fired first, else the largest margin."""
    right = 0
    for image, label in zip(images, labels, strict=True):
        arrived = network.encoder.times(image[None], network.steps)[0]
        for layer in network.layers:
            sign = np.where(layer.weight, 1, -1)
            v = np.array([sign @ (arrived <= t) for t in range(step + 1)])
            fired = v >= layer.threshold
            arrived = np.where(fired.any(axis=0), fired.argmax(axis=0), network.steps)
        first = arrived.min()
        at = min(first, step)
        margin = (v[at] - layer.threshold).astype(float)
        if first <= step:
            margin[arrived > first] = -np.inf
        right += int(margin.argmax() == label)
    return right / len(labels)


def test_stopped_by_hand(rng, digits):
    network = image_network(rng, hidden=12, steps=8)
    images, labels = digits.test_images[:60], digits.test_labels[:60]
    answer = run_images(network, images)
    accuracy = accuracy_at_step(network, images, answer, labels)
    assert accuracy == [by_hand(network, images, labels, step) for step in range(8)]
    assert accuracy[-1] == run_images(network, images).figures(labels).accuracy


def test_stopped_events_are_a_shorter_window(rng):
    words = speech(rng)
    network = replace(random_network(rng, (12, 9, 3), 6, low=2), labels=words.labels)
    spikes = words.test_events.spikes(6)
    answer = golden.run(network, spikes)
    accuracy = accuracy_at_step(network, spikes, answer, words.test_labels)
    for step in range(6):
        seen = spikes.step <= step
        shorter = Spikes(
            count=spikes.count,
            image=spikes.image[seen],
            step=spikes.step[seen],
            unit=spikes.unit[seen],
        )
        answered = golden.run(replace(network, steps=step + 1), shorter)
        assert accuracy[step] == answered.figures(words.test_labels).accuracy
    assert len(set(accuracy)) > 1


@pytest.mark.smoke
def test_confusion_by_hand():
    matrix = confusion(np.array([0, 2, 2, 1]), np.array([0, 0, 2, 1]), 3)
    assert matrix.tolist() == [[1, 0, 1], [0, 1, 0], [0, 0, 1]]


def test_examples_lie_where_their_pixels_do(rng, digits):
    """Of two maps, one above the other, pooled, three places chosen: 1, 2 and 13 of 4 × 4."""
    encoder = LatencyEncoder(shape=(8, 8), pool=2, select=(1, 2, 13))
    network = random_network(rng, (3, 5, 10), 8, encoder=encoder)
    shown = report.examples(network, replace(digits, maps=2))
    assert shown.shape == (10, 2, 2, 4)
    first = digits.test_images[digits.test_labels == 3][0]
    at = encoder.times(first[None], 8)[0]
    assert shown[3].tolist() == [[[8, at[0], at[1], 8], [8] * 4], [[8] * 4, [8, at[2], 8, 8]]]


def test_examples_of_colours(rng, digits):
    """Channels are maps, side by side."""
    encoder = LatencyEncoder(shape=(3, 8, 8), pool=2)
    network = map_network(rng, "2c3-10", 8, encoder)
    colours = rng.integers(0, 256, (*digits.test_images.shape, 3)).astype(np.uint8)
    data = replace(digits, train_images=colours[:2], test_images=colours, maps=3)
    shown = report.examples(network, data)
    assert shown.shape == (10, 3, 4, 4)
    first = colours[digits.test_labels == 3][:1]
    for channel in range(3):
        grey = LatencyEncoder(shape=(8, 8), pool=2).times(first[..., channel], 8)
        np.testing.assert_array_equal(shown[3, channel].ravel(), grey[0])


def test_command(rng, tmp_path, capsys, digits):
    network = image_network(rng)
    network.save(tmp_path / "mine.safetensors")
    epochs = [
        Epoch(
            epoch=e,
            rate=0.1,
            validation_accuracy=0.9,
            decision_step_mean=2.0,
            spikes_mean=(3.0, 1.0),
        )
        for e in (1, 2)
    ]
    write_json(tmp_path / "log.json", {"epochs": epochs})
    report.main(
        [
            str(tmp_path / "mine.safetensors"),
            *("--log", str(tmp_path / "log.json")),
            *("--out", str(tmp_path / "pictures")),
            *("--json", str(tmp_path / "f.json")),
        ]
    )
    names = {"accuracy_by_step.png", "confusion.png", "inputs.png", "learning_curve.png"}
    page = {"report.html", "evaluation-digits.json"}
    assert {path.name for path in (tmp_path / "pictures").iterdir()} == names | page
    for name in names:
        assert (tmp_path / "pictures" / name).read_bytes().startswith(PNG)
    figures = json.loads((tmp_path / "f.json").read_text())
    answer = golden.run_images(network, digits.test_images)
    assert figures["accuracy_at_step"][-1] == answer.figures(digits.test_labels).accuracy
    assert figures["decided_by_step"][-1] == 1
    assert np.sum(figures["confusion"]) == len(digits.test_labels)
    assert "right [%]" in capsys.readouterr().out


def test_refusals(rng, tmp_path):
    image_network(rng).save(tmp_path / "mine.safetensors")
    with pytest.raises(UserError, match="is not the log of a training run"):
        report.main([str(tmp_path / "mine.safetensors"), "--log", __file__])
    image_network(rng, shape=(28, 28)).save(tmp_path / "other.safetensors")
    with pytest.raises(UserError, match="digits has images"):
        report.main([str(tmp_path / "other.safetensors")])
