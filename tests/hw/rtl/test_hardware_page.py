"""docs/hardware.md gives the latencies that the blocks have."""

import re
from pathlib import Path

import numpy as np
import pytest
from samples import unfinished  # noqa: F401

from hw.rtl import encoder
from hw.rtl.bypass import Bypass
from hw.rtl.decide import decide_latency
from hw.rtl.engines.event_driven import EventDrivenLayer
from hw.rtl.engines.folded import FoldedLayer
from hw.rtl.engines.popcount import PopcountLayer
from hw.rtl.fire import Fire
from hw.rtl.orderer import BucketQueue
from sw.encoder import LatencyEncoder
from sw.network import Layer

PAGE = Path(__file__).parents[3] / "docs" / "hardware.md"


@pytest.mark.usefixtures("unfinished")
def test_the_latencies_of_the_blocks():
    rows = re.findall(r"^\| (\w+) \| `hw/rtl/.*\| ([^|]+) \|$", PAGE.read_text("utf-8"), re.M)
    layer = Layer(weight=np.ones((24, 2), bool), threshold=np.zeros(24, np.int32))
    folded = FoldedLayer(layer=layer, steps=4, lanes=8)
    plain, pooled = LatencyEncoder(shape=(4, 4)), LatencyEncoder(shape=(4, 4), pool=2)
    assert dict(rows) == {
        "encoder": f"{encoder.latency(plain)} ({encoder.latency(pooled)} with a pool)",
        "orderer": f"{BucketQueue.latency}, {BucketQueue.list_latency} after step 0",
        "bypass": f"{Bypass.latency}",
        "folded": f"{folded.latency}, K + {folded.last_latency - folded.chunks} to a step's end",
        "integrate": f"{EventDrivenLayer.latency}",
        "popcount": "⌈inputs / W⌉ + 1",
        "fire": f"{Fire.latency}",
        "decide": "⌈log₄ classes⌉",
    }
    popcount = PopcountLayer(layer=layer, steps=4, margins=True, flags=1)
    assert popcount.latency == 2 + 1
    assert [decide_latency(classes) for classes in (2, 4, 5, 16, 17)] == [1, 1, 2, 2, 3]
