"""A recipe whose network fits a board, for ``sw.train --board``. What fits, ``hw`` knows: it is
imported where it is asked for, so that training alone does not need the extra that builds.
"""

import shlex
from dataclasses import replace
from pathlib import Path

from sw.cli import UserError
from sw.data.dataset import Dataset
from sw.data.events import EventDataset
from sw.encoder import LatencyEncoder, PhaseEncoder
from sw.learn.recipes import Recipe
from sw.learn.trainer import encoder_of
from sw.network import Network
from sw.rules import RULES
from sw.structure import Dense, write

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

    if recipe.coding != "first-spike":
        raise UserError(f"--board: fits first-spike networks, not those of rule {recipe.rule!r}")
    if not RULES[recipe.rule].binary:
        raise UserError(f"--board: rule {recipe.rule!r} has real weights, which no board takes")
    hidden = [units for units in recipe.hidden if isinstance(units, int)]
    encoder = encoder_of(recipe, data)
    assert not isinstance(encoder, PhaseEncoder)
    if len(hidden) < len(recipe.hidden):
        kinds = (*recipe.kinds, Dense(units=len(data.labels)))
        layers, reason = sizing.narrower(board, encoder, kinds, recipe.steps, fewer=fewer_units)
        why = f"is the largest that fits: {reason}" if reason else "fits"
        kept = tuple(kind.units if isinstance(kind, Dense) else kind for kind in layers[:-1])
        return replace(recipe, hidden=kept), f"{board}: {write(encoder.map, layers)} {why}"
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

    engine, line = sizing.fit(network, board)
    if engine is None:
        return line
    words = ["python", "-m", "hw.build", "--board", board, str(path)]
    words += ["--engine", engine] if engine else []
    return f"{line}; {shlex.join(words)}"
