"""The measurement of the golden model's speed, but not the speed."""

import json

import numpy as np
import pytest
from networks import image_network, map_network

from sim import bench_golden, golden
from sw.cli import UserError
from sw.encoder import LatencyEncoder


@pytest.mark.parametrize(
    ("flags", "structure"),
    [([], "784-600-10"), (["--maps"], "1x28x28-16c3p1-f2-32c3p1-f2-10")],
    ids=["dense", "maps"],
)
def test_prints_one_object(capsys, tmp_path, flags, structure):
    path = tmp_path / "figures.json"
    bench_golden.main(["--images", "40", *flags, "--json", str(path)])
    figures = json.loads(capsys.readouterr().out)
    assert figures == json.loads(path.read_text())
    assert figures["images"] == 40
    assert figures["network"] == structure
    assert len(figures["spikes"]) == structure.count("-")
    assert figures["equal"] is True
    assert figures["golden_images_per_second"] > 0


def test_the_peer_computes_the_same(rng):
    network = image_network(rng)
    images = rng.integers(0, 256, (60, 8, 8)).astype(np.uint8)
    labels = bench_golden.loop(network, images)
    np.testing.assert_array_equal(labels, golden.run_images(network, images).label)


@pytest.mark.parametrize("text", ["3c3p1-f2-4c3s2p1.0.0.1-5-4", "2c5x3s1x2-4"])
def test_the_peer_computes_the_same_on_maps(rng, text):
    network = map_network(rng, text, 4, LatencyEncoder(shape=(2, 8, 8)))
    images = rng.integers(0, 256, (40, 8, 8, 2)).astype(np.uint8)
    labels = bench_golden.loop(network, images)
    np.testing.assert_array_equal(labels, golden.run_images(network, images).label)


def test_refuses_no_images():
    with pytest.raises(UserError, match=r"^--images must be at least 1, not 0$"):
        bench_golden.main(["--images", "0"])
