"""The engines there are, each with a line, and their settings by the names that commands take."""

from hw.rtl.engines.base import Engine
from hw.rtl.engines.event_driven import EventDriven
from hw.rtl.engines.folded import Folded
from hw.rtl.engines.popcount import Popcount

__all__ = ["ENGINES", "PRESETS"]

ENGINES: tuple[type[Engine], ...] = (
    EventDriven,
    Popcount,
    Folded,
)
PRESETS = {engine.name: engine for kind in ENGINES for engine in kind.presets()}
