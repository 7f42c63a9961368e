"""The picture of one inference."""

from dataclasses import replace

import numpy as np
import pytest
from networks import map_network

from sim import golden, raster
from sw.cli import UserError
from sw.data.registry import load
from sw.encoder import EventsEncoder, LatencyEncoder
from sw.network import find


@pytest.mark.smoke
def test_draws_the_golden_answer(tmp_path):
    network, data = find("digits-64-192-10-t16"), load("digits")
    path = tmp_path / "raster.png"
    answer = raster.draw(network, data.test_images[3], int(data.test_labels[3]), path)
    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert answer.label.shape == (1,)
    again = tmp_path / "again.png"
    raster.draw(network, data.test_images[3], int(data.test_labels[3]), again)
    assert again.read_bytes() == path.read_bytes()


@pytest.mark.parametrize("shape", [(8, 6), (2, 8, 6), (3, 8, 6)])
def test_draws_maps(rng, tmp_path, shape):
    network = map_network(rng, "3c3p1-f2-4-3", 4, LatencyEncoder(shape=shape))
    image = rng.integers(0, 256, (8, 6, *shape[:-2])).astype(np.uint8)
    answer = raster.draw(network, image, 1, tmp_path / "raster.png")
    assert (tmp_path / "raster.png").read_bytes()[:4] == b"\x89PNG"
    assert answer.label[0] == golden.run_images(network, image[None]).label[0]


def test_refuses_an_image_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match=r"--image must be in 0 … \d+, not 99999"):
        raster.main(["digits-64-192-10-t16", "--image", "99999", "--out", str(tmp_path / "x.png")])
    assert not list(tmp_path.iterdir())


def test_refuses_networks_that_its_images_are_not_for(tmp_path):
    """Whose provenance names a data set of other images, or that take no images at all."""
    network = find("digits-64-192-10-t16")
    pooled = LatencyEncoder(shape=(16, 16), pool=2)
    events = EventsEncoder(channels=64)
    for encoder, message in (
        (pooled, "takes images of 16 × 16 pixels, digits has images of 8 × 8 pixels; name"),
        (events, "takes events of 64 channels; name one that takes images"),
    ):
        replace(network, encoder=encoder).save(tmp_path / "other")
        with pytest.raises(UserError, match=message):
            raster.main([str(tmp_path / "other"), "--out", str(tmp_path / "x.png")])
    assert [path.name for path in tmp_path.iterdir()] == ["other"]
