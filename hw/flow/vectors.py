"""Golden vectors: what goes into the core and what comes out, as words of hexadecimal digits."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from hw.flow.ports import Port
from hw.rtl.config import Config
from hw.rtl.pixel_port import PixelPort
from sw.answer import Answer, BistableAnswer
from sw.encoder import Inputs
from sw.network import Network

__all__ = ["Vectors", "hex_lines"]


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
        self, network: Network, config: Config, port: PixelPort, ports: Sequence[Port]
    ) -> tuple[np.ndarray, np.ndarray]:
        """What the input stream takes, beat by beat, int64 [N], and which beats end an inference,
        bool [N].

        A beat has the values of its data ``ports``, the first one lowest.
        """
        source = config.input(network)
        numbers, ends = source.beats(self.inputs)
        if port.name != "byte":
            numbers = port.encode(network, numbers).astype(np.int64)
            ends = ends * port.beats(network.steps)
        words, offset = np.zeros_like(numbers), 0
        for each in ports:
            value = numbers >> source.beat_bits[each.name] & (1 << each.width) - 1
            words |= value << offset
            offset += each.width
        last = np.zeros(len(words), bool)
        last[ends - 1] = True
        return words, last

    def expected(self, ports: Sequence[Port]) -> list[int]:
        """The results: a word of each, with the values of ``ports``, the first one lowest."""
        fields = {
            "result_label": self.answer.label,
            "result_step": self.answer.step,
            "result_margin": self.answer.margin,
        }
        words = [0] * len(self)
        offset = 0
        for port in ports:
            if port.name in fields:  # others, such as a fault, are 0
                for index, value in enumerate(fields[port.name].tolist()):
                    words[index] |= (value & (1 << port.width) - 1) << offset
            offset += port.width
        return words


def hex_lines(words: Iterable[int], width: int) -> str:
    """The words, of ``width`` bits each, as Verilog's ``$readmemh`` takes them."""
    digits = -(-width // 4)
    return "".join(f"{word:0{digits}x}\n" for word in words)
