"""Devices: what a CPU's memory costs."""

import resource
import sys

import pytest
import torch

from sw.learn import devices

BYTES, PAGE, TIMES = 16 << 20, 4096, 20


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's malloc is that of Linux")
def test_memory_that_is_freed_is_kept():
    """What is taken, freed and taken again is not faulted in each time."""

    def faults():
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(TIMES):
            torch.empty(BYTES, dtype=torch.uint8).fill_(1)
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    devices.find("cpu")
    faults()
    assert faults() < TIMES * BYTES // PAGE // 2
