"""A recipe whose network fits a board, for ``sw.train --board``. What fits, ``hw`` knows: it is
imported where it is asked for, so that training alone does not need the extra that builds.
"""

import shlex
from dataclasses import replace
from pathlib import Path

from sw.cli import UserError
from sw.data.dataset import Dataset
from sw.data.events import EventDataset
from sw.encoder import LatencyEncoder
from sw.learn.recipes import Recipe
from sw.learn.trainer import encoder_of
from sw.network import Network
from sw.rules import RULES

__all__ = ["fitted", "outcome"]


def fitted(
    recipe: Recipe,
    data: Dataset | EventDataset,
    board: str,
    *,
    fewer_inputs: bool,
    fewer_units: bool,
) -> tuple[Recipe, str]:
    """The recipe with as many inputs and hidden units as fit ``board``, and a line about them.

    Parameters
    ----------
    fewer_inputs, fewer_units : bool
        Whether there may be fewer than the recipe has.

    Raises
    ------
    UserError
        Nothing fits, the board is not known, or the rule has real weights.
    """
    from hw.explore import sizing

    if not RULES[recipe.rule].binary:
        raise UserError(f"--board: rule {recipe.rule!r} has real weights, which no board takes")
    hidden = [units for units in recipe.hidden if isinstance(units, int)]
    if len(hidden) < len(recipe.hidden):
        raise UserError("--board: sizes dense layers only; leave it out, or name --layers of units")
    encoder = encoder_of(recipe, data)
    if recipe.inputs is not None and isinstance(encoder, LatencyEncoder):
        encoder = replace(encoder, select=tuple(range(min(recipe.inputs, encoder.inputs))))
    found = sizing.largest(
        board,
        encoder,
        hidden,
        len(data.labels),
        recipe.steps,
        fewer_inputs=fewer_inputs,
        fewer_units=fewer_units,
    )
    sizes = "-".join(map(str, (found.inputs, *found.hidden, len(data.labels))))
    why = f"is the largest that fits: {found.reason}" if found.reason else "fits"
    inputs = recipe.inputs if found.inputs == encoder.inputs else found.inputs
    return replace(recipe, inputs=inputs, hidden=found.hidden), f"{board}: {sizes} {why}"


def outcome(network: Network, board: str, path: Path) -> str:
    """Whether the trained ``network``, whose file is ``path``, fits, and what to do then."""
    from hw.explore import sizing

    fits, line = sizing.fit(network, board)
    if not fits:
        return line
    return f"{line}; {shlex.join(['python', '-m', 'hw.build', '--board', board, str(path)])}"
