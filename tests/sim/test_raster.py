"""The picture of one inference."""

import pytest

from sim import raster
from sw.cli import UserError
from sw.data.registry import load
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


def test_refuses_an_image_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match=r"--image must be in 0 … \d+, not 99999"):
        raster.main(["digits-64-192-10-t16", "--image", "99999", "--out", str(tmp_path / "x.png")])
    assert not list(tmp_path.iterdir())
