"""What a network needs of a board, and whether it fits, before any synthesis.

Block RAMs are exact: every memory is in block RAM by attribute, and the count is Yosys' arithmetic.
Logic cells are an estimate, linear in what the blocks are made of; its coefficients come from the
designs of hw/calibrate.py, and tests/hw/explore/test_resources.py holds it against them: within
5 % on iCE40, within 8 % on ECP5 and Gowin.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from math import ceil

from amaranth.utils import bits_for, ceil_log2

from hw.boards.families import Family
from hw.boards.table import BOARDS, Board
from hw.rtl.config import DEFAULT, Config, Event, Folded, Popcount, whole_configs
from hw.rtl.core import check_network
from hw.rtl.engines.event_driven import bank_depth
from hw.rtl.engines.folded import lane_width
from hw.rtl.spram import COLUMN, spram_blocks
from hw.rtl.streams import potential_shapes
from sw.cli import UserError
from sw.encoder import EventsEncoder
from sw.network import Network

__all__ = ["Need", "check_fit", "need", "shortage"]

# Logic cells per: bit of a potential, hidden unit, bit of the decision's tree; step, step times its
# address bits, address bit of inputs and pixels, hidden layer, chosen pixels at all, a pool at all,
# and what every design has (UART, link, control); bank more than one of the first and of the other
# layers, slot of a unit, weight that a popcount looks at in a cycle, its flag, bit of folded lanes,
# bit of their thresholds for each 16 chunks after the first, weights that are loaded at all (loader
# and flash reader; only where there is SPRAM), inputs that are events at all (bypass and items). As
# ``python -m hw.calibrate`` fits and prints them.
_CELLS = {
    "ice40": (
        *(1.14, 4.14, 1.71, 12.62, 0.11, 14.13, 51.47, 86.78, 23.51, 212.94),
        *(85.78, 0.0, 1.21, 3.43, 0.36, 5.81, 1.04, 420.63, 87.82),
    ),
    "ecp5": (
        *(1.85, 5.94, 1.67, 18.14, 0.0, 28.26, 44.49, 60.03, 76.39, 0.0),
        *(169.78, 0.0, 0.95, 3.89, 0.47, 5.66, 2.02, 0.0, 381.5),
    ),
    "gowin": (
        *(2.25, 9.04, 3.62, 19.59, 0.0, 0.0, 0.0, 48.44, 0.0, 604.77),
        *(188.55, 0.0, 0.51, 5.07, 2.44, 5.69, 1.41, 0.0, 105.91),
    ),
}
_ERROR = 0.08  # the estimate's largest error that was seen, rounded up


@dataclass(frozen=True, kw_only=True)
class Need:
    """What decides how large a network's hardware is.

    Parameters
    ----------
    sizes : tuple of int
        Units per layer, inputs first.
    steps : int
        T.
    pixels : int
        Pixels of an image; 0 where inputs are events, which need no encoder and no orderer.
    pool : int
        1 without a pool.
    columns : int
        Pixels in a row, after pooling.
    chosen : bool
        Only some pixels are inputs.
    bits : tuple of float
        Bits of an average unit's potential, for each layer after the inputs.
    margin : int
        Bits of the output's margins.
    lane_bits : tuple of int
        Bits of a potential where it lies in memory, for each layer after the inputs.
    config : Config
        How it is made.
    """

    sizes: tuple[int, ...]
    steps: int
    pixels: int
    pool: int
    columns: int
    chosen: bool
    bits: tuple[float, ...]
    margin: int
    lane_bits: tuple[int, ...]
    config: Config = DEFAULT

    def block_rams(self, family: Family) -> int:
        """Block RAMs: weights; where inputs are images, encoder and orderer."""
        weights = 0
        for index, engine, inputs, outputs in self._layers():
            if isinstance(engine, Event):
                depth = bank_depth(inputs, engine.banks)
                weights += engine.banks * family.block_rams(depth, outputs)
            elif isinstance(engine, Folded):
                chunks, bits = ceil(outputs / engine.lanes), self.lane_bits[index]
                weights += family.block_rams(chunks, engine.lanes * bits)
                if not engine.loaded:
                    weights += family.block_rams(inputs * chunks, engine.lanes)
            elif engine.flags:
                depth, width = ceil(inputs / engine.flags), engine.flags * outputs
                weights += family.block_rams(depth, width) if depth > 1 else 0
        return weights + (self._ordering(family) if self.pixels else 0)

    def _ordering(self, family: Family) -> int:
        """Block RAMs of the orderer's links, heads (twice) and ends, and of the pool's sums."""
        banks, lanes = self.config.engine(0).banks, self.config.pixels
        rows = -(-self.sizes[0] // banks)
        link = bits_for(rows - 1) + (banks == 1)
        links = banks * family.block_rams(2 * rows, link)
        # Each bank's head is written alone, in parts that share a write enable.
        shared = family.write_bits if banks > lanes else 1
        part = -(-link // shared) * shared
        heads = family.block_rams(2 * self.steps, banks // lanes * part)
        heads *= lanes * (2 + (banks > 1))
        pooled = bits_for(255 * self.pool**2 + self.pool**2 // 2)
        pool = family.block_rams(self.columns, pooled) if self.pool > 1 else 0
        return links + heads + pool

    def spram(self) -> int:
        """Single-port RAMs: the copies of the weights that are loaded at start-up."""
        result = 0
        for _, engine, inputs, outputs in self._layers():
            if isinstance(engine, Folded) and engine.loaded:
                rows = inputs * ceil(outputs / engine.lanes)
                result += engine.copies * spram_blocks(rows, engine.lanes // COLUMN)
        return result

    def logic_cells(self, family: Family) -> int:
        """Logic cells, estimated; UART and link included."""
        pairs = zip(_CELLS[family.name], self.amounts(), strict=True)
        return round(sum(coefficient * amount for coefficient, amount in pairs))

    def _layers(self) -> Iterator[tuple[int, Event | Folded | Popcount, int, int]]:
        """Number, engine, inputs and outputs of each layer."""
        for index, (inputs, outputs) in enumerate(pairwise(self.sizes)):
            yield index, self.config.engine(index), inputs, outputs

    def amounts(self) -> tuple[float, ...]:
        """What the logic cells are linear in, in the order of the coefficients."""
        return (*self._units(), *self._around(), *self._engines(), not self.pixels)

    def _units(self) -> tuple[float, ...]:
        """Bits of potentials in registers; hidden units that fire all at once; the decision's
        tree, of whose four candidates at a time all pairs are compared.
        """
        layers = range(len(self.sizes) - 1)
        unfolded = [k for k in layers if not isinstance(self.config.engine(k), Folded)]
        tree, candidates = 0, self.sizes[-1]
        label = ceil_log2(candidates)
        while candidates > 1:
            fours = [min(4, candidates - k) for k in range(0, candidates, 4)]
            tree += sum(n * (n - 1) // 2 * self.margin + self.margin + label for n in fours)
            candidates = len(fours)
        return (
            sum(self.sizes[k + 1] * self.bits[k] for k in unfolded),
            sum(self.sizes[k + 1] for k in unfolded if k < len(layers) - 1),
            tree,
        )

    def _around(self) -> tuple[float, ...]:
        """The orderer's steps, addresses, hidden layers, chosen pixels, a pool, and what every
        design has.
        """
        steps = self.steps if self.pixels else 0
        return (
            steps,
            steps * ceil_log2(self.steps),
            ceil_log2(self.sizes[0]) + ceil_log2(self.pixels),
            len(self.sizes) - 2,
            self.chosen,
            self.pool > 1,
            1,
        )

    def _engines(self) -> tuple[float, ...]:
        """Banks more than one: the orderer's, the fire blocks', and the slots of the units; the
        weights that a popcount looks at in a cycle, and its flags; the bits of folded lanes and
        of their thresholds; the loader of weights.
        """
        slots, looked_at, flags, folded, thresholds = 0, 0.0, 0, 0, 0
        for index, engine, inputs, outputs in self._layers():
            if isinstance(engine, Folded):
                lanes, bits = engine.lanes, self.lane_bits[index]
                folded += lanes * bits
                # Of 16 chunks a bit is one cell's table.
                thresholds += lanes * (bits + 1) * (ceil(outputs / lanes / 16) - 1)
            elif isinstance(engine, Popcount):
                # Of all flags at once only the rarer sign is counted.
                looked_at += outputs * (engine.flags or inputs / 2 - 0.4 * inputs**0.5)
                flags += inputs
            elif engine.banks > 1:
                rows = -(-inputs // engine.banks)
                mixed = engine.banks * (bank_depth(inputs, engine.banks) == rows)
                slots += outputs * (mixed + 4 * (engine.banks == 4))
        banks = [self.config.engine(index).banks - 1 for index in range(len(self.sizes) - 1)]
        orderer, fire = banks[0], sum(banks[1:])
        loader = self.spram() > 0
        return orderer, fire, slots, looked_at, flags, folded, thresholds, loader


def need(network: Network, config: Config = DEFAULT) -> Need:
    """What ``network`` needs. Raises :class:`UserError` for what the hardware cannot do."""
    check_network(network)
    config.check(network)
    encoder = network.encoder
    events = isinstance(encoder, EventsEncoder)
    most = config.most_spikes(network)
    shapes = [potential_shapes(*each) for each in zip(network.layers, most, strict=True)]
    return Need(
        sizes=network.sizes,
        steps=network.steps,
        pixels=0 if events else encoder.pixels,
        pool=1 if events else encoder.pool,
        columns=0 if events else encoder.shape[1] // encoder.pool,
        chosen=not events and encoder.select is not None,
        bits=tuple(sum(s.width for s in layer) / len(layer) for layer in shapes),
        margin=max(s.width for s in shapes[-1]),
        lane_bits=tuple(lane_width(layer) for layer in network.layers),
        config=config,
    )


def shortage(what: Need, board: Board) -> list[str]:
    """What the board has too little of, as text; empty if the network fits."""
    memories, cells = what.block_rams(board.family), what.logic_cells(board.family)
    spram = what.spram()
    short = []
    if memories > board.memories:
        short.append(f"{memories} block RAMs of {board.memories}")
    if spram > board.spram:
        short.append(f"{spram} SPRAM of {board.spram}")
    if cells * (1 - _ERROR) > board.logic_cells:
        short.append(f"about {cells} logic cells of {board.logic_cells}")
    return short


def check_fit(network: Network, board: Board, config: Config = DEFAULT) -> None:
    """Raises :class:`UserError` with the reason and the nearest remedies if it cannot fit."""
    what = need(network, config)
    short = shortage(what, board)
    if short:
        raise UserError(
            f"network {network.name!r} does not fit {board.name}: it needs {' and '.join(short)}; "
            + ", or ".join(remedies(network, what, board))
        )


def remedies(network: Network, what: Need, board: Board) -> list[str]:
    """The nearest networks that would fit the board, the engines with which this one would, and the
    boards that it would fit as it is. ``what`` is its need.
    """
    inputs, hidden, *rest = what.sizes
    result = []
    fewer = _largest(inputs, lambda n: replace(what, sizes=(n, hidden, *rest)), board)
    if fewer and what.pixels:
        result.append(f"train with --inputs {fewer}")
    if rest:
        fewer = _largest(hidden, lambda n: replace(what, sizes=(inputs, n, *rest)), board)
        if fewer:
            result.append(f"train with {fewer} units in the first hidden layer")
    engines = [config.name for config in whole_configs() if _fits(network, board, config)]
    if engines:
        result.append(f"take --engine {' or '.join(engines)}")
    larger = [b.name for b in BOARDS.values() if not shortage(what, b)]
    if larger:
        result.append(f"take --board {' or '.join(larger)}")
    return result or ["make the network much smaller"]


def _fits(network: Network, board: Board, config: Config) -> bool:
    try:
        return not shortage(need(network, config), board)
    except UserError:
        return False  # the engine is not for this network


def _largest(limit: int, variant: Callable[[int], Need], board: Board) -> int | None:
    return next((n for n in range(limit - 1, 7, -1) if not shortage(variant(n), board)), None)
