"""The commands that ask a network about data, which all take them in the same way."""

import pytest

import hw.energy
import hw.host
import sim.board
import sim.raster
import sim.verify
import sw.evaluate
import sw.report

__all__ = ["each_data_command"]

# With the flags that each needs beside the network
each_data_command = pytest.mark.parametrize(
    ("module", "flags"),
    [
        (sw.evaluate, ()),
        (sw.report, ()),
        (sim.verify, ()),
        (sim.board, ()),
        (sim.raster, ("--out", "x.png")),
        (hw.energy, ()),
        (hw.host, ("--port", "none")),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
