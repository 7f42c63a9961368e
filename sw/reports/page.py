"""The report page of a network: one self-contained file of HTML, made of the results that commands
left in its folder. It grows with each command, from training to the board.
"""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sw import __version__
from sw.cli import atomic_path, printable, table, to_json
from sw.network import Network
from sw.reports.blocks import Block, Heading, Highlight
from sw.reports.result import Result, made_by, portable, read_results
from sw.reports.sections import structure
from sw.reports.sections.registry import SECTIONS
from sw.reports.sections.training import Training

if TYPE_CHECKING:
    from jinja2 import Template

__all__ = ["PAGE", "publish"]

PAGE = "report.html"


@dataclass(frozen=True, kw_only=True)
class _Part:
    """A section as the template takes it; without blocks, ``missing`` is the command that brings
    them, if there is one.
    """

    anchor: str
    title: str
    blocks: Sequence[Block]
    missing: str = ""


def publish(network: Network, named: str, folder: Path, results: Sequence[Result]) -> str:
    """Keeps ``results`` and makes the page of ``network`` again: of them, and of what commands
    found before about this very network.

    Parameters
    ----------
    named : str
        How the network is named on a command line.
    folder : Path
        Where page and results lie, see :func:`sw.reports.result.folder_of`.

    Returns
    -------
    str
        The line that says where the page is, or what it lacks.
    """
    for result in results:
        if not _is_less(result, folder, network):
            with atomic_path(folder / result.file_name) as temporary:
                temporary.write_text(to_json(result) + "\n", encoding="utf-8")
    try:
        text = _page(network, shlex.quote(portable(named)), folder)
    except ImportError as error:
        return table([("report", f"none: {error.name} is not installed; pip install {error.name}")])
    with atomic_path(folder / PAGE) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return table([("report", folder / PAGE)])


def _is_less(result: Result, folder: Path, network: Network) -> bool:
    """Whether a result of its kind that says more is there."""
    same = (each for each in read_results(folder, type(result), network))
    return any(
        before.file_name == result.file_name and before.extent > result.extent for before in same
    )


def _page(network: Network, named: str, folder: Path) -> str:
    """The page's text; ``named`` as it stands in a command."""
    highlights: dict[str, Highlight] = {h.name: h for h in structure.highlights(network)}
    parts = [
        _Part(anchor="network", title="Network", blocks=list(structure.blocks(network))),
    ]
    commands: dict[str, None] = {}  # each once, in order
    versions: dict[str, dict[str, None]] = {"firstspike": {__version__: None}}
    for section in SECTIONS:
        if section.coding not in (None, network.coding):
            continue
        blocks: list[Block] = []
        results = read_results(folder, section.kind, network)
        for result in results:
            if len(results) > 1:
                blocks.append(Heading(text=printable(result.variant, 80)))
            blocks += section.blocks(network, result)
            highlights |= {h.name: h for h in section.highlights(network, result)}
            commands[result.command] = None
            for name, version in result.versions.items():
                versions.setdefault(name, {})[version] = None
        if section.kind is Training and not results:
            commands[made_by(network)] = None
        missing = section.missing(network, named)
        parts.append(
            _Part(anchor=section.anchor, title=section.title, blocks=blocks, missing=missing)
        )
    return _template().render(
        title=network.title,
        subtitle=f"{network.structure}, {network.steps} steps, "
        f"{network.weight_bits:,} 1-bit weights",
        highlights=list(highlights.values()),
        parts=parts,
        commands=list(commands),
        versions=[(name, ", ".join(each)) for name, each in sorted(versions.items())],
    )


def _template() -> "Template":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html")
