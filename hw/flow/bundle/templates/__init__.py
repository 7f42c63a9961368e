"""Texts with ``@NAME@`` where a design's values go: ``$`` and braces are Verilog's and make's."""

import re
from pathlib import Path

__all__ = ["fill"]


def fill(name: str, **values: object) -> str:
    """The template ``<name>.in`` with its ``values``; a line that is left empty is dropped.

    Raises :class:`KeyError` for a value that is missing.
    """
    text = (Path(__file__).parent / f"{name}.in").read_text(encoding="utf-8")
    alone = re.compile(r"^@([A-Z0-9_]+)@\n", re.M)  # may be several lines, or none

    def block(match: re.Match[str]) -> str:
        value = str(values[match[1]])
        return value if not value or value.endswith("\n") else value + "\n"

    text = alone.sub(block, text)
    return re.sub(r"@([A-Z0-9_]+)@", lambda match: str(values[match[1]]), text)
