"""What a network needs of a board, and whether it fits, before any synthesis.

Block RAMs are exact: every memory is in block RAM by attribute, and the count is Yosys' arithmetic.
Logic cells are an estimate, linear in what the blocks are made of (hw/explore/coefficients.py); its
coefficients come from the designs of hw/explore/designs.py, and tests/hw/explore/test_resources.py
compares it with them: within 5 % on iCE40, within 8 % on ECP5 and Gowin.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import ceil

from hw.boards.families import Family
from hw.boards.table import BOARDS, Board
from hw.explore.coefficients import CELLS
from hw.rtl.config import DEFAULT, Config, whole_configs
from hw.rtl.decide import compared_bits
from hw.rtl.engines.base import Engine, LayerSize
from hw.rtl.inputs.base import Input
from hw.rtl.memories import BlockMemory
from hw.rtl.potentials import margin_shapes
from hw.rtl.spram import spram_blocks
from sw.cli import UserError
from sw.network import Network

__all__ = ["ERROR", "Resources", "check_fit", "remedies", "resources_of", "shortage"]

ERROR = 0.08  # the estimate's largest error that was seen, rounded up


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What a network's hardware needs, by what decides how large it is.

    Parameters
    ----------
    layers : tuple of LayerSize
        From the first hidden layer to the output layer.
    steps : int
        T.
    input : Input
        What it takes.
    margin_width : int
        Bits of the output's margins.
    config : Config
        How it is made.
    """

    layers: tuple[LayerSize, ...]
    steps: int
    input: Input
    margin_width: int
    config: Config = DEFAULT

    @property
    def sizes(self) -> tuple[int, ...]:
        """Units per layer, inputs first."""
        return (self.layers[0].inputs, *(layer.outputs for layer in self.layers))

    def resized(self, sizes: Sequence[int]) -> "Resources":
        """With layers of other ``sizes``, and as many bits of each unit."""
        pairs = zip(self.layers, pairwise(sizes), strict=True)
        layers = (replace(layer, inputs=before, outputs=own) for layer, (before, own) in pairs)
        return replace(self, layers=tuple(layers))

    def block_rams(self, family: Family) -> int:
        """Block RAMs, exactly."""
        return sum(_blocks(memory, family) for memory in self._memories())

    def _memories(self) -> Iterator[BlockMemory]:
        for engine, size in self._engines():
            yield from engine.memories(size)
        yield from self.input.memories(**self._first())

    def spram(self) -> int:
        """Single-port RAMs, exactly."""
        return sum(
            memory.count * spram_blocks(memory.depth, memory.columns)
            for engine, size in self._engines()
            for memory in engine.single_port_memories(size)
        )

    def logic_cells(self, family: Family) -> int:
        """Logic cells, estimated; UART and link included."""
        cost = self.cost()
        return round(sum(cells * cost[term] for term, cells in CELLS[family.name].items()))

    def cost(self) -> Counter[str]:
        """How much it has of each term that the logic cells are linear in."""
        cost: Counter[str] = Counter(design=1, hidden_layer=len(self.layers) - 1)
        cost["decision_bit"] = compared_bits(self.layers[-1].outputs, self.margin_width)
        cost.update(self.input.cost(**self._first()))
        for index, (engine, size) in enumerate(self._engines()):
            cost.update(engine.cost(size))
            if not engine.fires and index < len(self.layers) - 1:
                banks = self.config.engine(index + 1).banks
                cost.update(firing_unit=size.outputs, fire_bank=banks - 1)
        return cost

    def _engines(self) -> Iterator[tuple[Engine, LayerSize]]:
        """Engine and size of each layer."""
        for index, size in enumerate(self.layers):
            yield self.config.engine(index), size

    def _first(self) -> dict[str, int]:
        """What the input has to know."""
        banks = self.config.engine(0).banks
        return {"inputs": self.layers[0].inputs, "steps": self.steps, "banks": banks}


def resources_of(network: Network, config: Config = DEFAULT) -> Resources:
    """What ``network`` needs. Raises :class:`UserError` for what the hardware cannot do."""
    config.check(network)
    most_spikes = config.most_spikes(network)
    layers = zip(network.layers, most_spikes, strict=True)
    shapes = margin_shapes(network.layers[-1], most_spikes[-1])
    return Resources(
        layers=tuple(LayerSize.of(layer, most) for layer, most in layers),
        steps=network.steps,
        input=config.input(network),
        margin_width=max(shape.width for shape in shapes),
        config=config,
    )


def _blocks(memory: BlockMemory, family: Family) -> int:
    """Block RAMs of ``memory``, of whose words each part has its own write enables."""
    shared = family.write_bits if memory.parts > 1 else 1
    width = memory.parts * ceil(memory.width / shared) * shared
    return memory.count * family.block_rams(memory.depth, width)


def shortage(needed: Resources, board: Board) -> list[str]:
    """The resources that the board lacks, as text; empty if the network fits."""
    memories, cells = needed.block_rams(board.family), needed.logic_cells(board.family)
    spram = needed.spram()
    short = []
    if memories > board.memories:
        short.append(f"{memories} block RAMs of {board.memories}")
    if spram > board.spram:
        short.append(f"{spram} SPRAM of {board.spram}")
    if cells * (1 - ERROR) > board.logic_cells:
        short.append(f"about {cells} logic cells of {board.logic_cells}")
    return short


def check_fit(network: Network, board: Board, config: Config = DEFAULT) -> None:
    """Raises :class:`UserError` with the reason and the nearest remedies if it cannot fit."""
    needed = resources_of(network, config)
    short = shortage(needed, board)
    if short:
        raise UserError(
            f"network {network.name!r} does not fit {board.name}: it needs {' and '.join(short)}; "
            + ", or ".join(remedies(network, needed, board))
        )


def remedies(network: Network, needed: Resources, board: Board) -> list[str]:
    """The nearest networks that would fit the board, the engines with which this one would, and the
    boards that it would fit as it is. ``needed`` is of this network.
    """
    inputs, hidden, *rest = needed.sizes
    result = []
    fewer = _largest(inputs, lambda n: needed.resized((n, hidden, *rest)), board)
    if fewer and needed.input.can_select:
        result.append(f"train with --inputs {fewer}")
    if rest:
        fewer = _largest(hidden, lambda n: needed.resized((inputs, n, *rest)), board)
        if fewer:
            result.append(f"train with {fewer} units in the first hidden layer")
    fewer = _fewer_steps(needed, board)
    if fewer:
        result.append(f"train with --steps {fewer}")
    engines = [config.name for config in whole_configs() if _fits(network, board, config)]
    if engines:
        result.append(f"take --engine {' or '.join(engines)}")
    larger = [b.name for b in BOARDS.values() if not shortage(needed, b)]
    if larger:
        result.append(f"take --board {' or '.join(larger)}")
    return result or ["make the network much smaller"]


def _fits(network: Network, board: Board, config: Config) -> bool:
    try:
        return not shortage(resources_of(network, config), board)
    except UserError:
        return False  # the engine does not support this network


def _fewer_steps(needed: Resources, board: Board) -> int | None:
    """The most steps with which it fits, a power of two as encoders of pixels take them."""
    powers = (1 << k for k in reversed(range((needed.steps - 1).bit_length())))
    return next((n for n in powers if not shortage(replace(needed, steps=n), board)), None)


def _largest(limit: int, variant: Callable[[int], Resources], board: Board) -> int | None:
    return next((n for n in range(limit - 1, 7, -1) if not shortage(variant(n), board)), None)
