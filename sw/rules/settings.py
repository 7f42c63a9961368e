"""Settings as data: what a class takes by name, with type, range, default and meaning.

They are read off the signature of the constructor and the ``Parameters`` of the docstring, so that
each stands in one place, beside what it sets. An entry gives the type, and may give a unit and a
range: ``0 … 1``, ``0 … below 1``, ``above 0`` or ``at least 0``::

    width : float, steps, above 0
        ρ, decay of the window.
"""

import inspect
import json
import math
import re
import reprlib
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import TypeAlias

from sw.cli import UserError

__all__ = ["Range", "Setting", "Value", "check", "listing", "settings_of"]

Value: TypeAlias = bool | int | float

_WANTED = {bool: "true or false", int: "an integer", float: "a number"}
_NUMBER = r"(-?[\d.]+)"
_SECTION = re.compile(r"\n\w+\n-+\n")
_ENTRY = re.compile(r"(\w+(?:, \w+)*) : (.+)\n((?:    .*\n|\n)*)")


@dataclass(frozen=True, kw_only=True)
class Range:
    """Numbers from ``low`` to ``high``, both included unless they are open."""

    low: float = -math.inf
    high: float = math.inf
    low_open: bool = False
    high_open: bool = False

    def __contains__(self, value: float) -> bool:
        above = value > self.low if self.low_open else value >= self.low
        below = value < self.high if self.high_open else value <= self.high
        return above and below

    def __str__(self) -> str:
        """As docstrings write it; of all numbers, nothing."""
        if self.high < math.inf:
            return f"{self.low:g} … {'below ' if self.high_open else ''}{self.high:g}"
        if self.low > -math.inf:
            return f"{'above' if self.low_open else 'at least'} {self.low:g}"
        return ""

    @classmethod
    def parse(cls, text: str) -> "Range | None":
        """The range that ``text`` writes, None if it is none."""
        if match := re.fullmatch(f"{_NUMBER} … (below )?{_NUMBER}", text):
            low, below, high = match.groups()
            return cls(low=float(low), high=float(high), high_open=bool(below))
        if match := re.fullmatch(f"(above|at least) {_NUMBER}", text):
            return cls(low=float(match[2]), low_open=match[1] == "above")
        return None


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One of the values that a class takes by name.

    Parameters
    ----------
    name : str
    kind : type
        bool, int or float.
    default : bool, int or float
    range : Range
    unit : str
        Empty where there is none.
    meaning : str
        One or a few sentences.
    """

    name: str
    kind: type
    default: Value
    range: Range
    unit: str
    meaning: str

    @property
    def wanted(self) -> str:
        """What a value must be."""
        text = _WANTED[self.kind]
        if within := str(self.range):
            text += f" {within}" if within[0] == "a" else f" in {within}"
        return text + (" or Infinity" if self.default == math.inf else "")

    def takes(self, value: object) -> bool:
        """Whether ``value``, as JSON gives it, is of the type and in the range. An integer is a
        number too, 0 and 1 are truth values too, and only a default may be infinite.
        """
        if self.kind is bool:
            return isinstance(value, bool) or (isinstance(value, int) and value in (0, 1))
        if isinstance(value, bool):
            return False
        if not isinstance(value, int if self.kind is int else int | float):
            return False
        try:
            finite = math.isfinite(value)
        except OverflowError:  # an integer beyond every float
            return False
        return value in self.range and (finite or value == self.default)

    def __str__(self) -> str:
        """As human-readable text: ``name=default (what it must be, unit): meaning``."""
        unit = f", {self.unit}" if self.unit else ""
        return f"{self.name}={json.dumps(self.default)} ({self.wanted}{unit}): {self.meaning}"


def settings_of(kind: type) -> dict[str, Setting]:
    """What ``kind`` takes by name only, in the order of its signature, then what it passes on as
    ``**settings`` to the classes it is made from. A default of its own counts, not theirs.
    """
    documented: dict[str, tuple[str, str]] = {}
    for base in reversed(kind.__mro__):
        documented |= _documented(vars(base).get("__doc__") or "")
    result: dict[str, Setting] = {}
    for base in kind.__mro__:
        if "__init__" not in vars(base):
            continue
        parameters = inspect.signature(vars(base)["__init__"]).parameters.values()
        for parameter in parameters:
            if parameter.kind is parameter.KEYWORD_ONLY and parameter.name not in result:
                form, meaning = documented.get(parameter.name, ("", ""))
                result[parameter.name] = _setting(parameter, form, meaning)
        if all(parameter.kind is not parameter.VAR_KEYWORD for parameter in parameters):
            break
    return result


def listing(owners: Mapping[str, Mapping[str, Setting]]) -> str:
    """As human-readable text: the settings of each owner, those that several share once."""
    sharing: dict[Setting, list[str]] = {}
    for owner, settings in owners.items():
        for setting in settings.values():
            sharing.setdefault(setting, []).append(owner)
    lines = []
    for names, group in groupby(
        sorted(sharing, key=lambda setting: sharing[setting]), key=lambda s: sharing[s]
    ):
        lines.append(", ".join(names) + ":")
        lines += (
            textwrap.fill(str(setting), 79, initial_indent="  ", subsequent_indent="      ")
            for setting in group
        )
    return "\n".join(lines)


def check(owner: str, known: Mapping[str, Setting], given: Mapping[str, object]) -> None:
    """Raises UserError if ``given`` names no setting of ``owner``, or a value that one cannot
    take.
    """
    for name, value in given.items():
        if name not in known:
            raise UserError(f"{owner}: there is no {name!r}; its settings are {', '.join(known)}")
        if not known[name].takes(value):
            wanted = known[name].wanted
            raise UserError(f"{owner}: {name} must be {wanted}, not {reprlib.repr(value)}")


def _setting(parameter: inspect.Parameter, form: str, meaning: str) -> Setting:
    """A setting from its place in a signature, and what follows its name in a docstring."""
    range_, unit = Range(), ""
    for part in form.split(", ")[1:]:
        found = Range.parse(part)
        range_, unit = (range_, part) if found is None else (found, unit)
    return Setting(
        name=parameter.name,
        kind=parameter.annotation,
        default=parameter.default,
        range=range_,
        unit=unit,
        meaning=meaning,
    )


def _documented(docstring: str) -> dict[str, tuple[str, str]]:
    """Form and meaning of each parameter that ``docstring`` has an entry of."""
    _, _, after = inspect.cleandoc(docstring).partition("\nParameters\n----------\n")
    parameters = _SECTION.split(after)[0] + "\n"
    return {
        name: (form, " ".join(meaning.split()))
        for names, form, meaning in _ENTRY.findall(parameters)
        for name in names.split(", ")
    }
