"""The command ``python -m sw.evaluate``, and its figures for the networks that ship."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest
from networks import bistable_network, image_network, map_network, random_network, speech

from sim import bistable, golden
from sw import evaluate
from sw.cli import UserError
from sw.encoder import LatencyEncoder
from sw.network import find

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


@pytest.mark.smoke
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


def test_figures_of_classes(saved, tmp_path, capsys, digits):
    """Against counting one by one."""
    evaluate.main([str(saved), "--classes", "--json", str(tmp_path / "f.json")])
    answer = golden.run_images(find(saved), digits.test_images)
    pairs = list(zip(answer.label.tolist(), digits.test_labels.tolist(), strict=True))
    classes = json.loads((tmp_path / "f.json").read_text())["classes"]
    out = capsys.readouterr().out
    assert list(classes) == [str(digit) for digit in range(10)]
    for name, figures in classes.items():
        right = sum(said == label == int(name) for said, label in pairs)
        examples = sum(label == int(name) for _, label in pairs)
        answers = sum(said == int(name) for said, _ in pairs)
        assert figures["examples"] == examples
        assert figures["sensitivity"] == right / examples
        assert figures["positive_predictivity"] == (right / answers if answers else None)
        predictivity = f"{right / answers:.2%}" if answers else "none"
        words = [name, str(examples), f"{right / examples:.2%}", predictivity]
        assert words in [line.split() for line in out.splitlines()]


def test_spikes_of_layers(rng, tmp_path, capsys, digits):
    """Of a network with maps, one line each."""
    network = map_network(rng, "3c3p1-f2-10", 4, LatencyEncoder(shape=(8, 8)))
    network.save(tmp_path / "maps")
    evaluate.main([str(tmp_path / "maps")])
    *_, header, conv, pooled, output = capsys.readouterr().out.splitlines()
    assert header.split() == ["layer", "map", "spikes", "per", "example", "to", "the", "decision"]
    answer = golden.run_images(network, digits.test_images)
    for line, name, size, times in zip(
        (conv, pooled, output), ("3c3p1", "f2", "10"), ("3x8x8", "3x4x4", "10x1x1"), answer.times,
        strict=True,
    ):  # fmt: skip
        spikes = sum(int(t < 4) for row in times for t in row) / len(times)
        early = sum(int(t <= s) for row, s in zip(times, answer.step, strict=True) for t in row)
        assert line.split() == [name, size, f"{spikes:.1f}", f"{early / len(times):.1f}"]


def test_a_name_forges_no_line(rng, tmp_path, capsys):
    name = "mine\n  accuracy, strict          99.99%\r\x1b[2J\u2028" + "x" * 150
    replace(image_network(rng), name=name).save(tmp_path / "forged")
    evaluate.main([str(tmp_path / "forged")])
    first, *rest = capsys.readouterr().out.splitlines()
    assert first.startswith(r"mine\n  accuracy, strict          99.99%\r\x1b[2J\u2028xx")
    assert first.endswith("x…: 64-5-10, 16 steps, digits")
    assert first.isprintable()
    assert len(rest) == 8
    with pytest.raises(UserError) as refused:
        evaluate.main([str(tmp_path / "forged"), "--dataset", "nosuch"])
    assert str(refused.value).isprintable()


def test_bistable(rng, tmp_path, capsys, digits):
    """Its own lines; classes and strict accuracy as its golden model has them."""
    network = bistable_network(rng, "4c3p1-m2-10", 3, (1, 8, 8))
    network.save(tmp_path / "b.safetensors")
    evaluate.main([str(tmp_path / "b.safetensors"), "--json", str(tmp_path / "f.json")])
    figures = json.loads((tmp_path / "f.json").read_text())
    answer = bistable.run_inputs(network, digits.test_images[..., None])
    right = (answer.label == digits.test_labels) & (answer.margin > 0)
    assert figures["accuracy"] == right.mean()
    assert figures["decision_step_mean"] == 6.0
    assert 4 <= figures["certain_step_mean"] <= 6
    out = capsys.readouterr().out
    assert "random: 1x8x8-4c3p1-m2-10, 3 steps, digits" in out
    assert "accuracy, strict (a tie is wrong)" in out
    assert [line.split()[0] for line in out.splitlines()[-2:]] == ["4c3p1", "m2"]


def test_events(rng):
    words = speech(rng)
    network = random_network(rng, (12, 9, 3), 7)
    theirs = golden.run(network, words.test_events.spikes(7)).figures(words.test_labels)
    assert evaluate.evaluate(network, words) == theirs


def test_refuses_another_kind_of_data(rng, digits):
    with pytest.raises(UserError, match="takes images of 28 × 28 pixels, digits has images of 8"):
        evaluate.evaluate(image_network(rng, shape=(28, 28)), digits)


def test_needs_no_pytorch(saved):
    """As in the environment that ``make build`` makes."""
    code = "import sys; from sw.evaluate import main; main(); assert 'torch' not in sys.modules"
    run = subprocess.run(
        [sys.executable, "-c", code, str(saved)], capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.startswith("random: 64-5-10, 16 steps, digits\n")


def test_error_is_one_line():
    run = subprocess.run(
        [sys.executable, "-m", "sw.evaluate", "no-such-network"], capture_output=True, text=True
    )
    assert run.returncode == 2
    assert run.stdout == ""
    assert run.stderr.startswith("error: no-such-network: cannot be read")
    assert run.stderr.count("\n") == 1
