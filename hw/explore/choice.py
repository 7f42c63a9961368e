"""How a network is made on a board, unless told otherwise."""

from functools import partial

from hw.boards.table import Board
from hw.explore.resources import resources_of, shortage
from hw.rtl.config import Config, config_for, default_config, whole_configs
from hw.rtl.engines.registry import NETWORK_ENGINES
from sw.cli import UserError
from sw.network import Network

__all__ = ["config_on", "fitting"]

_FREE = 0.05  # of a board's logic cells: with fewer the router may not converge


def fitting(network: Network, board: Board) -> Config | None:
    """The first config of ``network`` that fits ``board``, None if there is none: its default, or
    where one engine makes all of it those of the fastest kind that compute the most at a time,
    weights in the bitstream before loaded ones. One that leaves 5 % of the logic cells free goes
    before all that do not.

    Raises
    ------
    UserError
        Its layers have an engine each, and the hardware does not support it.
    """
    usual = default_config(network)
    layered = usual.whole is None
    others = [] if layered else sorted(whole_configs(network), key=partial(_preference, network))
    tight = None
    for config in (usual, *others):
        try:
            needed = resources_of(network, config)
        except UserError:
            if layered:
                raise
            continue
        if shortage(needed, board):
            continue
        if needed.logic_cells(board.family) <= (1 - _FREE) * board.logic_cells:
            return config
        tight = tight or config
    return tight


def config_on(network: Network, board: Board, names: str | None) -> Config:
    """The config of the engines ``names`` as ``--engine`` takes them; None means the one that
    :func:`fitting` finds, or the default of ``network`` where nothing fits.

    Raises
    ------
    UserError
        It cannot make the network.
    """
    whole = default_config(network).whole is not None
    found = fitting(network, board) if names is None and whole else None
    return found or config_for(network, names)


def _preference(network: Network, config: Config) -> tuple[int, int]:
    """Engines in the registry's order, and of one engine its own."""
    assert config.whole
    try:
        own = config.whole.preference(network)
    except UserError:
        own = 0  # it cannot make this network, and is left out later
    return NETWORK_ENGINES.index(type(config.whole)), own
