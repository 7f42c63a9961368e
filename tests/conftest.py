"""What the tests of all parts share."""

import gc
import os
import signal
from pathlib import Path

import numpy as np
import pytest
from browser import browser, visit  # noqa: F401  fixtures

from sw.cli import UserError
from sw.data import registry, sources

_BESIDE = Path(__file__).parents[2] / "shared" / "data"

# A shell's & ignores SIGINT, nohup SIGHUP: commands that tests start would inherit that and go on.
for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
    if signal.getsignal(number) is signal.SIG_IGN:
        handler = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
        signal.signal(number, handler)


def pytest_collection_finish():
    """What collecting made stays: the garbage collector need not walk it again in every test."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def mnist():
    return _on_this_machine("mnist")


@pytest.fixture(scope="session")
def mnist_16():
    return _on_this_machine("mnist_16")


@pytest.fixture(scope="session")
def fashion_mnist():
    return _on_this_machine("fashion_mnist")


@pytest.fixture(scope="session")
def cifar10():
    return _on_this_machine("cifar10")


@pytest.fixture(scope="session")
def cifar100():
    return _on_this_machine("cifar100")


@pytest.fixture(scope="session")
def caltech():
    return _on_this_machine("caltech")


@pytest.fixture(scope="session")
def caltech_edges():
    return _on_this_machine("caltech_edges")


@pytest.fixture(scope="session")
def fsdd():
    return _on_this_machine("fsdd")


def _on_this_machine(name):
    """A data set, never downloaded; skips where its files are not on this machine."""

    def refuse(*args, **kwargs):
        raise UserError(f"{name}: not on this machine; FIRSTSPIKE_DATA names where data sets lie")

    if "FIRSTSPIKE_DATA" not in os.environ and _BESIDE.is_dir():
        os.environ["FIRSTSPIKE_DATA"] = str(_BESIDE)  # commands that a test starts see it, too
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sources, "fetch", refuse)
        try:
            return registry.load(name)
        except UserError as error:  # names the data set and where to put it
            pytest.skip(reason=str(error))


@pytest.fixture
def rng():
    return np.random.default_rng(0)
