"""The design that is handed on: what all files of the folder are written from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from hw.flow.asic.rtl import SiliconVerilog
from hw.flow.ports import Ports
from hw.flow.vectors import Vectors
from hw.flow.verilog import manifest
from hw.link import weight_image
from hw.rtl.config import Config
from hw.rtl.core import loaded_words
from hw.rtl.pixel_port import PixelPort
from sw.network import Network

__all__ = ["Design"]


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
    def ports(self) -> Ports:
        """Of the top module."""
        return Ports.of(self.manifest)

    @cached_property
    def words(self) -> np.ndarray | None:
        """Words of weights that are to be loaded, uint16."""
        return loaded_words(self.network, self.config)

    @property
    def tables(self) -> Sequence[tuple[str, int, int]]:
        """Rows of bits that are in no memory: what they are, how many, and the bits of each."""
        return self.config.whole.tables(self.network) if self.config.whole else ()

    @property
    def ram_bits(self) -> int:
        """Of memories in flip-flops, and of tables that are loaded."""
        return self.verilog.ram_bits + (self._table_bits if self.words is not None else 0)

    @property
    def constant_bits(self) -> int:
        """Of memories and tables that are logic."""
        return self.verilog.rom_bits + (self._table_bits if self.words is None else 0)

    @property
    def _table_bits(self) -> int:
        return sum(rows * width for _, rows, width in self.tables)

    @property
    def weight_image(self) -> bytes:
        """What a loader takes, where weights are loaded."""
        assert self.words is not None
        return weight_image.pack(self.network, self.words)

    @property
    def beats_per_image(self) -> int | None:
        """Beats of an image; None where inputs are events."""
        if self.ports.stream == "event":
            return None
        source = self.config.input(self.network)
        return source.load_cycles * self.pixel_port.beats(self.network.steps)

    @property
    def pixel_beats(self) -> str:
        """How a pixel comes in; networks that take pixels only."""
        count, width = self.pixel_port.beats(self.network.steps), self.pixel_port.width
        if self.config.pixels > 1:
            return f"{self.config.pixels} pixels per beat, the first in the lowest bits"
        bits = "1 bit" if width == 1 else f"{width} bits"
        if count == 1:
            return f"a pixel per beat, {bits}"
        return f"a pixel in {count} beats of {bits}, the most significant first"

    @property
    def pixel_rule(self) -> str:
        """What a pixel is to the network, in a sentence; networks that take pixels only."""
        steps = self.network.steps
        if self.network.coding == "bistable":
            return f"A pixel x in 0 … 255 has the value x >> {8 - steps}, of {steps} bits."
        encoder: Any = self.network.encoder
        silent = encoder.silent_below
        if self.pixel_port.levels:
            formula = f"{steps} − ((255 − x) · {steps} >> 8)"
            return f"A pixel x in 0 … 255 is sent as 0 if x < {silent}, else as {formula}."
        formula = f"((255 − x) · {steps}) >> 8"
        return f"A pixel x in 0 … 255 is silent if x < {silent}, else it fires in step {formula}."

    @property
    def most_cycles(self) -> int:
        """Cycles without any progress after which the core is stuck, with room to spare."""
        cycles = self.config.most_cycles(self.network) + self.config.idle_cycles(self.network)
        return 4 * cycles + 1000
