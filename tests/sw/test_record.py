"""Reports as JSON objects, written and read back."""

import json
from dataclasses import dataclass, field

import pytest

from sw.record import INLINE, Record


@dataclass(frozen=True, kw_only=True)
class Size(Record):
    cells: int
    memories: int


@dataclass(frozen=True, kw_only=True)
class Report(Record):
    name: str
    size: Size = field(metadata=INLINE)
    available: Size
    fmax: float | None
    tools: dict[str, str]
    remedies: tuple[str, ...] = ()
    weights: str | None = None


REPORT = Report(
    name="a",
    size=Size(cells=1, memories=2),
    available=Size(cells=3, memories=4),
    fmax=None,
    tools={"yosys": "1"},
)
JSON = {
    "name": "a",
    "cells": 1,
    "memories": 2,
    "available": {"cells": 3, "memories": 4},
    "fmax": None,
    "tools": {"yosys": "1"},
}


@pytest.mark.parametrize(
    ("fields", "written"),
    [
        ({}, {}),
        ({"fmax": 1.5}, {"fmax": 1.5}),
        ({"remedies": ("b", "c")}, {"remedies": ["b", "c"]}),
        ({"weights": "d"}, {"weights": "d"}),
    ],
)
def test_written_and_read_back(fields, written):
    report = Report(**{**vars(REPORT), **fields})
    assert report.to_dict() == JSON | written
    assert Report.from_dict(json.loads(json.dumps(report.to_dict()))) == report


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], r"^must be an object, not \[\]$"),
        ({}, "^name: missing$"),
        (JSON | {"name": 1}, "^name: must be str, not 1$"),
        (JSON | {"cells": "1"}, "^cells: must be int, not '1'$"),
        (JSON | {"cells": True}, "^cells: must be int, not True$"),
        (JSON | {"cells": 1.5}, "^cells: must be int, not 1.5$"),
        (JSON | {"fmax": "fast"}, "^fmax: must be float, not 'fast'$"),
        (JSON | {"fmax": float("nan")}, "^fmax: must be float, not nan$"),
        (JSON | {"available": {"cells": 3}}, "^available: memories: missing$"),
        (JSON | {"available": 3}, "^available: must be an object, not 3$"),
        (JSON | {"tools": {"yosys": None}}, "^tools: must be str, not None$"),
        (JSON | {"remedies": "b"}, "^remedies: must be "),
        (JSON | {"weights": 5}, "^weights: must be str, not 5$"),
        (JSON | {"more": 1, "still": 2}, "^more, still: no such field$"),
    ],
)
def test_what_is_refused(value, message):
    with pytest.raises(ValueError, match=message):
        Report.from_dict(value)
