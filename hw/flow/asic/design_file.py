"""What a DEF file (Design Exchange Format 5.6) says of a placed and routed design, as qflow writes
it.
"""

import re
from dataclasses import dataclass

__all__ = ["Design", "Wire", "net_capacitances", "read_def"]

_POINT = re.compile(r"\( (\S+) (\S+)(?: \S+)? \)")


@dataclass(frozen=True, kw_only=True)
class Wire:
    """A straight piece of wire from (x0, y0) to (x1, y1) in µm, on a layer."""

    layer: str
    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def length(self) -> float:
        """In µm."""
        return abs(self.x1 - self.x0) + abs(self.y1 - self.y0)


@dataclass(frozen=True, kw_only=True)
class Design:
    """A placed and routed design.

    Parameters
    ----------
    box : tuple of four float
        The die's left, bottom, right and top in µm.
    cells : dict of str to (str, float, float)
        Kind, left and bottom in µm of each placed cell, by its name.
    wires : tuple of Wire
        Of signals, not of the supply.
    vias : int
    nets : int
        That have wires.
    """

    box: tuple[float, float, float, float]
    cells: dict[str, tuple[str, float, float]]
    wires: tuple[Wire, ...]
    vias: int
    nets: int

    @property
    def width(self) -> float:
        """In µm."""
        return self.box[2] - self.box[0]

    @property
    def height(self) -> float:
        """In µm."""
        return self.box[3] - self.box[1]


def read_def(text: str) -> Design:
    """The design in a DEF file's text. Raises ValueError if it has no units or no die."""
    units = re.search(r"^UNITS DISTANCE MICRONS (\d+) ;", text, re.M)
    die = re.search(r"^DIEAREA \( (\S+) (\S+) \) \( (\S+) (\S+) \)", text, re.M)
    if units is None or die is None:
        raise ValueError("it has no UNITS or no DIEAREA")
    scale = 1 / float(units[1])
    cells = {
        name: (kind, float(x) * scale, float(y) * scale)
        for name, kind, x, y in re.findall(
            r"^\s*- (\S+) (\S+) \+ (?:PLACED|FIXED) \( (\S+) (\S+) \)",
            _section(text, "COMPONENTS"),
            re.M,
        )
    }
    wires: list[Wire] = []
    nets = vias = 0
    for net in re.split(r"^\s*- ", _section(text, "NETS"), flags=re.M)[1:]:
        _, routed, paths = net.partition("+ ROUTED ")
        nets += bool(routed)
        for path in filter(None, re.split(r"\bNEW ", paths)):
            vias += _read_path(path, scale, wires)
    box = tuple(float(value) * scale for value in die.groups())
    assert len(box) == 4
    return Design(box=box, cells=cells, wires=tuple(wires), vias=vias, nets=nets)


def _section(text: str, name: str) -> str:
    """The part of the text between ``name`` and its end; empty if there is none."""
    _, _, rest = text.partition(f"\n{name} ")
    return rest.partition(f"\nEND {name}")[0]


def _read_path(path: str, scale: float, wires: list[Wire]) -> int:
    """Adds the wires of a path; 1 if it ends in a via. ``*`` is the coordinate before."""
    layer, _, rest = path.partition(" ")
    before: tuple[float, float] | None = None
    for x, y in _POINT.findall(rest):
        assert before is not None or "*" not in (x, y)
        point = (
            before[0] if before and x == "*" else float(x) * scale,
            before[1] if before and y == "*" else float(y) * scale,
        )
        if before is not None and point != before:
            wires.append(Wire(layer=layer, x0=before[0], y0=before[1], x1=point[0], y1=point[1]))
        before = point
    return int(bool(re.search(r"\) [A-Za-z]\w*\s*;?\s*$", rest)))


def net_capacitances(rc: str) -> dict[str, float]:
    """Capacitance of each net's wires in pF, of what qrouter writes: a line for each net, its name
    first, then a tree of resistances in Ω and capacitances in pF.
    """
    result = {}
    for line in rc.splitlines():
        name, *_ = line.split(maxsplit=1) or [""]
        if name:
            pairs = re.findall(r"\(\s*([\d.e+-]+) ([\d.e+-]+)", line)
            result[name] = sum(float(capacitance) for _, capacitance in pairs)
    return result
