"""Timing constraints: SDC, in the commands that all tools know."""

from hw.flow.bundle.design import Design

__all__ = ["constraints"]

_SHARE = 0.2  # of the period, that is taken outside of the chip before inputs and behind outputs


def constraints(design: Design) -> str:
    """One clock, delays of all other ports, and a reset that is timed like any input."""
    delay = f"{_SHARE * design.period:.3f}"
    lines = [
        f"# {design.top}: one clock, everything synchronous to its rising edge.",
        f"create_clock -name clk -period {design.period:.3f} [get_ports clk]",
    ]
    for direction, is_input in (("input", True), ("output", False)):
        ports = [
            f"{{{port.name}[*]}}" if port.width > 1 else port.name
            for port in design.ports
            if port.is_input == is_input and port.name != "clk"
        ]
        lines.append(
            f"set_{direction}_delay {delay} -clock clk [get_ports [list {' '.join(ports)}]]"
        )
    return "\n".join(lines) + "\n"
