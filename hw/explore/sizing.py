"""The sizes of a network that is to fit a board, before it is trained: ``sw.train --board``."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple, cast

from hw.boards.table import Board, find_board
from hw.explore.choice import fitting
from hw.explore.resources import remedies, resources_of, shortage
from hw.explore.stand_in import narrowed, stand_in
from hw.rtl.config import default_config
from hw.rtl.inputs.registry import find_input
from sw.cli import UserError
from sw.encoder import EventsEncoder, LatencyEncoder
from sw.network import Network
from sw.structure import Dense, Kind

__all__ = ["Fit", "Sizes", "fit", "largest", "narrower"]

_SHARES, _CHANNELS = 32, 4  # of the channels of maps, and a multiple of which they are
_UNITS = 8  # hidden units are multiples of it, where they are chosen
# Shares of the logic cells that a size which is chosen may take, the next where nothing fits: carry
# chains do not fill a part to the end, and of designs above the first nextpnr could not place some.
_FILLED = (0.8, 0.9, 1.0)


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
    asked = _dense(encoder, hidden, outputs, steps)
    sizes = [tuple(hidden), *(_shrinking(hidden) if fewer_units else ())]
    # Of pixels some may be left out, of a sensor's events none
    least = 1 if fewer_inputs and find_input(encoder).load_cycles else encoder.inputs
    # What was named is kept wherever the estimate, with its error, does not rule it out
    for filled in _FILLED if fewer_inputs or fewer_units else (math.inf,):

        def fits(units: tuple[int, ...], inputs: int, filled: float = filled) -> bool:
            network = _dense(_keeping(encoder, inputs), units, outputs, steps)
            needed = resources_of(network)
            cells = needed.logic_cells(target.family)
            return not shortage(needed, target) and cells <= filled * target.logic_cells

        if result := _best(least, encoder.inputs, sizes, fits):
            whole = result == (encoder.inputs, tuple(hidden))
            return Sizes(*result, "" if whole else _lacks(asked, target, resized=False))
    raise UserError(f"--board {target.name}: no such network fits; {_lacks(asked, target)}")


def _best(
    least: int,
    most: int,
    sizes: Sequence[tuple[int, ...]],
    fits: Callable[[tuple[int, ...], int], bool],
) -> tuple[int, tuple[int, ...]] | None:
    """Of ``least`` … ``most`` inputs with hidden layers of ``sizes``, which fall, those that fit
    with the largest ``inputs · hidden²``; None if nothing fits.
    """
    best = 0
    result: tuple[int, tuple[int, ...]] | None = None
    for units in sizes:
        worth = units[0] ** 2 if units else 1
        if most * worth <= best:
            break
        inputs = _most(least, most, partial(fits, units))
        if inputs * worth > best:
            best, result = inputs * worth, (inputs, units)
    return result


def narrower(
    board: str,
    encoder: LatencyEncoder | EventsEncoder,
    kinds: Sequence[Kind],
    steps: int,
    *,
    fewer: bool = True,
) -> tuple[tuple[Kind, ...], str]:
    """The layers ``kinds`` of a network with maps, the output layer the last, with the largest
    share of channels and units that fits ``board`` with the usual engine or one with loaded
    weights; and why it is less than all, empty if it is not.

    Raises
    ------
    UserError
        The board is not known, or nothing fits, or the network as it is, unless ``fewer``.
    """
    target = find_board(board)
    asked = stand_in(encoder, kinds, steps)
    for share in range(_SHARES, 0, -1) if fewer else [_SHARES]:
        layers = narrowed(kinds, share / _SHARES, _CHANNELS) if share < _SHARES else tuple(kinds)
        if fitting(stand_in(encoder, layers, steps), target):
            return layers, "" if layers == tuple(kinds) else _lacks(asked, target, resized=False)
    raise UserError(f"--board {target.name}: no such network fits; {_lacks(asked, target)}")


class Fit(NamedTuple):
    """Whether a network fits a board."""

    engine: str | None  # with which it does: empty for the usual one, None if there is none
    line: str  # what it takes, or why it does not fit and what would


def fit(network: Network, board: str) -> Fit:
    """Whether a trained ``network`` fits ``board`` with the usual engine; with maps, with any."""
    target = find_board(board)
    config = fitting(network, target)
    if config is None:
        return Fit(None, f"does not fit {target.name}: {_lacks(network, target)}")
    needed = resources_of(network, config)
    cells, (memories, spram) = needed.logic_cells(target.family), needed.memories_on(target)
    engine = "" if config == default_config(network) else config.name
    name = f" with {engine}" if engine else ""
    single = f", {spram} of {target.spram} SPRAM" if spram else ""
    return Fit(
        engine,
        f"fits {target.name}{name}: about {cells:,} of {target.logic_cells:,} logic cells, "
        f"{memories} of {target.memories} block RAMs{single}",
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
    """Ever smaller layers than ``hidden``, of the same proportions."""
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


def _dense(
    encoder: LatencyEncoder | EventsEncoder, hidden: Sequence[int], outputs: int, steps: int
) -> Network:
    """A network of these sizes."""
    return stand_in(encoder, [Dense(units=units) for units in (*hidden, outputs)], steps)
