"""The config: which machine is made of a network, layer by layer."""

from dataclasses import dataclass

from sw.cli import UserError
from sw.encoder import EventsEncoder
from sw.network import Network

__all__ = [
    "DEFAULT",
    "LOADED_LANES",
    "PRESETS",
    "Config",
    "Event",
    "Folded",
    "Popcount",
    "engine_names",
    "find_config",
    "whole_configs",
]


@dataclass(frozen=True, kw_only=True)
class Event:
    """The event engine: a row of weights for every spike, all potentials in registers.

    Parameters
    ----------
    banks : 1, 2 or 4
        Spikes added in a cycle, E. Unit i of the layer before has its weights in bank i mod E.
    """

    banks: int = 1

    def __post_init__(self) -> None:
        if self.banks not in (1, 2, 4):
            raise UserError(f"Banks must be 1, 2 or 4, not {self.banks!r}")

    @property
    def name(self) -> str:
        """As :data:`PRESETS` calls it."""
        return "event" if self.banks == 1 else f"event-{self.banks}"


@dataclass(frozen=True, kw_only=True)
class Popcount:
    """The popcount engine: at the end of a step, XNOR and popcount of who has fired so far.

    Parameters
    ----------
    flags : int, optional
        Flags of the layer before that are looked at in a cycle, W, with weights in block RAM.
        Without it, all at once, and the weights become logic.
    """

    flags: int | None = None

    def __post_init__(self) -> None:
        if self.flags is not None and self.flags < 1:
            raise UserError(f"Flags must be at least 1, not {self.flags!r}")

    @property
    def banks(self) -> int:
        """Spikes taken in a cycle."""
        return 1

    @property
    def name(self) -> str:
        """As :data:`PRESETS` calls it, if it is one."""
        return "popcount" if self.flags is None else f"popcount-{self.flags}"


LOADED_LANES = (16, 32, 64)  # that memories of loaded weights have room for


@dataclass(frozen=True, kw_only=True)
class Folded:
    """The folded engine, for hidden layers: potentials in block RAM, a pass over them per spike.

    Parameters
    ----------
    lanes : int
        Units in a cycle, P; less than half of the layer's.
    loaded : bool
        Weights are no part of the bitstream: they are loaded at start-up into two copies, so that
        a pass adds two spikes. On an iCE40 UP5K these are in SPRAM. 16, 32 or 64 lanes.
    """

    lanes: int = 16
    loaded: bool = False

    def __post_init__(self) -> None:
        if self.lanes < 1:
            raise UserError(f"Lanes must be at least 1, not {self.lanes!r}")
        if self.loaded and self.lanes not in LOADED_LANES:
            raise UserError(f"Lanes of loaded weights must be 16, 32 or 64, not {self.lanes!r}")

    @property
    def banks(self) -> int:
        """Spikes taken in a cycle, at most."""
        return 1

    @property
    def copies(self) -> int:
        """Memories that each hold all weights: spikes of a pass, at most."""
        return 2 if self.loaded else 1

    @property
    def name(self) -> str:
        """As :data:`PRESETS` calls it, if it is one."""
        return f"folded-{self.lanes}{'-spram' if self.loaded else ''}"


@dataclass(frozen=True, kw_only=True)
class Config:
    """How a network becomes hardware.

    Parameters
    ----------
    engines : tuple of Event, Popcount and Folded
        The engine of each layer; the last one stands for all that follow.
    pixels : 1, 2 or 4
        Pixels taken in a cycle; no more than the first layer has banks.
    most_events : int
        Where inputs are events, that many of an inference at most: what potentials have room for.
    """

    engines: tuple[Event | Popcount | Folded, ...] = (Event(),)
    pixels: int = 1
    most_events: int = 4095

    def __post_init__(self) -> None:
        if not self.engines:
            raise UserError("Engines must be at least one, not none")
        if self.pixels not in (1, 2, 4):
            raise UserError(f"Pixels must be 1, 2 or 4, not {self.pixels!r}")
        if self.most_events < 1:
            raise UserError(f"Most_events must be at least 1, not {self.most_events!r}")
        if self.pixels > self.engines[0].banks:
            raise UserError(
                f"{self.pixels} pixels a cycle need as many banks in the first layer, which has "
                f"{self.engines[0].banks}"
            )

    @property
    def name(self) -> str:
        """As :func:`find_config` takes it; it does not tell of ``pixels``."""
        return ",".join(engine.name for engine in self.engines)

    def engine(self, layer: int) -> Event | Popcount | Folded:
        """The engine of layer ``layer``, counted from 0."""
        return self.engines[min(layer, len(self.engines) - 1)]

    def most_spikes(self, network: Network) -> list[int | None]:
        """Spikes of an inference at most that reach each layer; None where an input fires once."""
        events = isinstance(network.encoder, EventsEncoder)
        # Inputs that fire more than once reach the first layer only.
        return [self.most_events if events else None] + [None] * (len(network.layers) - 1)

    def loaded_layer(self, network: Network) -> int | None:
        """The layer whose weights are loaded at start-up, if there is one."""
        return next(iter(self._loaded_layers(network)), None)

    def _loaded_layers(self, network: Network) -> list[int]:
        engines = [self.engine(index) for index in range(len(network.layers))]
        return [k for k, e in enumerate(engines) if isinstance(e, Folded) and e.loaded]

    def check(self, network: Network) -> None:
        """Raises :class:`UserError` if ``network`` cannot be made in this way."""
        if len(self.engines) > len(network.layers):
            raise UserError(
                f"network {network.name!r} has {len(network.layers)} layers, the config engines "
                f"for {len(self.engines)}; name as many or fewer"
            )
        self._check_loaded(network)
        for index, layer in enumerate(network.layers):
            engine = self.engine(index)
            banks = engine.banks
            if isinstance(engine, Popcount) and (engine.flags or 0) > layer.inputs:
                raise UserError(
                    f"network {network.name!r}: layer {index} has {layer.inputs} flags, not "
                    f"{engine.flags}; take fewer a cycle"
                )
            if isinstance(engine, Folded):
                self._check_folded(network, index)
            if banks > layer.inputs:
                raise UserError(
                    f"network {network.name!r}: {banks} banks cannot share the {layer.inputs} "
                    f"inputs of layer {index}; take at most one bank an input"
                )
        encoder = network.encoder
        if isinstance(encoder, EventsEncoder):
            if not isinstance(self.engines[0], Event):
                raise UserError(
                    f"network {network.name!r} takes events, where an input may fire more than "
                    f"once; {self.engines[0].name} cannot be the engine of its first layer, take "
                    "event"
                )
            if self.pixels > 1 or self.engines[0].banks > 1:
                raise UserError(
                    f"network {network.name!r} takes events, one a cycle; the first layer has use "
                    "for one bank"
                )
        elif self.pixels > 1 and (encoder.pool > 1 or encoder.pixels % self.pixels):
            raise UserError(
                f"network {network.name!r}: {self.pixels} pixels a cycle must divide the image's "
                f"{encoder.pixels} and have no pool; take 1"
            )

    def _check_loaded(self, network: Network) -> None:
        loaded = self._loaded_layers(network)
        if len(loaded) > 1:
            raise UserError(
                f"network {network.name!r}: the weights of layers {' and '.join(map(str, loaded))} "
                "cannot both be loaded; take folded without spram for one"
            )

    def _check_folded(self, network: Network, index: int) -> None:
        layer, lanes = network.layers[index], self.engine(index).lanes
        if index == len(network.layers) - 1:
            raise UserError(
                f"network {network.name!r}: its last layer has to show all margins at once; folded "
                "is for hidden layers, add ',event'"
            )
        if 2 * lanes >= layer.outputs:
            raise UserError(
                f"network {network.name!r}: {lanes} lanes are not less than half of the "
                f"{layer.outputs} units of layer {index}; take fewer"
            )
        if self.engine(index + 1).banks > 1:
            raise UserError(
                f"network {network.name!r}: folded layer {index} sends one spike a cycle; the "
                "layer after it has use for one bank"
            )


DEFAULT = Config()
PRESETS = {
    engine.name: engine
    for engine in (
        *(Event(banks=banks) for banks in (1, 2, 4)),
        Popcount(),
        *(Popcount(flags=flags) for flags in (8, 16, 32)),
        *(Folded(lanes=lanes) for lanes in (8, 16, 32)),
        *(Folded(lanes=lanes, loaded=True) for lanes in (16, 32)),
    )
}


def find_config(names: str) -> Config:
    """The config of the engines ``names``, one per layer with commas between; the last one stands
    for all that follow. Raises :class:`UserError` for an unknown one.
    """
    unknown = [name for name in names.split(",") if name not in PRESETS]
    if unknown:
        raise UserError(f"engine {unknown[0]!r} is not known; choose of {', '.join(PRESETS)}")
    return Config(engines=tuple(PRESETS[name] for name in names.split(",")))


def whole_configs() -> list[Config]:
    """A config of each engine: for all layers, or for the first with ``event`` behind it."""
    folded = (isinstance(engine, Folded) for engine in PRESETS.values())
    names = zip(PRESETS, folded, strict=True)
    return [find_config(f"{name},event" if behind else name) for name, behind in names]


def engine_names() -> str:
    """What ``--engine`` takes, for people."""
    return f"{', '.join(PRESETS)}; with commas between, one per layer (default: %(default)s)"
