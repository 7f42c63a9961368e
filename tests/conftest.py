"""What the tests of all parts share."""

import os
from pathlib import Path

import numpy as np
import pytest

from sw import data
from sw.cli import UserError

_BESIDE = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def mnist():
    """The MNIST data set; skips where its files are not on this machine."""
    if "FIRSTSPIKE_DATA" not in os.environ and _BESIDE.is_dir():
        os.environ["FIRSTSPIKE_DATA"] = str(_BESIDE)  # commands that a test starts see it, too
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "_download", _no_download)
        try:
            return data.load("mnist")
        except UserError as error:
            pytest.skip(str(error))


def _no_download(name, file):
    raise UserError(f"{name}: not on this machine; FIRSTSPIKE_DATA names the folder above {name}/")


@pytest.fixture
def rng():
    return np.random.default_rng(0)
