"""How a source is refused: in one line."""

from pathlib import Path

from sw import foreign
from sw.cli import UserError

__all__ = ["ConversionError", "check_file"]


class ConversionError(UserError):
    """A source that no network represents. One line: layer, reason, remedy."""


def check_file(path: Path) -> None:
    """As :func:`sw.foreign.check_file`, with a :class:`ConversionError`."""
    try:
        foreign.check_file(path)
    except UserError as error:
        raise ConversionError(str(error)) from None
