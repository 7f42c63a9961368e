"""How many standard cells a design has, by a generic synthesis, and which network would fit."""

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np

from hw.boards.families import ICE40
from hw.explore.resources import resources_of
from hw.explore.stand_in import narrowed, stand_in
from hw.flow.asic.rtl import PREFIX, silicon_verilog
from hw.flow.tools import run_tool, scratch_folder
from hw.rtl.config import Config
from sw.cli import UserError
from sw.encoder import ImageEncoder
from sw.network import Network
from sw.structure import Kind

__all__ = [
    "count_cells",
    "fixed_blocks",
    "hidden_units_that_fit",
    "layers_that_fit",
    "sizes_that_fit",
]

_SHARES = 32  # of the channels, or of inputs and units, where fewer would fit
# Of the cells that there are, what a network that is named may take: which signs and thresholds it
# will have decides a few percent.
_FILLED = 0.95
# Logic cells of an iCE40 that are as large as a bit of RAM in flip-flops, with what reads and
# writes it.
_RAM_BIT = 2

_GATES = "AND,NAND,OR,NOR,XOR,XNOR,MUX,AOI3,OAI3,AOI4,OAI4"
_FLIP_FLOPS = "-cell $_DFF_P_ 01"  # libraries have none with a synchronous reset or an enable


def count_cells(verilog: str, top: str) -> dict[str, int]:
    """Standard cells of each module, an estimate: gates of two to four inputs and flip-flops, each
    module for itself, without clock buffers and what timing repair adds.

    Parameters
    ----------
    verilog : str
        All modules.
    top : str
    """
    script = (
        f"read_verilog in.v; synth -top {top}; dfflegalize {_FLIP_FLOPS}; abc -g {_GATES}; "
        "opt_clean -purge; tee -q -o stat.json stat -json"
    )
    with scratch_folder(f"cells-{top}") as folder:
        (folder / "in.v").write_text(verilog, encoding="utf-8")
        log = folder / "yosys.log"
        run_tool("yosys", ["-q", "-p", script], cwd=folder, log=log, makes="stat.json")
        modules = json.loads((folder / "stat.json").read_text(encoding="utf-8"))["modules"]
    return {
        name.removeprefix("\\"): sum(
            count
            for kind, count in module["num_cells_by_type"].items()
            if kind.startswith("$_")  # the others are modules
        )
        for name, module in modules.items()
    }


def fixed_blocks(blocks: Mapping[str, int]) -> dict[str, int]:
    """Those of ``blocks`` that do not grow with the units of a layer, but with the inputs and steps
    if at all: those that have no number.
    """
    return {name: cells for name, cells in blocks.items() if not re.search(r"_\d+(_|$)", name)}


def hidden_units_that_fit(
    sizes: Sequence[int], blocks: Mapping[str, int], budget: int
) -> list[int]:
    """Units of the hidden layers of a network like that of ``sizes`` that fit into ``budget``
    cells, about: blocks with a number belong to a layer, and grow with its units. Empty if none do.
    """
    fixed = sum(fixed_blocks(blocks).values())
    of_layers = sum(blocks.values()) - fixed
    if not of_layers:
        fixed, of_layers = 0, fixed
    fitting = [int(units * (_FILLED * budget - fixed) / of_layers) for units in sizes[1:-1]]
    return fitting if all(units > 0 for units in fitting) else []


def layers_that_fit(
    network: Network, config: Config, cells: int, budget: int
) -> tuple[Kind, ...] | None:
    """Layers as those of a ``network`` with maps, which has ``cells``, with the largest share of
    its channels and hidden units that fits into ``budget`` cells; None if none does.
    """
    assert config.whole is not None
    kinds, granularity = [layer.kind for layer in network.layers], config.whole.granularity
    shares = (narrowed(kinds, share / _SHARES, granularity) for share in range(_SHARES, 0, -1))
    choices = [each for each in dict.fromkeys(shares) if each != tuple(kinds)]
    networks = [stand_in(network.encoder, each, network.steps) for each in choices]
    found = _largest(networks, network, config, cells, budget)
    return None if found is None else tuple(layer.kind for layer in found.layers)


def sizes_that_fit(
    network: Network, config: Config, cells: int, budget: int
) -> tuple[int, ...] | None:
    """Inputs and units of a network like a dense ``network`` for images, which has ``cells``, with
    the largest share of its inputs and of its hidden units that fits into ``budget`` cells; None if
    none does.
    """
    encoder = network.encoder
    if config.whole is not None or not isinstance(encoder, ImageEncoder):
        return None
    kinds = [layer.kind for layer in network.layers]
    order = np.random.default_rng(0).permutation(encoder.select or encoder.pooled).tolist()
    networks = []
    for share in range(_SHARES - 1, 0, -1):
        if inputs := encoder.inputs * share // _SHARES:
            fewer = replace(encoder, select=tuple(sorted(order[:inputs])))
            smaller = stand_in(fewer, narrowed(kinds, share / _SHARES), network.steps)
            with suppress(UserError):  # too small for the engine's lanes or banks
                config.check(smaller)
                networks.append(smaller)
    found = _largest(networks, network, config, cells, budget)
    return None if found is None else found.sizes


def _largest(
    choices: Sequence[Network], network: Network, config: Config, cells: int, budget: int
) -> Network | None:
    """The first of ``choices``, which become smaller, that fits into ``budget`` cells; None if none
    does. The ``network``, which is like them, has ``cells``.

    An estimate says which of them to synthesise, with random signs; what that gives corrects the
    estimate, until it names no other one.
    """
    networks = [_random_signs(each) for each in choices]
    sizes = [_size(each, config) for each in networks]
    scale, limit = cells / _size(network, config), _FILLED * budget
    # Of these, which become smaller: one that does not fit, and one that does
    above, fits = -1, len(networks)
    while True:
        tried = next((k for k in range(above + 1, fits) if scale * sizes[k] <= limit), None)
        if tried is None and above < 0 and fits == len(networks) > 0:
            tried = fits - 1  # the estimate alone rules none out
        if tried is None:
            return networks[fits] if fits < len(networks) else None
        blocks = count_cells(silicon_verilog(networks[tried], config).text, PREFIX)
        count = sum(blocks.values())
        scale = count / sizes[tried]
        if count <= limit:
            fits = tried
        else:
            above = tried


def _size(network: Network, config: Config) -> float:
    """What the cells are about proportional to."""
    needed = resources_of(network, config)
    bits = sum(
        each.depth * each.width * each.parts * each.count
        for each in needed.memories(spram=False)
        if not each.constant
    )
    return needed.logic_cells(ICE40) + _RAM_BIT * bits


def _random_signs(network: Network) -> Network:
    """Signs that are alike for all units would be no logic."""
    rng = np.random.default_rng(0)
    layers = (
        replace(layer, weight=rng.random(layer.weight.shape) < 0.5) for layer in network.layers
    )
    return replace(network, layers=tuple(layers))
