"""The cycles of hw.rtl.tiles.first_table: how long each window takes, and what its list has."""

import numpy as np

from hw.rtl.tiles.plan import TilesPlan
from sw.encoder import Spikes

__all__ = ["busy", "entries"]


def busy(plan: TilesPlan, spikes: Spikes, pooled: np.ndarray) -> np.ndarray:
    """Cycles after each pixel in which none is taken, int64 [B, H · W]: those of the window that it
    completes, and of the padding behind it.

    Parameters
    ----------
    plan : TilesPlan
        With a ``first``.
    spikes : Spikes
        The pixels that fire.
    pooled : int [B, channels · windows]
        When the units behind the pooling do, T if they do not.
    """
    first = plan.first
    assert first
    (height, width), (rows, columns) = first.shape, first.span
    times = np.full((len(spikes), height * width), plan.steps)
    times[spikes.image, spikes.unit] = spikes.step
    cycles = np.zeros((len(times), rows, columns), np.int64)
    made = _windows(plan, times.reshape(-1, height, width), pooled)
    cycles[:, first.begin[0] :: first.move[0], first.begin[1] :: first.move[1]] = made
    cycles[:, height:] += 1
    cycles[:, :height, width:] += 1
    result = cycles[:, :height, :width].copy()
    result[:, :, -1] += cycles[:, :height, width:].sum(axis=2)
    result[:, -1, -1] += cycles[:, height:].sum(axis=(1, 2))
    return result.reshape(len(times), -1)


def _windows(plan: TilesPlan, times: np.ndarray, pooled: np.ndarray) -> np.ndarray:
    """Cycles of each window, int64 [B, rows, columns]."""
    first, steps = plan.first, plan.steps
    assert first
    (down, across), (height, width) = first.windows, first.shape
    (top, left), (move_down, move_across) = first.before, first.move
    field = np.full(
        (
            len(times),
            max(top + height, (down - 1) * move_down + first.field[0]),
            max(left + width, (across - 1) * move_across + first.field[1]),
        ),
        steps,
    )
    field[:, top : top + height, left : left + width] = times

    def pixel(row: int, column: int) -> np.ndarray:
        """Of each window that pixel of its field."""
        part = field[:, row::move_down, column::move_across]
        return part[:, :down, :across]

    news = [  # of each place of a window and each step: it sees a pixel that fires
        np.any([pixel(*tap)[..., None] == np.arange(steps) for tap in taps], axis=0)
        for taps in first.taps
    ]
    some = np.any(news, axis=(0, 4))
    if first.spontaneous:
        for each in news:
            each[..., 0] = True
    looked_up = np.sum(news, axis=0)
    made = entries(plan, pooled)  # [B, tiles, T, windows]
    entered = (made > 0).sum(axis=1).reshape(len(times), steps, down, across)
    entered = np.moveaxis(entered, 1, 3)
    own = np.where(looked_up > 0, looked_up + 2 + 2 * entered, 0).sum(axis=3)
    quiet = min(2, steps) if first.spontaneous else 1
    return np.where(some, steps, quiet) + own


def entries(plan: TilesPlan, pooled: np.ndarray) -> np.ndarray:
    """The spikes of every possible entry of the list, uint8 [B, tiles, T, windows]."""
    first, tiles = plan.first, plan.inputs.tiles
    assert first
    by_lane = np.full((len(pooled), tiles * plan.lanes, int(np.prod(first.windows))), plan.steps)
    by_lane[:, : first.channels] = pooled.reshape(len(pooled), first.channels, -1)
    by_tile = by_lane.reshape(len(pooled), tiles, plan.lanes, -1)
    return np.stack(
        [(by_tile == step).sum(axis=2, dtype=np.uint8) for step in range(plan.steps)], axis=2
    )
