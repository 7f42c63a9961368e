"""What the tests of ``hw`` share."""

import pytest
from samples import image_network
from stubs import Stubs

from hw.flow.tools import TOOLS, find_tool, tool_version


@pytest.fixture
def fresh_tools(monkeypatch):
    """No tool is remembered of other tests, nor after this one."""
    for tool in TOOLS:
        # Set, not deleted, so that what a plan sets is undone, too
        monkeypatch.setenv(tool.upper().replace("-", "_"), "")
    find_tool.cache_clear()
    tool_version.cache_clear()
    yield
    find_tool.cache_clear()
    tool_version.cache_clear()


@pytest.fixture
def stubs(tmp_path, monkeypatch, fresh_tools):
    """Stand-ins for all tools."""
    (tmp_path / "the tools").mkdir()
    return Stubs(tmp_path / "the tools", monkeypatch)


@pytest.fixture
def tiny(rng):
    """A network for the digits data set."""
    return image_network(rng, shape=(8, 8), hidden=(4,), classes=10, steps=4, pool=4, name="tiny")


@pytest.fixture
def lanes(rng):
    """A network with enough units for 16 lanes."""
    return image_network(rng, shape=(8, 8), hidden=(34,), classes=10, steps=4, pool=4, name="tiny")
