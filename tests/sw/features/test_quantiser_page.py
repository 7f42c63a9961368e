"""The functions of docs/own_data.md, in C and in Python, give the quantiser's bytes."""

import ctypes
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from sw.features.quantiser import Quantiser

PAGE = (Path(__file__).parents[3] / "docs" / "own_data.md").read_text(encoding="utf-8")
COMPILER = shutil.which("cc") or shutil.which("gcc")


def code(language):
    """The function of that name on the page, in ``language``."""
    found = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    (source,) = (each for each in found if "quantise(" in each)
    return source


@pytest.fixture(scope="module")
def c_function(tmp_path_factory):
    if COMPILER is None:
        pytest.skip("no C compiler; apt-get install gcc")
    folder = tmp_path_factory.mktemp("quantise")
    (folder / "quantise.c").write_text(code("c"), encoding="utf-8")
    flags = ["-O2", "-Wall", "-Wextra", "-Werror", "-ffp-contract=off", "-shared", "-fPIC"]
    subprocess.run(
        [COMPILER, *flags, "-o", "quantise.so", "quantise.c", "-lm"], cwd=folder, check=True
    )
    return ctypes.CDLL(str(folder / "quantise.so")).quantise


@pytest.fixture
def by_c(c_function):
    def quantise(x, low, high, levels, complement):
        result = np.empty(levels * (1 + complement) * len(x), np.uint8)
        x, low, high = (np.array(each, np.float64) for each in (x, low, high))
        pointers = [each.ctypes.data_as(ctypes.c_void_p) for each in (x, low, high, result)]
        c_function(pointers[0], len(x), *pointers[1:3], len(low), levels, complement, pointers[3])
        return result.tobytes()

    return quantise


@pytest.fixture
def by_python():
    names = {}
    exec(code("python"), names)
    return names["quantise"]


@pytest.mark.parametrize("complement", [False, True])
@pytest.mark.parametrize("levels", [1, 4])
@pytest.mark.parametrize("ranges", [1, 5, 50])
@pytest.mark.parametrize("function", ["by_c", "by_python"])
def test_same_bytes(request, rng, function, ranges, levels, complement):
    """Values within the ranges and outside, at their ends, and half-way between two bytes."""
    quantise = request.getfixturevalue(function)
    low, high = rng.normal(size=(2, ranges))
    low[0], high[0] = 0, 255
    if ranges > 1:
        high[1] = low[1]
    quantiser = Quantiser(
        low=tuple(low.tolist()), high=tuple(high.tolist()), levels=levels, complement=complement
    )
    values = rng.normal(size=(60, 50))
    values[0], values[1] = np.repeat(low, 50 // ranges), np.repeat(high, 50 // ranges)
    values[2] = np.arange(50) + 0.5
    for example, expected in zip(values, quantiser.encode(values), strict=True):
        given = quantise(example.tolist(), quantiser.low, quantiser.high, levels, complement)
        assert given == expected.tobytes()
