"""Refinement changes what lowers the loss, exactly, and nothing else."""

import numpy as np
import pytest
import torch

from sim import bistable, golden
from sw import refine
from sw.cli import UserError
from sw.data import digits
from sw.encoder import LatencyEncoder
from sw.learn.refinement import Refinement
from sw.network import Network, find
from tests.sw.networks import bistable_network, map_network

CPU = torch.device("cpu")
FIRST_SPIKE = [
    ("3c3p1-f2-4", 1),
    ("2c3p1-f2-3c3p1-f2-4", 1),
    ("2c2x3s2x1p1.0.0.2-f1x2-5-4", 1),
    ("f2-3c3-2c2-4", 1),
    ("2c3p1-f2-3c3p1-f2-4", 4),
    ("f2-3c3-5-4", 2),
]
BISTABLE = [("3c3p1-m2-4", 2), ("2c3s2-3c3p1-m2-4", 3), ("m2-5-4", 4)]


def of(structure, steps=1, seed=0):
    """A network of structure and steps, images for it and their labels."""
    rng = np.random.default_rng(seed)
    encoder = LatencyEncoder(shape=(9, 9), silent_below=128)
    network = map_network(rng, structure, steps, encoder)
    images = rng.integers(0, 256, (60, 9, 9)).astype(np.uint8)
    return network, images, rng.integers(0, 4, 60)


def flags(images, steps):
    """Which pixels have fired by each step: those of at least 128, the bright ones early."""
    pixels = images.reshape(len(images), 1, -1).astype(int)
    step = np.arange(steps)[None, :, None]
    arrived = (255 - pixels) * steps // 256 <= step
    return torch.from_numpy(arrived & (pixels >= 128)).float()


def loss(network, images, labels, scale):
    """Cross-entropy of a first-spike network where it decides, by the golden model's times and a
    plain sum.
    """
    answer = golden.run_images(network, images)
    last, times = network.layers[-1], answer.times[-2].reshape(len(images), -1)
    total = 0.0
    for image, label in enumerate(labels):
        fired = times[image] <= answer.step[image]
        logits = [
            scale * (sum(1 if bit else -1 for bit in row[fired]) - int(threshold))
            for row, threshold in zip(last.weight, last.threshold, strict=True)
        ]
        total += np.log(np.sum(np.exp(logits))) - logits[label]
    return total / len(labels)


def loss_of_potentials(network, images, labels, scale):
    """Cross-entropy of a bistable network, by the golden model's potentials."""
    total = 0.0
    for potentials, label in zip(
        bistable.run_inputs(network, images).potential, labels, strict=True
    ):
        logits = scale * potentials.astype(float)
        total += np.log(np.sum(np.exp(logits - logits.max()))) + logits.max() - logits[label]
    return total / len(labels)


def check_losses(network, inputs, images, labels, scale, loss):
    refinement = Refinement(network, CPU, caution=0.0)
    refinement.scale = scale
    before = loss(network, images, labels, scale)
    changes = refinement.sweep(inputs, torch.from_numpy(labels), torch.Generator().manual_seed(1))
    refined = refinement.network()
    assert changes.signs > 0
    assert changes.others > 0
    assert changes.loss_before == pytest.approx(before, rel=1e-5)
    assert changes.loss_after == pytest.approx(loss(refined, images, labels, scale), rel=1e-5)
    assert changes.loss_after < before
    assert refinement.network().to_bytes() == refined.to_bytes()


@pytest.mark.parametrize(("structure", "steps"), FIRST_SPIKE)
def test_losses_are_the_golden_models(structure, steps):
    network, images, labels = of(structure, steps)
    check_losses(network, flags(images, steps), images, labels, 0.25, loss)


@pytest.mark.parametrize(("structure", "steps"), BISTABLE)
def test_losses_of_bistable_networks_are_the_golden_models(structure, steps):
    rng = np.random.default_rng(0)
    network = bistable_network(rng, structure, steps, shape=(9, 9))
    images = rng.integers(0, 256, (60, 9, 9)).astype(np.uint8)
    values = torch.from_numpy(images.reshape(60, 1, -1) >> (8 - steps)).float()
    check_losses(network, values, images, rng.integers(0, 4, 60), 2.0**-6, loss_of_potentials)


def test_in_the_end_no_change_of_a_sign_helps():
    network, images, labels = of("2c3-f2-4", seed=3)
    refinement = Refinement(network, CPU, caution=0.0)
    refinement.scale = 0.25
    given = flags(images, 1), torch.from_numpy(labels)
    for sweep in range(50):
        changes = refinement.sweep(*given, torch.Generator().manual_seed(sweep))
        if not changes.signs + changes.others:
            break
    else:
        pytest.fail("it finds no end")
    refined = refinement.network()
    least = loss(refined, images, labels, 0.25)
    output = refined.layers[-1]
    for row, column in np.ndindex(output.weight.shape):
        output.weight[row, column] ^= True
        assert loss(refined, images, labels, 0.25) > least - 1e-6
        output.weight[row, column] ^= True


def test_a_change_that_may_be_chance_is_left():
    network, images, labels = of("2c3-f2-4")
    refinement = Refinement(network, CPU, caution=1e6)
    refinement.scale = 0.25
    changes = refinement.sweep(
        flags(images, 1), torch.from_numpy(labels), torch.Generator().manual_seed(0)
    )
    assert (changes.signs, changes.others) == (0, 0)
    assert refinement.network().to_bytes() == network.to_bytes()


def test_units_that_need_a_spike_go_on_needing_one():
    rng = np.random.default_rng(5)
    encoder = LatencyEncoder(shape=(9, 9), silent_below=128)
    network = map_network(rng, "4c3p1-f2-4c3p1-f2-4", 1, encoder, low=1, high=2)
    images = rng.integers(0, 256, (60, 9, 9)).astype(np.uint8)
    refinement = Refinement(network, CPU, caution=0.0)
    refinement.scale = 0.25
    labels = torch.from_numpy(rng.integers(0, 4, 60))
    for sweep in range(5):
        refinement.sweep(flags(images, 1), labels, torch.Generator().manual_seed(sweep))
    hidden = [each for each in refinement.network().layers if each.weight.size][:-1]
    assert all((each.threshold >= 1).all() for each in hidden)


def test_the_scale_is_the_one_that_fits():
    network, images, labels = of("3c3p1-f2-4")
    refinement = Refinement(network, CPU)
    refinement.fit_scale(flags(images, 1), torch.from_numpy(labels))
    found = loss(network, images, labels, refinement.scale)
    for factor in (0.5, 0.9, 1.1, 2.0):
        assert loss(network, images, labels, factor * refinement.scale) > found - 2e-3


def test_memory_by_hand():
    network, _, _ = of("2c3p1-f2-3c3p1-f2-4")
    # of 9 × 9 places 9 pixels are seen, of 4 × 4 2 · 9 spikes
    assert Refinement(network, CPU).most_images == 2**31 // (81 * 9)

    network, _, _ = of("2c3p1-f2-3c3p1-f2-4", 4)
    assert Refinement(network, CPU).most_images == 2**31 // (4 * 81 * 9)


@pytest.mark.parametrize("structure", ["3c3p1-3c3p1+1x2-m2-4", "3c3p1-a2-4"])
def test_shortcuts_and_means_are_refused(structure, rng):
    network = bistable_network(rng, structure, 3, shape=(9, 9))
    with pytest.raises(UserError, match="with shortcuts or mean pooling are not refined"):
        Refinement(network, CPU)


NETWORK = "digits-1x8x8-6c3-f2-10-t1"


def command(folder, *more):
    out = ["--out", str(folder / "x.safetensors"), "--build-dir", str(folder)]
    return [NETWORK, "--validation", "0.2", "--sample", "400", "-q", *out, *more]


def test_a_command_that_was_killed_goes_on(tmp_path, monkeypatch, capsys):
    refine.main([*command(tmp_path), "--sweeps", "2"])
    whole = Network.load(tmp_path / "x.safetensors")
    start = find(NETWORK)
    assert whole.structure == start.structure
    assert whole.provenance["refined_from"] == start.sha256
    first, second = whole.provenance["command"].split(" && ")
    assert first == start.provenance["command"]
    assert second.startswith(f"python -m sw.refine {NETWORK} --validation 0.2")

    sweep, swept = Refinement.sweep, []

    def killed(self, *arguments):
        if len(swept) == 1:
            swept.append(0)
            raise KeyboardInterrupt
        swept.append(0)
        return sweep(self, *arguments)

    other = tmp_path / "other"
    monkeypatch.setattr(Refinement, "sweep", killed)
    with pytest.raises(KeyboardInterrupt):
        refine.main([*command(other), "--sweeps", "2"])
    assert not (other / "x.safetensors").exists()
    with pytest.raises(UserError, match=r"checkpoint of another run \(sample 400, not 300\)"):
        refine.main([*command(other, "--sample", "300"), "--sweeps", "2"])
    data = digits.load()
    np.savez(tmp_path / "mine.npz", inputs=data.train_images, labels=data.train_labels)
    with pytest.raises(UserError, match=r"another run \(data None, not '[0-9a-f]{64}'\)"):
        refine.main([*command(other, "--dataset", str(tmp_path / "mine.npz")), "--sweeps", "2"])
    refine.main([*command(other), "--sweeps", "2"])
    assert len(swept) == 3
    resumed = Network.load(other / "x.safetensors")
    assert [each.weight.tobytes() for each in resumed.layers] == [
        each.weight.tobytes() for each in whole.layers
    ]
    assert not list((other / "refine").rglob("checkpoint.pt"))
