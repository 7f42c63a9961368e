"""The config: how a network becomes hardware, layer by layer."""

from dataclasses import dataclass

from hw.rtl.engines.base import Engine
from hw.rtl.engines.event_driven import EventDriven
from hw.rtl.engines.registry import PRESETS
from hw.rtl.inputs.base import MOST_EVENTS, Input
from hw.rtl.inputs.registry import find_input
from sw.cli import UserError
from sw.network import Network

__all__ = ["DEFAULT", "Config", "engine_names", "find_config", "whole_configs"]


@dataclass(frozen=True, kw_only=True)
class Config:
    """How a network becomes hardware.

    Parameters
    ----------
    engines : tuple of Engine
        The engine of each layer; the last one holds for all layers after it.
    pixels : 1, 2 or 4
        Pixel lanes: pixels per cycle; no more than the first layer has banks.
    most_events : int
        Where inputs are sensor events: the most of an inference, which the potentials can hold.
    """

    engines: tuple[Engine, ...] = (EventDriven(),)
    pixels: int = 1
    most_events: int = MOST_EVENTS

    def __post_init__(self) -> None:
        if not self.engines:
            raise UserError("Engines must be at least one, not none")
        if self.pixels not in (1, 2, 4):
            raise UserError(f"Pixels must be 1, 2 or 4, not {self.pixels!r}")
        if self.most_events < 1:
            raise UserError(f"Most_events must be at least 1, not {self.most_events!r}")
        if self.pixels > self.engines[0].banks:
            raise UserError(
                f"{self.pixels} pixels per cycle need as many banks in the first layer, which has "
                f"{self.engines[0].banks}"
            )

    @property
    def name(self) -> str:
        """As :func:`find_config` takes it; it does not tell of ``pixels``."""
        return ",".join(engine.name for engine in self.engines)

    def engine(self, layer: int) -> Engine:
        """The engine of layer ``layer``, counted from 0."""
        return self.engines[min(layer, len(self.engines) - 1)]

    def input(self, network: Network) -> Input:
        """What ``network`` takes."""
        return find_input(network.encoder, pixels=self.pixels, most_events=self.most_events)

    def most_spikes(self, network: Network) -> list[int | None]:
        """Spikes of an inference at most that reach each layer; None where an input fires once."""
        # Inputs that fire more than once reach the first layer only.
        return [self.input(network).most_spikes] + [None] * (len(network.layers) - 1)

    def loaded_layer(self, network: Network) -> int | None:
        """The layer whose weights are loaded at start-up, if there is one."""
        return next(iter(self._loaded_layers(network)), None)

    def _loaded_layers(self, network: Network) -> list[int]:
        return [index for index in range(len(network.layers)) if self.engine(index).loaded]

    def check(self, network: Network) -> None:
        """Raises :class:`UserError` if ``network`` cannot be made in this way."""
        count = len(network.layers)
        if not network.dense:
            raise UserError(
                f"network {network.name!r}: no engine makes layers on maps ({network.structure})"
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


def find_config(names: str) -> Config:
    """The config of the engines ``names``, one per layer with commas between; the last one stands
    for all that follow. Raises :class:`UserError` for an unknown one.
    """
    unknown = [name for name in names.split(",") if name not in PRESETS]
    if unknown:
        raise UserError(f"engine {unknown[0]!r} is not known; choose of {', '.join(PRESETS)}")
    return Config(engines=tuple(PRESETS[name] for name in names.split(",")))


def whole_configs() -> list[Config]:
    """A config of each preset: for all layers, or for the first with ``event`` behind it."""
    return [
        find_config(f"{name},event" if engine.fires else name) for name, engine in PRESETS.items()
    ]


def engine_names() -> str:
    """What ``--engine`` takes, as human-readable text."""
    return f"{', '.join(PRESETS)}; with commas between, one per layer (default: %(default)s)"
