"""Whether a network fits a board, before any synthesis.

What is counted here is needed for certain: block RAMs of the weights and links, and the logic cells
of the potentials. The rest is known after synthesis, and :mod:`hw.build` looks again then.
"""

from collections.abc import Iterable
from itertools import pairwise
from math import ceil

from amaranth.utils import bits_for

from hw.boards import BOARDS, Board
from hw.event import potential_shapes
from sw.cli import UserError
from sw.network import Network

__all__ = ["block_rams", "check_fit", "least_logic_cells", "network_block_rams"]

# Depth and width of a block RAM with independent read and write ports. On an iCE40 Yosys also
# shares a row of 16 bits between three words of 5, and so on, by the mask of the write port.
_CONFIGURATIONS = {
    "ice40": tuple((256 * words, 16 // words) for words in range(1, 17)),
    "ecp5": ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1)),
}


def block_rams(family: str, depth: int, width: int) -> int:
    """Block RAMs of a memory of ``depth`` words of ``width`` bits in its best configuration."""
    return min(ceil(depth / d) * ceil(width / w) for d, w in _CONFIGURATIONS[family])


def network_block_rams(family: str, sizes: Iterable[int]) -> int:
    """Block RAMs of the weights and of the orderer's links, for units per layer ``sizes``."""
    sizes = list(sizes)
    weights = sum(block_rams(family, a, b) for a, b in pairwise(sizes))
    return weights + block_rams(family, 2 * sizes[0], bits_for(sizes[0] - 1) + 1)


def least_logic_cells(network: Network) -> int:
    """Logic cells of the potentials, and two per hidden unit to fire."""
    potentials = sum(shape.width for layer in network.layers for shape in potential_shapes(layer))
    return potentials + 2 * sum(network.sizes[1:-1])


def check_fit(network: Network, board: Board) -> None:
    """Raises :class:`UserError` with the reason and the nearest remedies if it cannot fit."""
    memories = network_block_rams(board.family, network.sizes)
    cells = least_logic_cells(network)
    short = []
    if memories > board.memories:
        short.append(f"{memories} block RAMs of {board.memories}")
    if cells > board.logic_cells:
        short.append(f"at least {cells} logic cells of {board.logic_cells}")
    if short:
        raise UserError(
            f"network {network.name!r} does not fit {board.name}: it needs {' and '.join(short)}; "
            + ", or ".join(_remedies(network, board))
        )


def _remedies(network: Network, board: Board) -> list[str]:
    cells_per_unit = least_logic_cells(network) / sum(network.sizes[1:])

    def fits(sizes: list[int], on: Board) -> bool:
        cells = cells_per_unit * sum(sizes[1:])
        return network_block_rams(on.family, sizes) <= on.memories and cells <= on.logic_cells

    inputs, *layers = network.sizes
    remedies = []
    fewer_inputs = next((n for n in range(inputs, 15, -1) if fits([n, *layers], board)), None)
    if fewer_inputs:
        remedies.append(f"train with --inputs {fewer_inputs}")
    if len(layers) > 1:
        hidden = (n for n in range(layers[0], 7, -1) if fits([inputs, n, *layers[1:]], board))
        fewer_hidden = next(hidden, None)
        if fewer_hidden:
            remedies.append(f"train with {fewer_hidden} units in the first hidden layer")
    larger = [b.name for b in BOARDS.values() if fits(list(network.sizes), b)]
    if larger:
        remedies.append(f"take --board {' or '.join(larger)}")
    return remedies or ["make the network much smaller"]
