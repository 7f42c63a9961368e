"""What the tests of ``sw`` share."""

import pytest
import torch

from sw.data import registry

# Small products gain nothing from several threads, which wait for one another on a busy machine
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def one_thread_in_commands(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def digits():
    return registry.load("digits")
