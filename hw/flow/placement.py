"""Where nextpnr placed a design's cells, by the parts of the hierarchy that they belong to."""

import json
import re
from collections import Counter, defaultdict
from pathlib import Path

from sw.reports.floorplan import Placed, Placement

__all__ = ["part_of", "read_placement"]

_SITE = re.compile(r"X(\d+)/?Y(\d+)/(.+)")
# Sites of logic cells by what nextpnr calls them: iCE40's, ECP5's and Gowin's. Gowin's adders and
# look-up tables share a site; its multiplexers come with them.
_LOGIC = re.compile(r"(lc\d+|SLICE[A-D]\.(?:K|COMB|FF)\d|(?:LUT|ALU|DFF)\d+)$")
_MEMORY = re.compile(r"(ram|spram_\d+|EBR\d*|BSRAM)$")

# Parts of the hierarchy, as human-readable text; the first that matches counts.
_PARTS = [
    (re.compile(rf"^{pattern}"), title)
    for pattern, title in (
        (r"accelerator\.core\.[a-z]+_(\d+)\.", "layer {}"),
        (r"accelerator\.core\.decide\b", "decision"),
        (r"accelerator\.core\.(?:encoder|orderer|bypass)\b", "encoder, orderer"),
        (r"accelerator\.(?:loader|flash)\b", "weight loader"),
        (
            r"(?:accelerator\.(?:link|receiver|sender|bit_clock|bits|bytes)|tx|rx)(?![a-z])",
            "link, UART",
        ),
    )
]
_REST = "clock, routing, other"


def part_of(cell: str) -> str:
    """The part of the design that a cell belongs to, by its hierarchical name."""
    for pattern, title in _PARTS:
        if match := pattern.match(cell):
            return title.format(*(int(group) + 1 for group in match.groups()))
    return _REST


def read_placement(path: Path) -> Placement | None:
    """The placement in the design that nextpnr wrote; None if it cannot be read."""
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["modules"]["top"]["cells"]
        sites = [
            (part_of(name), _SITE.fullmatch(cell["attributes"].get("NEXTPNR_BEL", "")))
            for name, cell in cells.items()
        ]
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None
    logic: dict[str, Counter[tuple[int, int]]] = defaultdict(Counter)
    memory: dict[str, list[tuple[int, int]]] = defaultdict(list)
    kinds, columns, rows = set(), 0, 0
    for part, match in sites:
        if match is None:
            continue
        tile, site = (int(match[1]), int(match[2])), match[3]
        columns, rows = max(columns, tile[0] + 1), max(rows, tile[1] + 1)
        if _LOGIC.match(site):
            logic[part][tile] += 1
            kinds.add(site.replace("ALU", "LUT"))
        elif _MEMORY.match(site):
            memory[part].append(tile)
    if not kinds:
        return None
    parts = [
        Placed(
            part=part,
            cells=logic[part].total(),
            memories=len(memory[part]),
            logic=tuple((*tile, count) for tile, count in sorted(logic[part].items())),
            memory=tuple(sorted(memory[part])),
        )
        for part in {*logic, *memory}
    ]
    parts.sort(key=lambda each: (each.part == _REST, -each.cells, each.part))
    return Placement(columns=columns, rows=rows, cells_per_tile=len(kinds), parts=tuple(parts))
