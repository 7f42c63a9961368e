"""What a network needs of a board, and whether it fits, before any synthesis.

Block RAMs are exact: attributes say which memories are in them, and the count is Yosys' arithmetic.
Logic cells are an estimate, linear in what the blocks are made of (hw/explore/coefficients.py); its
coefficients come from the designs of hw/explore/designs.py, and tests/hw/explore/test_resources.py
compares it with them: within 6 % on iCE40 and 10 % on ECP5 and Gowin, where eight values side by
side in the bistable engine are the exception, within 20 %.
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import ceil

from hw.boards.families import Family, Grid
from hw.boards.table import BOARDS, Board
from hw.explore.coefficients import CELLS
from hw.explore.stand_in import narrowed, stand_in
from hw.rtl.config import DEFAULT, Config, default_config, whole_configs
from hw.rtl.decide import compared_bits
from hw.rtl.engines.base import Engine, LayerSize, NetworkEngine
from hw.rtl.inputs.base import Input
from hw.rtl.memories import BlockMemory, DistributedMemory, SinglePortBlocks
from hw.rtl.potentials import margin_shapes
from hw.rtl.spram import spram_blocks
from sw.cli import UserError
from sw.network import Network

__all__ = [
    "ERROR",
    "LayeredResources",
    "Resources",
    "WholeResources",
    "check_fit",
    "remedies",
    "resources_of",
    "shortage",
]

_SHARES = 32  # of the channels, where fewer would fit
ERROR = 0.1  # the estimate's largest error that was seen, rounded up


class Resources(ABC):
    """What hardware needs, by what decides how large it is."""

    @abstractmethod
    def memories(self, *, spram: bool) -> Iterable[BlockMemory]:
        """The memories for block RAM, of a part with or without SPRAM."""

    @abstractmethod
    def spram(self) -> int:
        """Single-port RAMs, exactly, of a part that has some."""

    @abstractmethod
    def cost(self) -> Counter[str]:
        """How much it has of each term that the logic cells are linear in."""

    def distributed(self) -> Sequence[DistributedMemory]:
        """The memories for distributed RAM."""
        return ()

    def block_rams(self, family: Family, *, spram: bool = True) -> int:
        """Block RAMs, exactly, of a part with or without SPRAM."""
        return sum(
            memory.count * _grid(memory, family).blocks for memory in self.memories(spram=spram)
        )

    def terms(self, family: Family) -> Counter[str]:
        """:meth:`cost`, and what memories take that are in distributed RAM or more than a block RAM
        deep.
        """
        terms = self.cost()
        terms["multiplexed_bit"] = sum(
            memory.count * memory.parts * memory.width * (_grid(memory, family).rows - 1)
            for memory in self.memories(spram=bool(family.single_port))
        )
        if family.distributed_cells:
            for each in self.distributed():
                cells = family.distributed_cells(each.depth, each.width)
                terms["distributed_cell"] += each.count * cells
        return terms

    def memories_on(self, board: Board) -> tuple[int, int]:
        """Block RAMs and single-port RAMs on ``board``, exactly."""
        return self.block_rams(board.family, spram=board.spram > 0), self.spram()

    def logic_cells(self, family: Family) -> int:
        """Logic cells, estimated; UART and link included."""
        terms = self.terms(family)
        return round(sum(cells * terms[term] for term, cells in CELLS[family.name].items()))


@dataclass(frozen=True, kw_only=True)
class LayeredResources(Resources):
    """Of a network whose layers have an engine each.

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

    def resized(self, sizes: Sequence[int]) -> "LayeredResources":
        """With layers of other ``sizes``, and as many bits of each unit."""
        pairs = zip(self.layers, pairwise(sizes), strict=True)
        layers = (replace(layer, inputs=before, outputs=own) for layer, (before, own) in pairs)
        return replace(self, layers=tuple(layers))

    def memories(self, *, spram: bool) -> Iterator[BlockMemory]:
        for engine, size in self._engines():
            yield from engine.memories(size)
        yield from self.input.memories(**self._first())

    def spram(self) -> int:
        return sum(
            _sprams(memory)
            for engine, size in self._engines()
            for memory in engine.single_port_memories(size)
        )

    def cost(self) -> Counter[str]:
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


@dataclass(frozen=True, kw_only=True, eq=False)
class WholeResources(Resources):
    """Of a network that one engine makes.

    Parameters
    ----------
    network : Network
    engine : NetworkEngine
    input : Input
        What it takes.
    most_spikes : int, optional
        Spikes of an inference at most that reach the output layer.
    """

    network: Network
    engine: NetworkEngine
    input: Input
    most_spikes: int | None

    def memories(self, *, spram: bool) -> Iterator[BlockMemory]:
        yield from self.engine.memories(self.network, self.input.most_spikes)
        yield from self.input.front_memories()
        if not spram:
            for each in self._single_port():
                yield from each.in_block_ram

    def spram(self) -> int:
        return sum(map(_sprams, self._single_port()))

    def _single_port(self) -> Sequence[SinglePortBlocks]:
        return self.engine.single_port_memories(self.network, self.input.most_spikes)

    def distributed(self) -> Sequence[DistributedMemory]:
        return self.engine.distributed_memories(self.network, self.input.most_spikes)

    def memories_on(self, board: Board) -> tuple[int, int]:
        # What would be in SPRAM is in block RAM where there is none.
        blocks, spram = super().memories_on(board)
        return blocks, spram if board.spram else 0

    def weights_on(self, board: Board) -> tuple[int, int]:
        """Of :meth:`memories_on` those for the weights."""
        memory = self.engine.weight_memory(self.network)
        if board.spram and not isinstance(memory, BlockMemory):
            return 0, _sprams(memory)
        blocks = [memory] if isinstance(memory, BlockMemory) else memory.in_block_ram
        return sum(each.count * _grid(each, board.family).blocks for each in blocks), 0

    def cost(self) -> Counter[str]:
        cost: Counter[str] = Counter(design=1)
        cost.update(self.input.front_cost())
        cost.update(self.engine.cost(self.network, self.input.most_spikes))
        cost.update(self.engine.decision_cost(self.network, self.most_spikes))
        return cost


def resources_of(network: Network, config: Config | None = None) -> Resources:
    """What ``network`` needs, by default as it is made by default. Raises :class:`UserError` for
    what the hardware cannot do.
    """
    config = config or default_config(network)
    config.check(network)
    most_spikes, source = config.most_spikes(network), config.input(network)
    if config.whole:
        return WholeResources(
            network=network, engine=config.whole, input=source, most_spikes=most_spikes[-1]
        )
    shapes = margin_shapes(network.layers[-1], most_spikes[-1])
    layers = zip(network.layers, most_spikes, strict=True)
    return LayeredResources(
        layers=tuple(LayerSize.of(layer, most) for layer, most in layers),
        steps=network.steps,
        input=source,
        margin_width=max(shape.width for shape in shapes),
        config=config,
    )


def _grid(memory: BlockMemory, family: Family) -> Grid:
    """Block RAMs of one such ``memory``, of whose words each part has its own write enables."""
    shared = family.write_bits if memory.parts > 1 else 1
    width = memory.parts * ceil(memory.width / shared) * shared
    return family.grid(memory.depth, width, constant=memory.constant)


def _sprams(memory: SinglePortBlocks) -> int:
    return memory.count * spram_blocks(memory.depth, memory.columns)


def shortage(needed: Resources, board: Board) -> list[str]:
    """The resources that the board lacks, as text; empty if the network fits."""
    (memories, spram), cells = needed.memories_on(board), needed.logic_cells(board.family)
    weights = needed.weights_on(board) if isinstance(needed, WholeResources) else (0, 0)
    short = []
    if needed.distributed() and not board.family.distributed_cells:
        short.append("distributed RAM")
    for count, of_weights, available, name in (
        (memories, weights[0], board.memories, "block RAMs"),
        (spram, weights[1], board.spram, "SPRAM"),
    ):
        if count > available:
            part = f", {of_weights} of them for its weights" if of_weights else ""
            short.append(f"{count} {name} of {available}{part}")
    if cells * (1 - ERROR) > board.logic_cells:
        short.append(f"about {cells} logic cells of {board.logic_cells}")
    return short


def check_fit(network: Network, board: Board, config: Config | None = None) -> None:
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
    smaller = _fewer_units if isinstance(needed, LayeredResources) else _fewer_channels
    result = list(smaller(network, needed, board))
    engines = [c.name for c in whole_configs(network) if _fits(network, board, c)]
    if engines:
        result.append(f"take --engine {' or '.join(engines)}")
    larger = [b.name for b in BOARDS.values() if not shortage(needed, b)]
    if larger:
        result.append(f"take --board {' or '.join(larger)}")
    return result or ["make the network much smaller"]


def _fewer_units(network: Network, needed: Resources, board: Board) -> Iterator[str]:
    assert isinstance(needed, LayeredResources)
    inputs, hidden, *rest = needed.sizes
    fewer = _largest(inputs, lambda n: needed.resized((n, hidden, *rest)), board)
    if fewer and needed.input.can_select:
        yield f"train with --inputs {fewer}"
    if rest:
        fewer = _largest(hidden, lambda n: needed.resized((inputs, n, *rest)), board)
        if fewer:
            yield f"train with {fewer} units in the first hidden layer"
    fewer = _fewer_steps(needed, board)
    if fewer:
        yield f"train with --steps {fewer}"


def _fewer_channels(network: Network, needed: Resources, board: Board) -> Iterator[str]:
    """The network with the largest share of all hidden channels and units that fits, with this
    engine or one that computes as many channels at a time, unless all fits with that.
    """
    assert isinstance(needed, WholeResources)
    own, kinds = needed.engine, [layer.kind for layer in network.layers]
    alike = [
        config
        for config in whole_configs(network)
        if config.whole
        and config.whole.granularity == own.granularity
        and (config.whole == own or not _fits(network, board, config))
    ]
    alike.sort(key=lambda config: config.whole != own)
    tried = {tuple(kinds)}
    for share in range(_SHARES - 1, 0, -1):
        fewer = narrowed(kinds, share / _SHARES, own.granularity)
        if fewer in tried:
            continue
        tried.add(fewer)
        other = stand_in(network.encoder, fewer, network.steps)
        for config in alike:
            if _fits(other, board, config):
                engine = "" if config.whole == own else f" and take --engine {config.name}"
                yield f"train with --layers {','.join(map(str, fewer[:-1]))}{engine}"
                return


def _fits(network: Network, board: Board, config: Config) -> bool:
    try:
        return not shortage(resources_of(network, config), board)
    except UserError:
        return False  # the engine does not support this network


def _fewer_steps(needed: LayeredResources, board: Board) -> int | None:
    """The most steps with which it fits, a power of two as encoders of pixels take them."""
    powers = (1 << k for k in reversed(range((needed.steps - 1).bit_length())))
    return next((n for n in powers if not shortage(replace(needed, steps=n), board)), None)


def _largest(limit: int, variant: Callable[[int], Resources], board: Board) -> int | None:
    return next((n for n in range(limit - 1, 7, -1) if not shortage(variant(n), board)), None)
