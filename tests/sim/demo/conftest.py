"""A network that the tests of the demo play with."""

import pytest
from cases import VERIFY
from playing import NETWORK, served

from sim.demo.session import Session
from sim.verilator.tracer import Tracer
from sw.data import registry
from sw.network import find


@pytest.fixture(scope="session")
def session():
    network = find(NETWORK)
    tracer = Tracer.build(network, VERIFY)
    return Session(tracer=tracer, data=registry.load("digits"))


@pytest.fixture(scope="session")
def url():
    """The page's address."""
    with served() as (address, _):
        yield address
