"""What the tests of ``sw`` share."""

import pytest
import torch

from sw import data
from sw.cli import UserError

# Small products gain nothing from several threads, which wait for one another on a busy machine
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def one_thread_in_commands(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def digits():
    return data.load("digits")


def _load(name):
    """A data set from this machine; skips where its files are not on it."""

    def refuse(*args):
        raise UserError(f"{name}: not on this machine")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "_download", refuse)
        patch.setattr(data, "fetch", refuse)
        try:
            return data.load(name)
        except UserError as error:
            pytest.skip(str(error))


@pytest.fixture(scope="session")
def fashion_mnist():
    return _load("fashion_mnist")


@pytest.fixture(scope="session")
def caltech(mnist):  # which says where data lie on this machine
    return _load("caltech")
