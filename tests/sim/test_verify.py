"""The command: what it prints, writes and returns; and that it notices every kind of difference."""

import dataclasses
import json

import numpy as np
import pytest
from cases import VERIFY
from networks import map_network

from hw.rtl.config import default_config
from sim import bistable, golden, verify
from sim.cycles.model import cycles
from sim.verilator.compare import Compared, Measured
from sw.cli import UserError
from sw.data import registry
from sw.encoder import LatencyEncoder
from sw.network import CODINGS, find

DIGITS, MNIST = "digits-64-192-10-t16", "mnist-256-256-10-t4"
BISTABLE = "digits-1x8x8-16c3p1-m2-32c3p1-10-k3"
BUILD = ["--build-dir", str(VERIFY.parent), "--no-report"]


def test_digits_on_the_whole_test_set(tmp_path, capsys):
    path = tmp_path / "figures.json"
    VERIFY.mkdir(parents=True, exist_ok=True)
    (tmp_path / "verify").symlink_to(VERIFY)  # with what was compiled before
    assert verify.main([DIGITS, "--json", str(path), "--build-dir", str(tmp_path)]) == 0
    figures = json.loads(path.read_text())
    network, digits = find(DIGITS), registry.load("digits")
    answer = golden.run_images(network, digits.test_images)
    assert figures["images"] == len(digits.test_images) == 355
    assert figures["mismatches"] == 0
    assert figures["accuracy"] == (answer.label == digits.test_labels).mean()
    expected = cycles(network, digits.test_images, answer)
    assert figures["cycles_mean"] == expected.mean()
    assert figures["cycles_max"] == expected.max()
    assert 64 <= figures["interval_cycles_mean"] < 64 + expected.max()
    assert figures["network_sha256"] == network.sha256
    assert figures["hidden_units_compared"] == 192
    assert figures["seconds"] > 0
    out, err = capsys.readouterr()
    assert err.startswith(f"compiling the RTL of {DIGITS}\n")
    assert "golden model = RTL on 355 images of digits" in out
    assert "every hidden spike" in out
    folder = tmp_path / "report" / DIGITS
    assert out.splitlines()[-1] == f"report:           {folder / 'report.html'}"
    found = json.loads((folder / "verification-rtl-event-digits.json").read_text())
    latencies = np.repeat(found["cycles"]["values"], found["cycles"]["counts"])
    assert latencies.tolist() == sorted(expected)
    evaluation = json.loads((folder / "evaluation-digits.json").read_text())
    assert evaluation["accuracy"] == figures["accuracy"]
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "spike times of all 192 hidden units are equal for each of 355 test examples" in page


def test_the_page_of_a_bistable_network(tmp_path, monkeypatch):
    """It has what the network answers to the images, as that of a first-spike one."""
    network, digits = find(BISTABLE, codings=CODINGS), registry.load("digits")
    answer = bistable.run_inputs(network, digits.test_images[:50])
    compared = Compared(
        measured=Measured(
            hidden_units_compared=0, cycles_mean=1.0, cycles_max=1, interval_cycles_mean=None
        ),
        classes=answer.label,
        answer=answer,
        cycles=np.ones(50, np.int64),
    )
    monkeypatch.setattr(verify, "compare", lambda *arguments, **options: compared)
    verify.main([BISTABLE, "--images", "50", "--build-dir", str(tmp_path), "-q"])
    values = json.loads((tmp_path / "report" / BISTABLE / "values-digits.json").read_text())
    right = answer.correct(digits.test_labels[:50])
    assert (values["images"], values["accuracy"]) == (50, right.mean())


@pytest.mark.parametrize("engine", ["event", "popcount-8,event", "folded-16-spram,event"])
def test_real_images_through_every_engine(mnist, tmp_path, engine):
    path = tmp_path / "figures.json"
    arguments = [MNIST, "--engine", engine, "--images", "100", "--json", str(path), "-q"]
    assert verify.main([*arguments, *BUILD]) == 0
    figures = json.loads(path.read_text())
    answer = golden.run_images(find(MNIST), mnist.test_images[:100])
    assert figures["accuracy"] == (answer.label == mnist.test_labels[:100]).mean()
    assert figures["hidden_units_compared"] == 256


@pytest.mark.deep
def test_mnist(mnist, tmp_path):
    path = tmp_path / "figures.json"
    arguments = ["mnist-512-192-10-t8", "--images", "2000", "--json", str(path), "-q", *BUILD]
    assert verify.main(arguments) == 0
    figures = json.loads(path.read_text())
    answer = golden.run_images(find("mnist-512-192-10-t8"), mnist.test_images[:2000])
    assert figures["accuracy"] == (answer.label == mnist.test_labels[:2000]).mean()
    assert figures["interval_cycles_mean"] == pytest.approx(784, abs=1)


@pytest.mark.parametrize(
    ("dataset", "count", "layers"),
    [
        ("digits", 50, "8c3p1,f2,10"),
        pytest.param("mnist", 400, "16c3p1,f2,32c3p1,f2,10", marks=pytest.mark.deep),
    ],
)
def test_maps(rng, tmp_path, capsys, dataset, count, layers):
    """By the engine that such networks have unless told otherwise."""
    images = registry.load(dataset).test_images[:count]
    encoder = LatencyEncoder(shape=images.shape[1:], silent_below=16)
    network = map_network(rng, layers, 4, encoder, 2, 7)
    network = dataclasses.replace(network, provenance={**network.provenance, "dataset": dataset})
    network.save(tmp_path / "maps.safetensors")
    VERIFY.mkdir(parents=True, exist_ok=True)
    (tmp_path / "verify").symlink_to(VERIFY)
    arguments = [str(tmp_path / "maps.safetensors"), "--images", str(count)]
    figures = tmp_path / "figures.json"
    arguments += ["--json", str(figures), "--build-dir", str(tmp_path)]
    assert verify.main(arguments) == 0
    found = json.loads(figures.read_text())
    expected = cycles(network, images, golden.run_images(network, images), default_config(network))
    assert found["engine"] == "tiles-4"
    assert found["hidden_units_compared"] == sum(network.sizes[1:-1])
    assert (found["cycles_mean"], found["cycles_max"]) == (expected.mean(), expected.max())
    assert "every hidden spike" in capsys.readouterr().out
    page = (tmp_path / "report" / "random" / "report.html").read_text(encoding="utf-8")
    assert f"spike times of all {sum(network.sizes[1:-1]):,} hidden units are equal" in page


def test_stalls_change_nothing_but_the_time(tmp_path, capsys):
    path = tmp_path / "figures.json"
    arguments = [DIGITS, "--stalls", "0.6", "--seed", "9", "-q", "--json", str(path), *BUILD]
    assert verify.main(arguments) == 0
    assert json.loads(path.read_text())["interval_cycles_mean"] is None
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")


def altered(network, part):
    """The network with one thing changed that only some images notice."""
    layers = [
        dataclasses.replace(layer, weight=layer.weight.copy(), threshold=layer.threshold.copy())
        for layer in network.layers
    ]
    if part == "a threshold":
        layers[0].threshold[17] += 1
    elif part == "a weight":
        layers[0].weight[100, 30] ^= True
    elif part == "an output's threshold":
        layers[1].threshold[3] -= 1
    return dataclasses.replace(network, layers=tuple(layers))


@pytest.mark.parametrize("part", ["a threshold", "a weight", "an output's threshold"])
def test_one_changed_parameter_is_noticed(monkeypatch, tmp_path, capsys, part):
    right = golden.run_inputs
    monkeypatch.setattr(golden, "run_inputs", lambda n, images: right(altered(n, part), images))
    path = tmp_path / "figures.json"
    assert verify.main([DIGITS, "-q", "--json", str(path), *BUILD]) == 1
    figures = json.loads(path.read_text())
    assert figures["mismatches"] == 1
    error = capsys.readouterr().err
    assert f"image {figures['first_mismatch']}, offered to an idle core" in error
    assert "expected" in error
    assert "got" in error
    assert ("output" in part) != ("hidden unit" in error) or "layer 0" in error


REFUSED = {
    r"--images must be at least 1, not 0": [DIGITS, "--images", "0"],
    r"--stalls must be in 0 … below 1, not 1$": [DIGITS, "--stalls", "1"],
    r"--seed must be at least 0, not -1": [DIGITS, "--seed", "-1"],
    r"nowhere: cannot be read": ["nowhere"],
    r"takes images of 28 × 28 pixels, digits has images of 8 × 8 pixels; name the": [
        "mnist-512-192-10-t8",
        "--dataset",
        "digits",
    ],
}


@pytest.mark.parametrize(("message", "arguments"), REFUSED.items(), ids=REFUSED)
def test_refuses_in_one_line(tmp_path, message, arguments):
    with pytest.raises(UserError, match=message) as error:
        verify.main([*arguments, "--build-dir", str(tmp_path / "build")])
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())
