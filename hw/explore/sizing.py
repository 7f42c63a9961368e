"""The sizes of a network that is to fit a board, before it is trained: ``sw.train --board``.

What a network needs depends on its sizes and, little, on its weights, which do not exist yet. A
stand-in takes their place: half of a unit's weights are +1, and its threshold is an eighth of its
inputs. On the zoo that is within 5 % of the logic cells that the trained network needs.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple, cast

import numpy as np

from hw.boards.table import Board, find_board
from hw.explore.resources import remedies, resources_of, shortage
from hw.rtl.inputs.registry import find_input
from sw.cli import UserError
from sw.encoder import EventsEncoder, LatencyEncoder
from sw.network import PROVENANCE, Layer, Network

__all__ = ["Sizes", "fit", "largest"]

_UNITS = 8  # hidden units are multiples of it, where they are chosen
# Share of the logic cells that a size which is chosen may take: carry chains do not fill a part to
# the end, and of designs above it nextpnr could not place some.
_FILLED = 0.8


class Sizes(NamedTuple):
    """What to train."""

    inputs: int
    hidden: tuple[int, ...]
    reason: str  # one line: what the network asked for needs, if that is more than the board has


def largest(
    board: str,
    encoder: LatencyEncoder | EventsEncoder,
    hidden: Sequence[int],
    outputs: int,
    steps: int,
    *,
    fewer_inputs: bool = True,
    fewer_units: bool = True,
) -> Sizes:
    """The best network that fits ``board`` with the usual engine and is no larger than the one
    given. Hidden layers shrink alike.

    The best has the largest ``inputs · hidden²``: inputs that are left out are those that tell
    least about the class, so hidden units are worth more.

    Parameters
    ----------
    board : str
        Its name.
    encoder : LatencyEncoder or EventsEncoder
        Of all inputs.
    hidden : sequence of int
    outputs, steps : int
    fewer_inputs, fewer_units : bool
        Whether the network may have fewer than given.

    Raises
    ------
    UserError
        The board is not known, or nothing fits.
    """
    target = find_board(board)
    most, best = encoder.inputs, 0
    result: tuple[int, tuple[int, ...]] | None = None
    asked = _stand_in(encoder, hidden, outputs, steps)
    filled = _FILLED if fewer_inputs or fewer_units else 1.0
    for units in _shrinking(hidden) if fewer_units else [tuple(hidden)]:
        worth = units[0] ** 2 if units else 1
        if most * worth <= best:
            break

        def fits(inputs: int, units: tuple[int, ...] = units) -> bool:
            network = _stand_in(_keeping(encoder, inputs), units, outputs, steps)
            needed = resources_of(network)
            cells = needed.logic_cells(target.family)
            return not shortage(needed, target) and cells <= filled * target.logic_cells

        # Of pixels some may be left out, of a sensor's events none
        least = 1 if fewer_inputs and find_input(encoder).load_cycles else most
        inputs = _most(least, most, fits)
        if inputs * worth > best:
            best, result = inputs * worth, (inputs, units)
    if result is None:
        raise UserError(f"--board {target.name}: no such network fits; {_lacks(asked, target)}")
    reason = "" if result == (most, tuple(hidden)) else _lacks(asked, target, resized=False)
    return Sizes(*result, reason)


def fit(network: Network, board: str) -> tuple[bool, str]:
    """Whether a trained ``network`` fits ``board``, and a line about it; if not, why not and what
    would.
    """
    target = find_board(board)
    needed = resources_of(network)
    if shortage(needed, target):
        return False, f"does not fit {target.name}: {_lacks(network, target)}"
    cells, memories = needed.logic_cells(target.family), needed.block_rams(target.family)
    return True, (
        f"fits {target.name}: about {cells:,} of {target.logic_cells:,} logic cells, "
        f"{memories} of {target.memories} block RAMs"
    )


def _lacks(network: Network, board: Board, *, resized: bool = True) -> str:
    """What ``network`` needs too much of, and what would fit; unless ``resized``, at its size."""
    needed = resources_of(network)
    cells = f"about {needed.logic_cells(board.family):,} of {board.logic_cells:,} logic cells"
    short = " and ".join(shortage(needed, board)) or cells
    would = remedies(network, needed, board)
    would = would if resized else [remedy for remedy in would if remedy.startswith("take")]
    return "; ".join(filter(None, [f"{network.structure} needs {short}", ", or ".join(would)]))


def _shrinking(hidden: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """``hidden``, then ever smaller layers of the same proportions."""
    yield tuple(hidden)
    first = hidden[0] if hidden else 0
    for units in range((first - 1) // _UNITS * _UNITS, 0, -_UNITS):
        yield (units, *(max(1, round(other * units / first)) for other in hidden[1:]))


def _most(least: int, most: int, fits: Callable[[int], bool]) -> int:
    """The largest number in ``least`` … ``most`` that fits, 0 if none does, by bisection."""
    if fits(most):
        return most
    if least == most or not fits(least):
        return 0
    while most - least > 1:
        middle = (least + most) // 2
        least, most = (middle, most) if fits(middle) else (least, middle)
    return least


def _keeping(
    encoder: LatencyEncoder | EventsEncoder, inputs: int
) -> LatencyEncoder | EventsEncoder:
    if inputs == encoder.inputs:
        return encoder
    return replace(cast(LatencyEncoder, encoder), select=tuple(range(inputs)))


def _stand_in(
    encoder: LatencyEncoder | EventsEncoder, hidden: Sequence[int], outputs: int, steps: int
) -> Network:
    """A network of these sizes."""
    layers = []
    for before, own in pairwise((encoder.inputs, *hidden, outputs)):
        weight = np.tile(np.arange(before) % 2 == 0, (own, 1))
        layers.append(Layer(weight=weight, threshold=np.full(own, before // 8, np.int32)))
    return Network(
        name="untrained",
        steps=steps,
        encoder=encoder,
        layers=tuple(layers),
        labels=tuple(map(str, range(outputs))),
        provenance=dict.fromkeys(PROVENANCE),
    )
