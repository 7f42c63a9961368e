"""The config: how a network becomes hardware, layer by layer or as a whole."""

from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from amaranth.lib import wiring

from hw.rtl.decide import Decide
from hw.rtl.engines.base import Engine, NetworkEngine
from hw.rtl.engines.bistable import Bistable
from hw.rtl.engines.event_driven import EventDriven
from hw.rtl.engines.registry import NETWORK_PRESETS, PRESETS
from hw.rtl.engines.tiles import Tiles
from hw.rtl.inputs.base import MOST_EVENTS, Input
from hw.rtl.inputs.registry import find_input
from hw.rtl.weights import LoadLayout
from sw.cli import UserError
from sw.network import Network
from sw.structure import Coding

__all__ = [
    "DEFAULT",
    "Config",
    "config_for",
    "default_config",
    "engine_names",
    "find_config",
    "silicon_config_for",
    "silicon_engine_names",
    "whole_configs",
]


@dataclass(frozen=True, kw_only=True)
class Config:
    """How a network becomes hardware.

    Parameters
    ----------
    engines : tuple of Engine, or of one NetworkEngine
        The engine of each layer; the last one holds for all layers after it. Or the one engine that
        makes the whole network.
    pixels : 1, 2 or 4
        Pixel lanes: pixels per cycle; no more than the first layer has banks.
    most_events : int
        Where inputs are sensor events: the most of an inference, which the potentials can hold.
    """

    engines: tuple[Engine | NetworkEngine, ...] = (EventDriven(),)
    pixels: int = 1
    most_events: int = MOST_EVENTS

    def __post_init__(self) -> None:
        if not self.engines:
            raise UserError("Engines must be at least one, not none")
        if self.pixels not in (1, 2, 4):
            raise UserError(f"Pixels must be 1, 2 or 4, not {self.pixels!r}")
        if self.most_events < 1:
            raise UserError(f"Most_events must be at least 1, not {self.most_events!r}")
        whole = [each for each in self.engines if isinstance(each, NetworkEngine)]
        if whole:
            if len(self.engines) > 1:
                raise UserError(f"{whole[0].name} makes the whole network; name it alone")
            if self.pixels > 1:
                raise UserError(f"{whole[0].name} takes one pixel per cycle, not {self.pixels}")
        elif self.pixels > self.engine(0).banks:
            raise UserError(
                f"{self.pixels} pixels per cycle need as many banks in the first layer, which has "
                f"{self.engine(0).banks}"
            )

    @property
    def name(self) -> str:
        """As :func:`find_config` takes it; it does not tell of ``pixels``."""
        return ",".join(engine.name for engine in self.engines)

    @property
    def whole(self) -> NetworkEngine | None:
        """The engine that makes the whole network, if there is one."""
        first = self.engines[0]
        return first if isinstance(first, NetworkEngine) else None

    @property
    def coding(self) -> Coding:
        """Of the networks that it makes."""
        return self.whole.coding if self.whole else "first-spike"

    def engine(self, layer: int) -> Engine:
        """The engine of layer ``layer``, counted from 0, unless one makes the whole network."""
        engine = self.engines[min(layer, len(self.engines) - 1)]
        assert isinstance(engine, Engine)
        return engine

    def input(self, network: Network) -> Input:
        """What ``network`` takes."""
        return find_input(network.encoder, pixels=self.pixels, most_events=self.most_events)

    def most_spikes(self, network: Network) -> list[int | None]:
        """Spikes of an inference at most that reach each layer; None where an input fires once."""
        # Inputs that fire more than once reach the first layer only.
        return [self.input(network).most_spikes] + [None] * (len(network.layers) - 1)

    def can_fault(self, network: Network) -> bool:
        """An input may be invalid, or have too many spikes; its result then is a fault."""
        source = self.input(network)
        return source.can_fault or (
            self.whole is not None and self.whole.can_fault(network, source.most_spikes)
        )

    def decision(self, network: Network) -> wiring.Component:
        """The block that decides (:meth:`hw.rtl.engines.base.NetworkEngine.decision`)."""
        can_fault, most_spikes = self.can_fault(network), self.most_spikes(network)[-1]
        if self.whole:
            return self.whole.decision(network, can_fault=can_fault, most_spikes=most_spikes)
        return Decide(
            layer=network.layers[-1],
            steps=network.steps,
            can_fault=can_fault,
            most_spikes=most_spikes,
        )

    def loads(self, network: Network) -> bool:
        """Weights of ``network`` are loaded at start-up."""
        return self.whole.loaded if self.whole else bool(self._loaded_layers(network))

    def loads_layer(self, network: Network, layer: int) -> bool:
        """Those of layer ``layer`` are, where each layer has an engine."""
        return layer in self._loaded_layers(network)[:1]

    def load_layout(self, network: Network) -> LoadLayout:
        """Where weights are loaded: ``address`` and ``data`` of a word of them."""
        if self.whole:
            return self.whole.load_layout(network)
        index = self._loaded_layers(network)[0]
        return self.engine(index).load_layout(network.layers[index])

    def load_words(self, network: Network) -> np.ndarray:
        """Where weights are loaded: the words, uint16 in ascending order of addresses."""
        if self.whole:
            return self.whole.load_words(network)
        index = self._loaded_layers(network)[0]
        return self.engine(index).load_words(network.layers[index])

    def most_cycles(self, network: Network) -> int:
        """The most cycles of an inference without back-pressure, if each input fires once."""
        if self.whole:
            return self.whole.most_cycles(network, self.input(network).most_spikes)
        return sum(
            self.engine(index).most_cycles(layer.inputs, layer.outputs, network.steps)
            for index, layer in enumerate(network.layers)
        )

    def idle_cycles(self, network: Network) -> int:
        """Cycles after a decision until the core is ready for any input."""
        return self.whole.idle_cycles(network) if self.whole else 0

    def _loaded_layers(self, network: Network) -> list[int]:
        return [index for index in range(len(network.layers)) if self.engine(index).loaded]

    def check(self, network: Network) -> None:
        """Raises :class:`UserError` if ``network`` cannot be made in this way."""
        if network.coding != self.coding:
            raise UserError(
                f"network {network.name!r} is a {network.coding} network, {self.name} makes "
                f"{self.coding} ones; take {default_config(network).name}"
            )
        if self.whole:
            self.input(network).check(network, None)
            self.whole.check(network, self.input(network).most_spikes)
            return
        count = len(network.layers)
        if not network.dense:
            raise UserError(
                f"network {network.name!r}: {self.name} makes dense layers only, not "
                f"{network.structure}; take {_DEFAULT_OF_MAPS.name}"
            )
        if len(self.engines) > count:
            raise UserError(
                f"network {network.name!r} has {count} layers, the config has engines for "
                f"{len(self.engines)}; name as many or fewer"
            )
        loaded = self._loaded_layers(network)
        if len(loaded) > 1:
            raise UserError(
                f"network {network.name!r}: the weights of layers {' and '.join(map(str, loaded))} "
                "cannot both be loaded; take an engine without spram for one"
            )
        for index in range(count):
            following = self.engine(index + 1) if index < count - 1 else None
            self.engine(index).check(network, index, following)
        self.input(network).check(network, self.engine(0))


DEFAULT = Config()
_DEFAULT_OF_MAPS = Config(engines=(Tiles(lanes=4),))
_DEFAULT_OF_BISTABLE = Config(engines=(Bistable(lanes=16, listens=4),))
_SILICON = "lines"  # by name: the smallest of a network with maps, and for one step only


def default_config(network: Network) -> Config:
    """How ``network`` is made unless told otherwise."""
    if network.coding == "bistable":
        return _DEFAULT_OF_BISTABLE
    return DEFAULT if network.dense else _DEFAULT_OF_MAPS


def config_for(network: Network, names: str | None) -> Config:
    """The config of the engines ``names`` as :func:`find_config` takes them; None means the
    default of ``network``. Raises :class:`UserError` if they cannot make it.
    """
    config = default_config(network) if names is None else find_config(names)
    config.check(network)
    return config


def silicon_config_for(network: Network, names: str | None) -> Config:
    """As :func:`config_for`, for a chip: by default a network with maps is made by
    :data:`_SILICON`, where that can make it.
    """
    if names is None and not network.dense:
        with suppress(UserError):
            return config_for(network, _SILICON)
    return config_for(network, names)


def find_config(names: str) -> Config:
    """The config of the engines ``names``, one per layer with commas between; the last one stands
    for all that follow. Or of the one that makes the whole network. Raises :class:`UserError` for
    an unknown one.
    """
    listed = names.split(",")
    known: dict[str, Engine | NetworkEngine] = {**PRESETS, **NETWORK_PRESETS}
    unknown = [name for name in listed if name not in known]
    if unknown:
        raise UserError(f"engine {unknown[0]!r} is not known; choose of {', '.join(known)}")
    return Config(engines=tuple(known[name] for name in listed))


def whole_configs(network: Network) -> list[Config]:
    """A config of each preset for ``network``: for all layers, or for the first with ``event``
    behind it; with maps, or of a bistable one, of each that makes a whole network of its coding.
    """
    if not network.dense or network.coding == "bistable":
        engines = NETWORK_PRESETS.items()
        return [find_config(name) for name, each in engines if each.coding == network.coding]
    return [
        find_config(f"{name},event" if engine.fires else name) for name, engine in PRESETS.items()
    ]


def silicon_engine_names() -> str:
    """What ``--engine`` takes of a command for silicon, as human-readable text."""
    return _engine_names(f"{_SILICON} where it can make that, else {_DEFAULT_OF_MAPS.name},")


def engine_names() -> str:
    """What ``--engine`` takes, as human-readable text."""
    return _engine_names(_DEFAULT_OF_MAPS.name)


def _engine_names(of_maps: str) -> str:
    return (
        f"{', '.join(PRESETS)}; with commas between, one per layer; or one for the whole network: "
        f"{', '.join(NETWORK_PRESETS)} (default: {DEFAULT.name}; of a network with maps "
        f"{of_maps} and of a bistable one {_DEFAULT_OF_BISTABLE.name}; where that "
        "leaves less than a twentieth of a board's logic cells free, the fastest that leaves more)"
    )
