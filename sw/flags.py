"""The flags that commands share, and the values that flags take.

What a flag gives is checked when it is read, before any work: numbers for their range, files and
folders for being usable. A refusal is a :class:`sw.cli.UserError`.
"""

import argparse
import math
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sw.cli import PICTURES, UserError, check_output, from_json
from sw.selection import TEST_FRACTION

if TYPE_CHECKING:
    from typing import NoReturn

__all__ = [
    "MOST_RATE",
    "add_augment",
    "fraction",
    "input_file",
    "input_folder",
    "link_file",
    "megahertz",
    "natural",
    "output_file",
    "output_folder",
    "parser",
    "picture_file",
    "positive_float",
    "positive_fraction",
    "positive_int",
    "rate",
    "seconds",
    "setting",
    "share",
    "tcp_port",
]

_SEPARATORS = tuple(filter(None, (os.sep, os.altsep)))  # a path that ends in one is a folder
MOST_RATE = 1000
"""Learning rate, at most: times any factor, numbers of 32 bits hold it."""

_LARGEST = 2**31 - 1  # seeds and counts that every tool takes


class _Parser(argparse.ArgumentParser):
    """Wrong arguments are a :class:`UserError`, like all else that the user can correct."""

    def parse_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> argparse.Namespace:
        """As argparse; and no file is written that is read, or twice."""
        result = super().parse_args(args, namespace)
        taken: dict[str, str] = {}
        for written in (False, True):
            for action in self._actions:
                if action.type not in (_WRITTEN if written else _READ):
                    continue
                name = action.option_strings[0] if action.option_strings else action.dest
                for text in _texts(getattr(result, action.dest, None)):
                    path = os.path.realpath(text)
                    if written and path in taken:
                        raise UserError(f"{name}: {text}: is also {taken[path]}; name another file")
                    if os.path.isfile(path) or (written and not os.path.exists(path)):
                        taken[path] = name
        return result

    def error(self, message: str) -> "NoReturn":
        message = message.removeprefix("argument ").replace(": must be ", " must be ", 1)
        complete = " must be " in message or ";" in message
        raise UserError(message if complete else f"{message}; --help lists the flags")


def parser(
    description: str,
    *,
    json: bool = True,
    data: bool = False,
    dataset: str | None = None,
    build: bool = False,
    out: str | None = None,
    seed: bool | str = False,
    report: bool = False,
) -> argparse.ArgumentParser:
    """An argument parser with the flags that all commands share, or many.

    Parameters
    ----------
    json, data, build : bool
        With ``--json``, ``--data-dir``, ``--build-dir``.
    dataset : str, or None
        With ``--dataset`` and all that says how data are read, ``--data-dir`` too; the text is what
        its help calls the default. ``sw.selection.Selection.of`` takes what they give.
    seed : bool or str
        With ``--seed``, 0 if it is not given; or None, which then means what the text says.
    report : bool
        With ``--no-report``, of a command that leaves a report page.
    out : str, or None
        With ``--out DIR`` for the one folder in ``--build-dir`` where results go, this one if it is
        not given.
    """
    result = _Parser(description=description)
    if json:
        result.add_argument(
            "--json",
            metavar="FILE",
            type=output_file,
            help="also write the figures to FILE as one JSON object",
        )
    result.add_argument("-q", "--quiet", action="store_true", help="print errors only")
    if dataset is not None:
        _add_dataset(result, dataset)
    if data or dataset is not None:
        result.add_argument(
            "--data-dir",
            metavar="DIR",
            type=input_folder,
            help="where data sets lie (default: $FIRSTSPIKE_DATA, then the cache)",
        )
    if build:
        place = result.add_mutually_exclusive_group()
        if out is not None:
            place.add_argument(
                "--out", metavar="DIR", type=output_folder, help=f"(default: <build-dir>/{out})"
            )
        place.add_argument(
            "--build-dir",
            metavar="DIR",
            type=output_folder,
            default=Path("build"),
            help="where results go (default: %(default)s)",
        )
    if report:
        result.add_argument(
            "--no-report",
            action="store_true",
            help="leave no report.html (else in <build-dir>/report/<network>/)",
        )
    if seed:
        default, meaning = (0, 0) if seed is True else (None, seed)
        result.add_argument(
            "--seed", metavar="N", type=natural, default=default, help=f"seed (default: {meaning})"
        )
    return result


def _add_dataset(result: argparse.ArgumentParser, default: str) -> None:
    """The flags that say which data, and how files of one's own are read."""
    add = result.add_argument_group(
        "data", "a data set by its name; or your own, by the path of a file or folder"
    ).add_argument
    add(
        "--dataset",
        metavar="NAME|PATH",
        help="a name; or a .npz, .csv, .tsv, .parquet or .h5, or a folder <class>/… of images or "
        f"WAV files (default: {default})",
    )
    add("--label-column", metavar="NAME", help="a table's column with the class")
    add("--group-column", metavar="NAME", help="a table's column whose groups are never split")
    add(
        "--size",
        metavar=("H", "W"),
        nargs=2,
        type=positive_int,
        help="height and width that images are scaled to",
    )
    add(
        "--grey",
        action="store_true",
        default=None,
        help="read images as grey (default: colours as three channels)",
    )
    add(
        "--off-channel",
        action="store_true",
        default=None,
        help="images get a second channel, 255 - x, for each channel x: dark spikes early, too",
    )
    add(
        "--series",
        action="store_true",
        default=None,
        help="a table's row, or an array's [L] or [C, L], is a time series",
    )
    add(
        "--split",
        choices=("given", "groups", "classes"),
        help="what is for testing: what the data say, whole groups, or a share of each class "
        "(default: the first of these that the data have)",
    )
    add(
        "--test-fraction",
        metavar="F",
        type=positive_fraction,
        help=f"share for testing, where the data do not say it (default: {TEST_FRACTION}); 1 is "
        "all of them",
    )


# What argparse takes as ``type``: each turns a flag's text into its value, or refuses it in one
# line.


def add_augment(flags: argparse.ArgumentParser) -> None:
    """Adds ``--augment`` for images; what it means is ``sw.learn.batches.augmentation_of``'s."""
    flags.add_argument(
        "--augment",
        metavar="NAME=VALUE",
        type=setting,
        nargs="*",
        help="augment the training images; settings (below) may be named",
    )


def positive_int(text: str) -> int:
    """A count, 1 … 2³¹ − 1."""
    return _whole(text, 1)


def natural(text: str) -> int:
    """A seed or an index, 0 … 2³¹ − 1."""
    return _whole(text, 0)


def tcp_port(text: str) -> int:
    """0 … 65,535."""
    return _whole(text, 0, 65_535)


def positive_float(text: str) -> float:
    """A finite number above 0."""
    return _real(text, "above 0 and finite", lambda value: 0 < value < math.inf)


def finite(text: str) -> float:
    """A number that is neither infinite nor NaN."""
    return _real(text, "finite", math.isfinite)


def rate(text: str) -> float:
    """A learning rate, as a recipe takes it."""
    return _real(text, f"above 0, at most {MOST_RATE}", lambda value: 0 < value <= MOST_RATE)


def fraction(text: str) -> float:
    """0 … 1."""
    return _real(text, "in 0 … 1", lambda value: 0 <= value <= 1)


def positive_fraction(text: str) -> float:
    """Above 0, at most 1."""
    return _real(text, "above 0, at most 1", lambda value: 0 < value <= 1)


def share(text: str) -> float:
    """0 … below 1."""
    return _real(text, "in 0 … below 1", lambda value: 0 <= value < 1)


def seconds(text: str) -> float:
    """A time to wait, as every operating system takes it."""
    return _real(text, "in 0.001 … 86400 s", lambda value: 1e-3 <= value <= 86400)


def megahertz(text: str) -> int:
    """A clock that is given in MHz, in whole Hz."""
    value = _real(text, "in 0.001 … 10000 MHz", lambda value: 1e-3 <= value <= 1e4)
    return round(value * 1e6)


def input_file(text: str) -> Path:
    """A file that can be read."""
    try:
        with Path(text).open("rb"):
            return Path(text)
    except OSError as error:
        raise argparse.ArgumentTypeError(
            f"{text}: cannot be read ({error.strerror}); name a file"
        ) from None


def input_folder(text: str) -> Path:
    """A folder that can be read."""
    try:
        with os.scandir(text):
            return Path(text)
    except OSError as error:
        raise argparse.ArgumentTypeError(
            f"{text}: cannot be read ({error.strerror}); name a folder"
        ) from None


def output_file(text: str) -> Path:
    """A file that can be written, see :func:`check_output`."""
    if not text or text.endswith(_SEPARATORS):
        raise argparse.ArgumentTypeError(f"must be a file, not {text!r}")
    return _output(Path(text), Path(text).parent)


def link_file(text: str) -> Path:
    """Where a symbolic link can be made, or be replaced by another."""
    if os.path.islink(text):
        return Path(text)
    if output_file(text).exists():
        raise argparse.ArgumentTypeError(f"{text}: is no link; name another place")
    return Path(text)


def output_folder(text: str) -> Path:
    """A folder that is there or can be made, and can be written to."""
    return _output(Path(text), Path(text))


def picture_file(text: str) -> Path:
    """A file that can be written, with the suffix of a kind of picture that we draw."""
    if Path(text).suffix.lower() not in PICTURES:
        kinds = ", ".join(PICTURES)
        raise argparse.ArgumentTypeError(f"must end in one of {kinds}, not {text!r}")
    return output_file(text)


def setting(text: str) -> tuple[str, Any]:
    """A name, and a value as JSON has it; what it is a setting of checks both."""
    name, _, value = text.partition("=")
    try:
        return name, from_json(value)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be NAME=VALUE, not {text!r}") from None


_WRITTEN = (output_file, picture_file, link_file)
_READ = (None, input_file)  # those without a type may be paths, too


def _texts(value: object) -> Iterator[str]:
    """What may be paths of files, of a flag or several; and without an engine, or a name in the
    file, behind a colon.
    """
    if isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, Path):
        yield str(value)
    elif isinstance(value, str):
        yield from (value, value.rpartition(":")[0])


def _whole(text: str, least: int, most: int = _LARGEST) -> int:
    try:
        value = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a whole number, not {text!r}") from None
    if not least <= value <= most:
        limit = f"at least {least}" if value < least else f"at most {most}"
        raise argparse.ArgumentTypeError(f"must be {limit}, not {text}")
    return value


def _real(text: str, what: str, accepts: Callable[[float], bool]) -> float:
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a number, not {text!r}") from None
    if not accepts(value):
        raise argparse.ArgumentTypeError(f"must be {what}, not {text}")
    return value


def _output(path: Path, folder: Path) -> Path:
    try:
        check_output(path, folder=path == folder)
    except UserError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return path
