"""What every command shares: flags, one-line errors with exit code 2, files that appear whole or
not at all.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

__all__ = ["UserError", "atomic_path", "parser", "run", "table", "write_json"]


class UserError(Exception):
    """Something the user can mend. The message is one line: the file or value, what is wrong, the
    remedy.
    """


def parser(
    description: str, *, data: bool = False, build: bool = False, seed: bool = False
) -> argparse.ArgumentParser:
    """An argument parser with the flags all commands share, and on request those that many
    share.
    """
    result = argparse.ArgumentParser(description=description)
    result.add_argument(
        "--json",
        metavar="FILE",
        type=Path,
        help="also write the figures to FILE as one JSON object",
    )
    result.add_argument("-q", "--quiet", action="store_true", help="print errors only")
    if data:
        result.add_argument(
            "--data-dir",
            metavar="DIR",
            type=Path,
            help="where data sets lie (default: $FIRSTSPIKE_DATA, then the cache)",
        )
    if build:
        result.add_argument(
            "--build-dir",
            metavar="DIR",
            type=Path,
            default=Path("build"),
            help="where results go (default: %(default)s)",
        )
    if seed:
        result.add_argument(
            "--seed", metavar="N", type=int, default=0, help="seed (default: %(default)s)"
        )
    return result


def run(main: Callable[[], int | None]) -> None:
    """Runs a command's ``main`` and exits: 0 or its return value, 2 and one line for a
    :class:`UserError`, 130 after Ctrl-C, 141 if nobody reads the output any more.
    """
    try:
        status = main() or 0
        sys.stdout.flush()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        status = 2
    except BrokenPipeError:  # whoever read our output, such as head, has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 141
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        status = 130
    sys.exit(status)


def table(lines: Iterable[tuple[str, object]], width: int = 18) -> str:
    """Names and values for people, one a line, the values from column ``width`` on."""
    return "\n".join(f"{name + ':':{width}}{value}" for name, value in lines)


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside ``path``; renames it to ``path`` on success and removes it
    otherwise.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise UserError(
            f"{path}: cannot be written ({error.strerror}); name another place"
        ) from None
    os.close(descriptor)
    temporary = Path(name)
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # mkstemp makes files that only their owner can read
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, figures: Mapping[str, object]) -> None:
    """Writes one JSON object to ``path``, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(dict(figures), indent=2) + "\n")
