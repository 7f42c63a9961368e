"""The design that is handed on: what all files of the folder are written from."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from hw.flow.asic.rtl import SiliconVerilog
from hw.flow.bundle.vectors import Vectors
from hw.flow.verilog import manifest
from hw.link import weight_image
from hw.rtl.config import Config
from hw.rtl.core import loaded_words
from hw.rtl.pixel_port import PixelPort
from sw.network import Network

__all__ = ["Design", "Port"]

# What an integrator has to know of each port, by its name.
_MEANINGS = {
    "clk": "clock, rising edge",
    "rst": "reset, synchronous, high",
    "pixel_data": "pixel, or a part of it, see below",
    "pixel_valid": "the beat is there",
    "pixel_ready": "it is taken in this cycle",
    "event_unit": "input that fires",
    "event_step": "step in which it fires",
    "event_end": "end mark of an inference; unit and step have no meaning",
    "event_valid": "the event is there",
    "event_ready": "it is taken in this cycle",
    "load_begin": "a weight image comes from the next cycle on",
    "load_status": "state of the weights, see below",
    "load_address": "address of a word of weights",
    "load_data": "weights, see below",
    "load_valid": "it is taken in this cycle",
    "result_label": "index of the class",
    "result_step": "decision step",
    "result_margin": "V − θ of the winner, two's complement; of a bistable network how far its "
    "potential is above the next largest",
    "result_fault": "the input was invalid, and so is the result",
    "result_valid": "the result is there",
    "result_ready": "it is taken in this cycle",
}


@dataclass(frozen=True, kw_only=True)
class Port:
    """A port of the top module.

    Parameters
    ----------
    name : str
    is_input : bool
    width : int
    signed : bool
    """

    name: str
    is_input: bool
    width: int
    signed: bool

    @property
    def meaning(self) -> str:
        """What it is, for people."""
        return _MEANINGS[self.name]

    @property
    def range(self) -> str:
        """As Verilog declares it, with a space behind it; nothing of one bit."""
        sign = "signed " if self.signed else ""
        return sign + (f"[{self.width - 1}:0] " if self.width > 1 else "")


@dataclass(frozen=True, kw_only=True, eq=False)
class Design:
    """The design that is handed on.

    Parameters
    ----------
    network : Network
    config : Config
    pixel_port : PixelPort
    verilog : SiliconVerilog
    vectors : Vectors
        Images and what the golden model answers.
    clock : int
        Hz, that constraints ask for.
    loader : bool
        Weights come byte by byte with a header and a checksum.
    author : str
    options : dict of str to str
        What flows ask for by flags of their own.
    """

    network: Network
    config: Config
    pixel_port: PixelPort
    verilog: SiliconVerilog
    vectors: Vectors
    clock: int
    loader: bool
    author: str
    options: Mapping[str, str]

    @property
    def top(self) -> str:
        """The top module."""
        return self.verilog.prefix

    @property
    def period(self) -> float:
        """Of the clock, in ns."""
        return 1e9 / self.clock

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """As hw.flow.verilog gives it."""
        return manifest(
            self.network, self.config, top=self.top, port=self.pixel_port, loader=self.loader
        )

    @cached_property
    def ports(self) -> tuple[Port, ...]:
        """Of the top module, clock and reset first."""
        return tuple(
            Port(
                name=port["name"],
                is_input=port["direction"] == "input",
                width=port["width"],
                signed=port.get("signed", False),
            )
            for port in self.manifest["ports"]
        )

    def port(self, name: str) -> Port:
        """The port of that name."""
        return next(port for port in self.ports if port.name == name)

    def has(self, name: str) -> bool:
        """There is a port of that name."""
        return any(port.name == name for port in self.ports)

    @property
    def stream(self) -> str:
        """What the names of the input stream's ports begin with."""
        return "pixel" if self.has("pixel_data") else "event"

    @property
    def data_ports(self) -> tuple[Port, ...]:
        """The data of the input stream."""
        control = (f"{self.stream}_valid", f"{self.stream}_ready")
        return tuple(
            port
            for port in self.ports
            if port.name.startswith(f"{self.stream}_") and port.name not in control
        )

    @property
    def words(self) -> np.ndarray | None:
        """Words of weights that are to be loaded, uint16."""
        return loaded_words(self.network, self.config)

    @property
    def weight_image(self) -> bytes:
        """What a loader takes, where weights are loaded."""
        assert self.words is not None
        return weight_image.pack(self.network, self.words)

    @property
    def beats_per_image(self) -> int | None:
        """Beats of an image; None where inputs are events."""
        if self.stream == "event":
            return None
        source = self.config.input(self.network)
        return source.load_cycles * self.pixel_port.beats(self.network.steps)

    @property
    def most_cycles(self) -> int:
        """Cycles without any progress after which the core is stuck, with room to spare."""
        cycles = self.config.most_cycles(self.network) + self.config.idle_cycles(self.network)
        return 4 * cycles + 1000
