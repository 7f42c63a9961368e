"""What tests of the flow share: the library and the programs, or the reason to skip."""

import pytest

from hw.flow.asic.pdk import find_pdk
from hw.flow.asic.programs import require
from sw.cli import UserError


def library(*programs, name="osu018"):
    """The library; skips where it or one of the programs is not installed."""
    pdk = find_pdk(name)
    try:
        pdk.file("lib")
        require(programs)
    except UserError as error:
        pytest.skip(str(error))
    return pdk
