"""Methods that convert an ANN to spikes, by name. A new one is a file here, a name in
``sw.ann.names`` and its class below.
"""

from sw.ann.methods.bistable import Bistable
from sw.ann.methods.method import Method, Thresholds
from sw.ann.methods.phase import Phase
from sw.ann.methods.qcfs import Quantised
from sw.ann.methods.rate import Rate
from sw.ann.methods.rnl import RateNorm
from sw.ann.names import METHOD_NAMES

__all__ = ["METHODS", "Method", "Thresholds"]

METHODS: dict[str, type[Method]] = dict(
    zip(METHOD_NAMES, (Rate, RateNorm, Phase, Bistable, Quantised), strict=True)
)
