"""What is not ours: files that a library will open, and what libraries say of their errors."""

from pathlib import Path

from sw.cli import UserError, printable

__all__ = ["check_file", "reason_of"]


def check_file(path: Path) -> None:
    """Refuses what cannot be read as a file, before a library opens it: a pipe would be waited for.

    Raises
    ------
    UserError
        It is something else, or cannot be opened.
    """
    try:
        if path.exists() and not path.is_file():
            raise UserError(f"{path}: must be a file, not a folder, a pipe or a device")
        with path.open("rb"):
            pass
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); name a file") from None


def reason_of(error: Exception, most: int | None = 120) -> str:
    """What a library says of its error: the first line, of ``most`` characters at most, or the
    error's class if it says nothing.
    """
    return printable(str(error).split("\n")[0] or type(error).__name__, most)
