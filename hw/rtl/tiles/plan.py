"""The plan of the tiles engine: how a network's maps, channels and weights lie in its memories.

The RTL, the cycle model, the estimate of resources, the loader and the tests all read it. Plain
Python and NumPy, no Amaranth.

Words: a *tile* is a group of P channels of a layer's output that is computed at a time; a *place*
is a coordinate of a map; the *grid* is the B_h × B_w banks of margins. The output place (y, x) lies
in the bank (y mod B_h, x mod B_w), in its row (y div B_h, x div B_w). A spike reaches at most
B_h × B_w consecutive output places, all in different banks: its *target* (a, b) is the place
(y_max − a, x_max − b), where (y_max, x_max) is the last place whose kernel covers it.
"""

import math
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np

from hw.rtl.memories import packed
from hw.rtl.tiles.first_layer import FirstLayer

__all__ = ["LIST_WORDS", "MOST_STEPS", "Axis", "SpikeMap", "TiledLayer", "TilesPlan"]

LIST_WORDS = 1 << 14  # entries of both lists at most: one SPRAM
MOST_STEPS = 16


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One direction of a layer, down or across: what a spike at each input coordinate reaches.

    Parameters
    ----------
    row, bank : tuple of int, one per coordinate
        Those of the last output coordinate.
    enable : tuple of int
        Bit a is set if target a exists: it is in the map, and the kernel covers the input.
    position : tuple of int
        What it adds to the number of the row of weights, in units of P.
    """

    row: tuple[int, ...]
    bank: tuple[int, ...]
    enable: tuple[int, ...]
    position: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class SpikeMap:
    """The units whose spikes a list holds.

    Parameters
    ----------
    units : int [tiles, height, width, P]
        The unit of each tile, place and lane, as the network numbers them; −1 where there is none.
    most : int
        Entries of an inference at most; an entry has the units of one tile and place that fire in
        the same step.
    """

    units: np.ndarray
    most: int

    @property
    def tiles(self) -> int:
        return len(self.units)

    @property
    def height(self) -> int:
        return self.units.shape[1]

    @property
    def width(self) -> int:
        return self.units.shape[2]


@dataclass(frozen=True, kw_only=True, eq=False)
class TiledLayer:
    """A layer with weights, and the pooling behind it.

    Parameters
    ----------
    index : int
        Its number in the network.
    dense : bool
        A tile has B_h · B_w · P units: bank (i, j) has those of the place (i, j).
    inputs, outputs : SpikeMap
        Before it, and after its pooling.
    tiles : int
        Of its output.
    height, width : int
        Of its own map, before pooling.
    pool : (int, int)
        The window of first-spike pooling; (1, 1) if there is none.
    down, across : Axis
    positions : int
        Places or phases per input tile: each has P rows of weights, one per channel.
    minus : bool [tiles · inputs.tiles · positions · P, B_h · B_w · P]
        Rows of weights, set for −1: bit (a · B_w + b) · P + p is that of target (a, b) and lane p.
    starts : int [words, P]
        −θ per lane, a word per tile, or of a dense layer one per tile and bank; thresholds are
        moved as near as firing allows. None of a lane without a unit: see :attr:`TilesPlan.fired`.
    absent : bool [words, P]
        Lanes without a unit.
    moved : int [units or channels]
        How far each threshold was moved: new − old.
    margins : (int, int)
        The lowest and the highest V − θ with these thresholds.
    """

    index: int
    dense: bool
    inputs: SpikeMap
    outputs: SpikeMap
    tiles: int
    height: int
    width: int
    pool: tuple[int, int]
    down: Axis
    across: Axis
    positions: int
    minus: np.ndarray
    starts: np.ndarray
    absent: np.ndarray
    moved: np.ndarray
    margins: tuple[int, int]

    @property
    def spontaneous(self) -> bool:
        """Some unit fires in step 0 without any input."""
        return bool((self.starts[~self.absent] >= 0).any())

    @property
    def pools(self) -> bool:
        return self.pool != (1, 1)


@dataclass(frozen=True, kw_only=True, eq=False)
class TilesPlan:
    """All layers, and the sizes that they share.

    Parameters
    ----------
    lanes : int
        P.
    steps : int
        T.
    shape : (int, int, int)
        Channels, height and width of the network's inputs.
    grid : (int, int)
        B_h and B_w.
    layers : tuple of TiledLayer
    first : FirstLayer, optional
        What is before them, where that is made by a table.
    loaded : bool
        Weights are loaded at start-up, those of the table in the same memory. Otherwise the table
        has one of its own, since its rows are narrower.
    distributed : bool
        Margins are in distributed RAM, which logic cells make, not in block RAM.
    """

    lanes: int
    steps: int
    shape: tuple[int, int, int]
    grid: tuple[int, int]
    layers: tuple[TiledLayer, ...]
    first: FirstLayer | None = None
    loaded: bool = False
    distributed: bool = False

    @property
    def banks(self) -> int:
        return math.prod(self.grid)

    @property
    def inputs(self) -> SpikeMap:
        return self.layers[0].inputs

    @property
    def input_lanes(self) -> int:
        """Channels of a tile of the network's inputs: a power of two, so that the bits of a
        channel's number are its tile and its lane.
        """
        return 1 << self.lanes.bit_length() - 1

    @property
    def maps(self) -> list[SpikeMap]:
        """Those whose spikes are kept in lists: the inputs and all hidden layers."""
        return [layer.inputs for layer in self.layers]

    @cached_property
    def margin_bits(self) -> int:
        """W: it holds every margin, and :attr:`fired`, which none of them is."""
        most = max(layer.margins[1] for layer in self.layers)
        return 1 + max((-self._least).bit_length(), most.bit_length())

    @property
    def _least(self) -> int:
        return min(layer.margins[0] for layer in self.layers)

    @property
    def fired(self) -> int:
        """The margin of a unit that has fired, which stays."""
        return -1 << self.margin_bits - 1

    @property
    def fired_bits(self) -> int:
        """So many of the highest bits tell :attr:`fired` from any margin."""
        spare = self._least - self.fired  # at least 1
        return self.margin_bits - (spare.bit_length() - 1)

    def axes(self, way: int) -> tuple[list[Axis], list[int]]:
        """The different directions down (0) or across (1), their positions in units of
        :attr:`position_rows`, and the number of each layer's.
        """
        every = [(layer.down, layer.across)[way] for layer in self.layers]
        different = list(dict.fromkeys(every))
        scale = self.lanes // self.position_rows
        scaled = [
            replace(axis, position=tuple(scale * position for position in axis.position))
            for axis in different
        ]
        return scaled, [different.index(axis) for axis in every]

    @property
    def position_rows(self) -> int:
        """Rows of weights in a unit of the positions that tables of constants have: P, which keeps
        the tables narrow. But 1 where P is no power of two and weights are not loaded: a multiplier
        would come before the address of many block RAMs.
        """
        return self.lanes if self.loaded or not self.lanes & self.lanes - 1 else 1

    def rows(self, layer: TiledLayer) -> tuple[int, int]:
        """Rows of the banks, down and across, that hold a tile of ``layer``."""
        return -(-layer.height // self.grid[0]), -(-layer.width // self.grid[1])

    @property
    def row_bits(self) -> tuple[int, int]:
        """Bits of a row down and across; an address of a bank is both, across in the low bits. The
        last place that a spike reaches may lie a row behind the map.
        """

        def bits(way: int) -> int:
            axes = [(layer.down, layer.across)[way] for layer in self.layers]
            last = [rows[way] - 1 for rows in map(self.rows, self.layers)]
            return max(*last, *(max(axis.row) for axis in axes)).bit_length()

        return bits(0), bits(1)

    @property
    def bank_rows(self) -> int:
        """Words of a bank of margins, of P · W bits each."""
        rows = [self.rows(layer) for layer in self.layers]
        return max((down - 1 << self.row_bits[1]) + across for down, across in rows)

    @property
    def first_row(self) -> int:
        """Number of the first row of weights: before it are those of the first layer's table, if
        they are in the same memory.
        """
        return len(self.first.fires) if self.first and self.loaded else 0

    @property
    def weight_rows(self) -> int:
        return self.first_row + sum(len(layer.minus) for layer in self.layers)

    @cached_property
    def weights(self) -> np.ndarray:
        """All rows of weights in the order in which they are needed, bool [rows, B_h · B_w · P]."""
        blocks = [layer.minus for layer in self.layers]
        if self.first and self.loaded:
            spare = self.banks * self.lanes - self.first.channels
            blocks.insert(0, np.pad(self.first.fires, ((0, 0), (0, spare))))
        return np.concatenate(blocks)

    @property
    def load_columns(self) -> int:
        """Words of 16 bits per row as they are sent: a power of two, so that an address is a row
        and a column.
        """
        return 1 << (self.weight_columns - 1).bit_length()

    @property
    def weight_columns(self) -> int:
        """Words of 16 bits per row as they are kept."""
        return -(-self.banks * self.lanes // 16)

    @cached_property
    def load_words(self) -> np.ndarray:
        """What is loaded, uint16 [weight_rows · load_columns]: word c of a row has its bits from
        16 · c on; words from ``weight_columns`` on are not kept.
        """
        return packed(self.weights, self.load_columns)

    @cached_property
    def starts(self) -> np.ndarray:
        """The margins at the start of each tile, int [words, P], in the order of need."""
        return np.concatenate(
            [np.where(layer.absent, self.fired, layer.starts) for layer in self.layers]
        )

    @property
    def coordinate_bits(self) -> tuple[int, int]:
        """Bits of a place in a list's entry, down and across."""
        return tuple(
            max(getattr(each, name) - 1 for each in self.maps).bit_length()
            for name in ("height", "width")
        )

    @property
    def entry_bits(self) -> int:
        """An entry of a list: place and mask; or, unsorted: place, lane and step."""
        place = sum(self.coordinate_bits)
        if self.first:
            return place + self.lanes
        unsorted = (self.input_lanes - 1).bit_length() + (self.steps - 1).bit_length()
        return place + max(self.lanes, unsorted)

    @property
    def list_need(self) -> int:
        """Entries of two successive lists at most, the first being that of the unsorted inputs, if
        they are sorted; that of the inputs stays beside all others.
        """
        first, *most = [each.most for each in self.maps]
        unsorted = 1 if self.first else first  # there is a number behind the last word
        return self.input_words + max([unsorted, *most[:1], *map(sum, pairwise(most))])

    @property
    def input_words(self) -> int:
        """Words of the list of the inputs. Of a table each segment has its own, one per place."""
        if self.first:
            return self.steps * self.inputs.units[..., 0].size
        return self.inputs.most

    @property
    def list_words(self) -> int:
        """Words of the memory of lists. Two lists share them: one grows from the first word up, the
        other from the last word down.
        """
        return min(self.list_need, LIST_WORDS)

    @property
    def can_overflow(self) -> bool:
        """There are inputs whose spikes need more than :attr:`list_words`."""
        return self.list_need > self.list_words

    @property
    def segment_bits(self) -> int:
        """Bits of the number of a segment of a list, the entries of one tile and step, and of the
        number behind the last one.
        """
        segments = max((each.tiles for each in self.maps[1:]), default=0) * self.steps
        return (self.first_segment + segments).bit_length()

    @property
    def first_segment(self) -> int:
        """That of every layer's own list. A table gives the inputs before it two words each."""
        return 2 * self.steps * self.inputs.tiles if self.first else self.steps + 1

    @property
    def tiles(self) -> int:
        """Tiles of an inference at most: all of them for step 0, then for the whole window."""
        return (2 if self.steps > 1 else 1) * sum(layer.tiles for layer in self.layers)

    @property
    def windows(self) -> tuple[int, int]:
        """Windows down and across of the largest pooled map; (0, 0) if nothing is pooled."""
        pooled = [layer.outputs for layer in self.layers if layer.pools]
        return (
            max((each.height for each in pooled), default=0),
            max((each.width for each in pooled), default=0),
        )
