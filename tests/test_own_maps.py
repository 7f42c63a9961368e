"""Layers on maps from a file of one's own: trained by one command, read again in the same way by
the others, which need no flags.
"""

import json

import numpy as np
import pytest
from PIL import Image

import sw.evaluate
import sw.report
import sw.train
from sim import golden
from sw.data.registry import load_for
from sw.learn.inference import run_inputs
from sw.network import Network

COUNT = 48
LABELS = np.arange(COUNT) % 2
QUICK = ["--epochs", "3", "--batch", "16", "--steps", "4", "--rule", "surrogate"]


def photographs(rng):
    """Red ones on the left, and blue ones on the right."""
    for index, label in enumerate(LABELS):
        pixels = rng.integers(0, 40, (8, 10, 3)).astype(np.uint8)
        half = slice(5 * label, 5 * label + 5)
        pixels[:, half, 2 * label] += 180
        folder = "blue" if label else "red"
        path = f"mine/{folder}/{index}.png"
        Image.fromarray(pixels).save(path)
    return ["--dataset", "mine", "--off-channel", "--augment", "crop=1", "flip=false"]


def series(rng):
    """Two channels; a pulse comes in one of them."""
    values = rng.normal(0, 0.1, (COUNT, 2, 24))
    values[np.arange(COUNT), LABELS, rng.integers(4, 20, COUNT)] += 2
    np.savez("mine.npz", inputs=values, labels=LABELS)
    return ["--dataset", "mine.npz", "--series"]


def camera(rng):
    """Something moves to the left or to the right, seen by a sensor of 6 × 8."""
    step = np.tile(np.arange(8), COUNT)
    x = np.where(np.repeat(LABELS, 8), 7 - step, step)
    np.savez(
        "mine.npz",
        times=step / 8,
        x=x,
        y=rng.integers(0, 6, len(x)),
        p=rng.integers(0, 2, len(x)),
        offsets=np.arange(0, 8 * COUNT + 1, 8),
        labels=LABELS,
        shape=[2, 6, 8],
    )
    return ["--dataset", "mine.npz"]


def digits(rng):
    return ["--dataset", "digits", "--off-channel"]


@pytest.mark.parametrize(
    ("make", "layers", "structure"),
    [
        (photographs, "4c3,f2", "6x8x10-4c3-f2-2"),
        (series, "4c1x5s1x2,8", "4x1x24-4c1x5s1x2-8-2"),
        (camera, "4c3s2", "2x6x8-4c3s2-2"),
        (digits, "4c3,f2", "2x8x8-4c3-f2-10"),
    ],
)
def test_from_data_to_figures(tmp_path, monkeypatch, rng, make, layers, structure):
    monkeypatch.chdir(tmp_path)
    for name in ("red", "blue"):
        (tmp_path / "mine" / name).mkdir(parents=True)
    flags = make(rng)
    sw.train.main([*flags, *QUICK, "--layers", layers, "--out", "net", "--no-report", "-q"])
    network = Network.load("net")
    assert network.structure == structure
    sw.evaluate.main(["net", "-q", "--json", "figures.json"])
    with open("figures.json", encoding="utf-8") as file:
        accuracy = json.load(file)["accuracy"]
    assert accuracy == network.provenance["test_accuracy"]
    inputs, labels = load_for(network)
    assert accuracy == np.mean(golden.run_inputs(network, inputs).label == labels)
    assert accuracy == np.mean(run_inputs(network, inputs).label == labels)
    sw.report.main(["net", "-q", "--out", "report"])
    assert (tmp_path / "report" / "report.html").exists()
