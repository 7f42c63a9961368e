"""Models of the two transistors that the cells are made of, as ngspice reads them fast.

The PDK has each model in a subcircuit, with a model of its own for each range of widths and
lengths: a circuit then carries all of them once for every transistor in it. Here the models stand
alone, only those of the cells' length, and with the variation between transistors, which is off in
the typical corner anyway, taken out.
"""

import re

__all__ = ["KINDS", "LENGTH_UM", "flat_models"]

KINDS = {"n": "nfet_01v8", "p": "pfet_01v8_hvt"}
LENGTH_UM = 0.15
_MODEL = re.compile(r"^\.model\s+(\S+)\s+([np]mos)\b(.*?)(?=^\.model|^\.ends)", re.M | re.S)
# What varies is a value, and then a distribution times this switch, which is 0.
_VARIES = re.compile(r"\{([^{}]*?)\+MC_MM_SWITCH\*[^{}]*\}")


def flat_models(text: str, name: str) -> str:
    """The models for :data:`LENGTH_UM` of a file of the PDK, under ``name``: ngspice chooses of
    ``name.0``, ``name.1`` … by the width. Raises ValueError if there are none, or one that depends
    on anything else.
    """
    found: list[str] = []
    for _, kind, body in _MODEL.findall(text):
        least, most = (float(each) for each in re.findall(r"\bl(?:min|max)\s*=\s*(\S+)", body))
        if not least <= 1.0001e-6 * LENGTH_UM < most:
            continue
        plain = _VARIES.sub(r"\1", re.sub(r"^\*.*\n", "", body, flags=re.M))
        if "{" in plain:
            raise ValueError(f"a model depends on {plain.partition('{')[2].partition('}')[0]}")
        found.append(f".model {name}.{len(found)} {kind}{plain.rstrip()}\n")
    if not found:
        raise ValueError(f"there is no model for a length of {LENGTH_UM} µm")
    return "".join(found)
