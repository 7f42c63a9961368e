"""How often each net of a netlist toggles, from a value change dump (IEEE 1364-2005, clause 18)."""

import re
from collections.abc import Iterable, Mapping

__all__ = ["ACTIVITY", "count_activity", "pins_of"]

ACTIVITY = "activity.json"  # by net: toggles per period, and share of the time at 1


def count_activity(
    dump: Iterable[str], *, scope: str, period: int
) -> dict[str, tuple[float, float]]:
    """Activity of each net that lies in ``scope`` itself: toggles per period, and the share of time
    for which it is 1, from where the dump begins to where it is switched off or ends.

    A bit of a vector is ``name[index]``. Changes from and to X or Z are no toggles.

    Parameters
    ----------
    dump : lines of text
    period : int
        In units of the dump's time.
    """
    lines = iter(dump)
    nets = _declared(lines, scope)
    value = {code: ["x"] * len(names) for code, names in nets.items()}
    since = {code: [0] * len(names) for code, names in nets.items()}
    toggles = {code: [0] * len(names) for code, names in nets.items()}
    high = {code: [0] * len(names) for code, names in nets.items()}
    begin: int | None = None
    now = 0
    for line in lines:
        first = line[0]
        if first == "#":
            now = int(line[1:])
            begin = now if begin is None else begin
            continue
        if first in "01xz":
            code, bits = line[1:].rstrip(), first
        elif first == "b":
            bits, code = line[1:].split()
        elif line.startswith("$dumpoff"):
            break
        else:
            continue
        if code not in nets:
            continue
        old = value[code]
        fill = bits[0] if bits[0] in "xz" else "0"
        for index, bit in enumerate(bits.rjust(len(old), fill)):
            before = old[index]
            if bit == before:
                continue
            if before == "1":
                high[code][index] += now - since[code][index]
            toggles[code][index] += before in "01" and bit in "01"
            old[index] = bit
            since[code][index] = now
    duration = now - (begin or 0)
    if not duration:
        raise ValueError("the dump has no time in it")
    result = {}
    for code, names in nets.items():
        for index, name in enumerate(names):
            if value[code][index] == "1":
                high[code][index] += now - since[code][index]
            result[name] = (toggles[code][index] * period / duration, high[code][index] / duration)
    return result


def _declared(lines: Iterable[str], scope: str) -> dict[str, list[str]]:
    """The nets of each code, the highest bit first, up to the end of the definitions."""
    nets: dict[str, list[str]] = {}
    path: list[str] = []
    for line in lines:
        words = line.split()
        if not words:
            continue
        if words[0] == "$scope":
            path.append(words[2])
        elif words[0] == "$upscope":
            path.pop()
        elif words[0] == "$var" and path[-1:] == [scope]:
            width, code, name = int(words[2]), words[3], words[4]
            span = re.search(r"\[(-?\d+):(-?\d+)\]", " ".join(words[5:-1]))
            if span:
                high, low = int(span[1]), int(span[2])
                bits = [f"{name}[{index}]" for index in range(high, low - 1, -1)]
            else:
                bits = [name] if width == 1 else [f"{name}[{i}]" for i in range(width - 1, -1, -1)]
            nets.setdefault(code, bits)
        elif words[0] == "$enddefinitions":
            break
    return nets


def pins_of(netlist: str) -> Mapping[tuple[str, str], str]:
    """The net at each pin, ``(cell, pin)``, of a netlist as synthesis writes it."""
    found = {}
    for cell, pins in re.findall(r"^  \w+ (\w+) \(\n(.*?)\n  \);", netlist, re.M | re.S):
        for pin, net in re.findall(r"\.(\w+)\(([^()]*)\)", pins):
            found[cell, pin] = net.replace(" ", "")
    return found
