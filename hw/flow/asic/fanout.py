"""Buffers on nets with many sinks.

ABC buffers what lies between its own inputs and outputs. A net from a flip-flop to full adders,
which are no logic to it, has no buffers, however many sinks it has.
"""

from collections import defaultdict
from typing import Any

__all__ = ["MOST_SINKS", "buffer_nets"]

MOST_SINKS = 24  # ABC's own nets have up to about 20


def buffer_nets(
    module: dict[str, dict[str, Any]],
    *,
    buffer: str,
    input_pin: str,
    output_pin: str,
    most: int = MOST_SINKS,
) -> int:
    """Puts trees of buffers on all nets with more than ``most`` sinks but clocks; returns how many
    buffers. A sink is an input pin of a cell. Outputs of the module stay where they are.

    Parameters
    ----------
    module : dict
        A flat netlist of Yosys, of cells with directions of their ports and one bit for each. It is
        changed. A buffer is named ``fanout<number>`` beside the net's driver.
    """
    cells = module["cells"]
    sinks: dict[int, list[tuple[str, str]]] = defaultdict(list)
    driver: dict[int, str] = {}
    for name, cell in cells.items():
        for pin, bits in cell["connections"].items():
            (bit,) = bits
            if not isinstance(bit, int):
                continue  # a constant
            if cell["port_directions"][pin] == "input":
                sinks[bit].append((name, pin))
            else:
                driver[bit] = name
    free = 1 + max(
        bit for net in module["netnames"].values() for bit in net["bits"] if isinstance(bit, int)
    )
    added = 0
    for source in list(sinks):
        left = sinks[source]
        if all(pin == "CLK" for _, pin in left):
            continue
        path, dot, _ = driver.get(source, "").rpartition(".")
        while len(left) > most:
            above = []
            for begin in range(0, len(left), most):
                name = f"{path}{dot}fanout{added}"
                for cell, pin in left[begin : begin + most]:
                    cells[cell]["connections"][pin] = [free]
                cells[name] = {
                    "hide_name": 0,
                    "type": buffer,
                    "parameters": {},
                    "attributes": {},
                    "port_directions": {input_pin: "input", output_pin: "output"},
                    "connections": {input_pin: [source], output_pin: [free]},
                }
                module["netnames"][f"{name}_net"] = {
                    "hide_name": 0,
                    "bits": [free],
                    "attributes": {},
                }
                above.append((name, input_pin))
                free += 1
                added += 1
            left = above
    return added
