"""The C function of docs/own_data.md gives the quantiser's bytes."""

import ctypes
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from sw.features.quantiser import Quantiser

PAGE = Path(__file__).parents[3] / "docs" / "own_data.md"
COMPILER = shutil.which("cc") or shutil.which("gcc")


@pytest.mark.skipif(COMPILER is None, reason="no C compiler; apt-get install gcc")
def test_same_bytes(tmp_path, rng):
    (source,) = re.findall(r"```c\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "quantise.c").write_text(source, encoding="utf-8")
    flags = ["-O2", "-ffp-contract=off", "-shared", "-fPIC", "-o", "quantise.so"]
    subprocess.run([COMPILER, *flags, "quantise.c", "-lm"], cwd=tmp_path, check=True)
    function = ctypes.CDLL(str(tmp_path / "quantise.so")).quantise
    low, high = rng.normal(size=50), rng.normal(size=50)
    high[7] = low[7]
    values = rng.normal(size=(300, 1, 50))
    values[0, 0], values[1, 0] = low, high
    for levels in (1, 4):
        quantiser = Quantiser(low=tuple(low), high=tuple(high), levels=levels, complement=True)
        given = np.empty((300, 2 * levels, 50), np.uint8)
        for value, row in zip(values, given, strict=True):
            pointers = (each.ctypes.data_as(ctypes.c_void_p) for each in (value, low, high))
            function(*pointers, 50, levels, row.ctypes.data_as(ctypes.c_void_p))
        assert (given == quantiser.encode(values)).all()
