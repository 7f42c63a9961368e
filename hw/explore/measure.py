"""Accuracy and cycles of a network on test data: the one module of ``hw`` that uses ``sim``, its
golden model and its cycle model. ``sim.verify`` compares both with the RTL.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hw.rtl.config import Config, default_config
from sim import answers
from sim.cycles import model
from sw.answer import Answer, BistableAnswer
from sw.cli import UserError
from sw.data.registry import load_for
from sw.encoder import Inputs
from sw.network import Network
from sw.record import Record
from sw.selection import TRAINED_ON, Selection

__all__ = ["Measurement", "Observation", "measure"]


@dataclass(frozen=True, kw_only=True)
class Measurement(Record):
    """Accuracy and cycles over the test images or recordings of a network's data set.

    Parameters
    ----------
    images : int
    accuracy : float 0 … 1
        Strict; an image without a class is not right.
    without_class : int
        Images with more spikes than the engine holds.
    cycles_mean, cycles_max : float, int
        Cycles per image.
    cycles_from : str
        The event from which they are counted, to the result.
    weight_bits_needed_mean : float
        Weight bits needed per image.
    weight_bits_a_cycle : int
        Bits that all weight memories together can deliver per cycle.
    limit_fraction : float
        Weight-memory bandwidth utilisation: bits needed over bits that the memories could give in
        these cycles. Above 1 where weights are read before the last pixel.
    limit_fraction_left : float
        The same, counting only bits read after the last pixel.
    note : str
        How it was measured, or why all else is None.
    """

    images: int | None
    accuracy: float | None
    cycles_mean: float | None
    cycles_max: int | None
    cycles_from: str | None = None
    without_class: int = 0
    weight_bits_needed_mean: float | None = None
    weight_bits_a_cycle: int | None = None
    limit_fraction: float | None = None
    limit_fraction_left: float | None = None
    note: str

    @classmethod
    def missing(cls, reason: str) -> "Measurement":
        """Without the data."""
        return cls(
            images=None,
            accuracy=None,
            cycles_mean=None,
            cycles_max=None,
            note=f"not measured: {reason}",
        )

    def lines(self, clock_mhz: float) -> list[tuple[str, str]]:
        """As human-readable text, with the latency at the board's clock."""
        if self.accuracy is None or self.cycles_mean is None:
            return [("accuracy, cycles", self.note)]
        limit = (
            f"{self.limit_fraction:.2f} of the weight-memory bandwidth: weight bits needed over "
            "those that the memories can deliver in these cycles"
        )
        if self.limit_fraction_left != self.limit_fraction:
            limit += (
                f"; {self.limit_fraction_left:.2f} counting only bits read after the last pixel"
            )
        without = f"{self.without_class:,} of them: more spikes than the engine's lists hold"
        return [
            ("accuracy, strict", f"{self.accuracy:.2%} of {self.images:,} test images"),
            *([("without a class", without)] if self.without_class else []),
            ("cycles per image", f"mean {self.cycles_mean:.1f}, worst {self.cycles_max}"),
            ("utilisation", limit),
            (
                "latency",
                f"mean {self.cycles_mean / clock_mhz:.2f} µs at the board's clock, "
                f"from {self.cycles_from} to the result, without the UART",
            ),
        ]


class Observation:
    """What a network does on the test part of its data set, computed when it is asked for, once.

    Parameters
    ----------
    network : Network
    selection : Selection
        Of the data.
    config : Config, optional
        The network's usual one if it is left out.
    count : int, optional
        Only the first so many.

    Raises
    ------
    UserError
        By each property but ``measurement``, where the data cannot be had.
    """

    def __init__(
        self,
        network: Network,
        selection: Selection = TRAINED_ON,
        config: Config | None = None,
        count: int | None = None,
    ) -> None:
        self.network = network
        self.count = count
        self.selection = selection
        self.config = config or default_config(network)

    def with_config(self, config: Config) -> "Observation":
        """The same with another config; data and answer are taken over, if they are known."""
        result = Observation(self.network, self.selection, config, self.count)
        for name in ("data", "answer"):
            if name in self.__dict__:  # where cached_property keeps its values
                result.__dict__[name] = self.__dict__[name]
        return result

    @property
    def made(self) -> bool:
        """Whether :attr:`measurement` was asked for before, and gave figures."""
        return "measurement" in self.__dict__ and self.measurement.images is not None

    @cached_property
    def data(self) -> tuple[Inputs, np.ndarray]:
        """Test images or recordings, and their labels int [B]."""
        return load_for(self.network, self.selection, self.count)

    @cached_property
    def answer(self) -> Answer | BistableAnswer:
        """The golden model's."""
        return answers.run_inputs(self.network, self.data[0])

    @cached_property
    def cycles(self) -> np.ndarray:
        """Of each image: int64 [B]."""
        return model.cycles(self.network, self.data[0], self.answer, self.config)

    @cached_property
    def cycles_from_first_pixel(self) -> int | None:
        """Of the image that takes longest (sim/cycles/model.py)."""
        return model.from_first_pixel(self.network, self.config, int(self.cycles.max()))

    @cached_property
    def measurement(self) -> Measurement:
        """In figures; without any where the data cannot be had."""
        network, config = self.network, self.config
        try:
            inputs, labels = self.data
        except UserError as error:
            return Measurement.missing(str(error))
        traffic = model.traffic(network, inputs, self.answer, config)
        begin = config.input(network).cycles_from
        lost = model.overflows(network, inputs, self.answer, config)
        return Measurement(
            images=len(labels),
            accuracy=float((self.answer.correct(labels) & ~lost).mean()),
            without_class=int(lost.sum()),
            cycles_mean=float(self.cycles.mean()),
            cycles_max=int(self.cycles.max()),
            cycles_from=begin,
            weight_bits_needed_mean=float(traffic.needed.mean()),
            weight_bits_a_cycle=int(traffic.width),
            limit_fraction=round(float(traffic.fraction(self.cycles)), 4),
            limit_fraction_left=round(float(traffic.fraction_left(self.cycles)), 4),
            note=f"cycles from {begin} to the result, by the exact cycle model",
        )


def measure(
    network: Network, data: Selection = TRAINED_ON, config: Config | None = None
) -> Measurement:
    """Measures ``network`` on its data set, or on the one that ``data`` names; a measurement
    without figures where the data cannot be had.
    """
    return Observation(network, data, config).measurement
