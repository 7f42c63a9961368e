"""What the tests of ``hw`` share."""

import pytest

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
