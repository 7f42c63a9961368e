"""What the tests of ``sw`` share."""

import pytest

from sw import data


@pytest.fixture(scope="session")
def digits():
    return data.load("digits")
