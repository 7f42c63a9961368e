"""The ports of the Verilog's top module, and how a test bench in Verilog connects them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["PORT_NAMES", "Port", "Ports", "bits", "connections"]

# What an integrator has to know of each port, by its name.
_MEANINGS = {
    "clk": "clock, rising edge",
    "rst": "reset, synchronous, high",
    "pixel_data": "what comes in this beat, see below",
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
PORT_NAMES = frozenset(_MEANINGS)


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


class Ports(tuple[Port, ...]):
    """The ports of a top module, clock and reset first."""

    @classmethod
    def of(cls, manifest: Mapping[str, Any]) -> "Ports":
        """Those that a manifest of :func:`hw.flow.verilog.manifest` lists."""
        return cls(
            Port(
                name=port["name"],
                is_input=port["direction"] == "input",
                width=port["width"],
                signed=port.get("signed", False),
            )
            for port in manifest["ports"]
        )

    def named(self, name: str) -> Port:
        """The port of that name."""
        return next(port for port in self if port.name == name)

    def has(self, name: str) -> bool:
        """There is a port of that name."""
        return any(port.name == name for port in self)

    @property
    def stream(self) -> str:
        """What the names of the input stream's ports begin with."""
        return "pixel" if self.has("pixel_data") else "event"

    @property
    def data(self) -> tuple[Port, ...]:
        """The data of the input stream."""
        return self._data(self.stream)

    @property
    def results(self) -> tuple[Port, ...]:
        """The data of the results."""
        return self._data("result")

    def _data(self, stream: str) -> tuple[Port, ...]:
        control = (f"{stream}_valid", f"{stream}_ready")
        return tuple(
            port for port in self if port.name.startswith(f"{stream}_") and port.name not in control
        )


def bits(ports: Sequence[Port]) -> int:
    """Of all of them."""
    return sum(port.width for port in ports)


def connections(ports: Ports, load: Sequence[str]) -> str:
    """What an instance of the top module is connected to, but for clock and reset: to ``in_data``,
    ``in_valid`` and ``in_ready``, to ``result``, ``out_valid`` and ``out_ready``, and the ports
    ``load`` to what has their names. Ports lie in ``in_data`` and ``result`` in their order, the
    first one lowest, as in the words of :class:`hw.flow.vectors.Vectors`.
    """
    connected = [
        f"{ports.stream}_valid(in_valid)",
        f"{ports.stream}_ready(in_ready)",
        *_slices(ports.data, "in_data"),
        *_slices(ports.results, "result"),
        "result_valid(out_valid)",
        "result_ready(out_ready)",
        *(f"{name}({name})" for name in load),
    ]
    return ",\n".join(f"      .{each}" for each in connected)


def _slices(ports: Sequence[Port], vector: str) -> Iterator[str]:
    """Connects each port to its bits of ``vector``, the lowest first."""
    offset = 0
    for port in ports:
        place = f"{offset + port.width - 1}:{offset}" if port.width > 1 else str(offset)
        yield f"{port.name}({vector}[{place}])"
        offset += port.width
