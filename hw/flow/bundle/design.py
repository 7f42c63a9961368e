"""The design that is handed on: what all files of the folder are written from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from hw.flow.asic.rtl import SiliconVerilog
from hw.flow.bundle.values import Values, is_image
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
        """As hw.flow.verilog gives it, and how values become bytes where they are none."""
        content = manifest(
            self.network, self.config, top=self.top, port=self.pixel_port, loader=self.loader
        )
        return content if self.values is None else {**content, "values": self.values.manifest()}

    @cached_property
    def values(self) -> Values | None:
        """Of an example, where they are not the bytes that the core takes."""
        return Values.of(self.network)

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
    def example(self) -> str:
        """What an inference takes, as a word: "image", or "example" of what is no picture."""
        return "image" if is_image(self.network) else "example"

    @property
    def _item(self) -> str:
        """What an example consists of."""
        return "pixel" if is_image(self.network) else "byte"

    @property
    def example_shape(self) -> str:
        """Of an example that comes in, as text; networks that take pixels only."""
        shape = " × ".join(map(str, self.manifest["image_shape"]))
        return f"{shape} {'values' if is_image(self.network) else 'bytes'}"

    @property
    def beat_order(self) -> str:
        """The order in which they come in; networks that take pixels only."""
        if len(self.manifest["image_shape"]) == 2:
            return "row by row"
        place = "pixel" if is_image(self.network) else "place in it"
        return f"row by row, and of each {place} channel by channel"

    @property
    def pixel_beats(self) -> str:
        """How a pixel comes in; networks that take pixels only."""
        count, width = self.pixel_port.beats(self.network.steps), self.pixel_port.width
        if self.config.pixels > 1:
            return f"{self.config.pixels} {self._item}s per beat, the first in the lowest bits"
        bits = "1 bit" if width == 1 else f"{width} bits"
        if count == 1:
            return f"a {self._item} per beat, {bits}"
        return f"a {self._item} in {count} beats of {bits}, the most significant first"

    @property
    def pixel_rule(self) -> str:
        """What a pixel is to the network, in a sentence; networks that take pixels only."""
        steps, item = self.network.steps, f"A {self._item} x in 0 … 255"
        if self.network.coding == "bistable":
            return f"{item} has the value x >> {8 - steps}, of {steps} bits."
        encoder: Any = self.network.encoder
        silent = encoder.silent_below
        if self.pixel_port.levels:
            never = f"0 if x < {silent}, else as " if silent else ""
            return f"{item} is sent as {never}{steps} − ((255 − x) · {steps} >> 8)."
        never = f"is silent if x < {silent}, else it " if silent else ""
        return f"{item} {never}fires in step ((255 − x) · {steps}) >> 8."

    @property
    def most_cycles(self) -> int:
        """Cycles without any progress after which the core is stuck, with room to spare."""
        cycles = self.config.most_cycles(self.network) + self.config.idle_cycles(self.network)
        return 4 * cycles + 1000
