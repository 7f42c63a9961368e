"""The engines there are, each with a line, and their settings by the names that commands take."""

from hw.rtl.engines.base import Engine, NetworkEngine
from hw.rtl.engines.bistable import Bistable
from hw.rtl.engines.event_driven import EventDriven
from hw.rtl.engines.folded import Folded
from hw.rtl.engines.gather import Gather
from hw.rtl.engines.lines import Lines
from hw.rtl.engines.popcount import Popcount
from hw.rtl.engines.tiles import Tiles

__all__ = ["ENGINES", "NETWORK_ENGINES", "NETWORK_PRESETS", "PRESETS"]

ENGINES: tuple[type[Engine], ...] = (
    EventDriven,
    Popcount,
    Folded,
)
# Of one coding the faster ones first: hw.explore.choice takes them in this order.
NETWORK_ENGINES: tuple[type[NetworkEngine], ...] = (
    Tiles,
    Bistable,
    Lines,
    Gather,
)

PRESETS = {engine.name: engine for kind in ENGINES for engine in kind.presets()}
NETWORK_PRESETS = {engine.name: engine for kind in NETWORK_ENGINES for engine in kind.presets()}
