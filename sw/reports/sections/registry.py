"""The sections of the page that show results, in their order. A new one is a module here and a line
in this list.
"""

from typing import Any

from sw.reports.sections import (
    energy,
    evaluation,
    hardware,
    inference,
    silicon,
    training,
    values,
    verification,
)
from sw.reports.sections.base import Section

__all__ = ["SECTIONS"]

SECTIONS: tuple[Section[Any], ...] = (
    training.SECTION,
    evaluation.SECTION,
    inference.SECTION,
    values.SECTION,
    verification.SECTION,
    hardware.SECTION,
    energy.SECTION,
    silicon.SECTION,
)
