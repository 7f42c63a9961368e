"""Golden vectors: what goes into the core and what comes out, as words of hexadecimal digits."""

from dataclasses import dataclass

import numpy as np

from hw.rtl.config import Config
from hw.rtl.pixel_port import PixelPort
from sw.answer import Answer, BistableAnswer
from sw.encoder import Inputs
from sw.network import Network

__all__ = ["Vectors"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Vectors:
    """Golden vectors.

    Parameters
    ----------
    source : str
        Where the images are from, for people.
    inputs : Inputs
        Images uint8 [B, height, width] or events.
    answer : Answer or BistableAnswer
        The golden model's.
    """

    source: str
    inputs: Inputs
    answer: Answer | BistableAnswer

    def __len__(self) -> int:
        return len(self.answer.label)

    def beats(
        self, network: Network, config: Config, port: PixelPort, widths: dict[str, int]
    ) -> tuple[np.ndarray, np.ndarray]:
        """What the input stream takes, beat by beat, int64 [N], and which beats end an inference,
        bool [N].

        ``widths`` are the bits of its data ports, the lowest first.
        """
        source = config.input(network)
        numbers, ends = source.beats(self.inputs)
        if port.name != "byte":
            numbers = port.encode(network, numbers).astype(np.int64)
            ends = ends * port.beats(network.steps)
        words, offset = np.zeros_like(numbers), 0
        for name, width in widths.items():
            words |= (numbers >> source.beat_bits[name] & (1 << width) - 1) << offset
            offset += width
        last = np.zeros(len(words), bool)
        last[ends - 1] = True
        return words, last

    def expected(self, widths: dict[str, int]) -> list[int]:
        """The results: a word of each, whose fields have these ``widths``, the lowest first."""
        fields = {
            "result_label": self.answer.label,
            "result_step": self.answer.step,
            "result_margin": self.answer.margin,
        }
        words = [0] * len(self)
        offset = 0
        for name, width in widths.items():
            if name in fields:  # others, such as a fault, are 0
                for index, value in enumerate(fields[name].tolist()):
                    words[index] |= (value & (1 << width) - 1) << offset
            offset += width
        return words
