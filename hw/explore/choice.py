"""How a network is made on a board, unless told otherwise."""

from hw.boards.table import Board
from hw.explore.resources import resources_of, shortage
from hw.rtl.config import Config, config_for, default_config, whole_configs
from sw.cli import UserError
from sw.network import Network

__all__ = ["config_on", "fitting"]


def fitting(network: Network, board: Board) -> Config | None:
    """The first config of ``network`` that fits ``board``, None if there is none: its default, or
    where one engine makes all of it those that compute the most at a time, weights in the bitstream
    before loaded ones.

    Raises
    ------
    UserError
        Its layers have an engine each, and the hardware does not support it.
    """
    usual = default_config(network)
    layered = usual.whole is None
    others = [] if layered else sorted(whole_configs(network), key=_parallelism, reverse=True)
    for config in (usual, *others):
        try:
            if not shortage(resources_of(network, config), board):
                return config
        except UserError:
            if layered:
                raise
    return None


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


def _parallelism(config: Config) -> int:
    """What it computes at a time."""
    return config.whole.parallelism if config.whole else 0
