"""LibreLane: ``config.json``, by the variables of its Classic flow."""

import json
from collections.abc import Mapping, Sequence
from typing import ClassVar

from hw.flow.bundle.design import Design
from hw.flow.bundle.flows.base import Flow, Paths

__all__ = ["LibreLane", "variables"]


# What its PDK manager, ciel, brings.
_PDKS = ("sky130A", "sky130B", "gf180mcuA", "gf180mcuB", "gf180mcuC", "gf180mcuD", "ihp-sg13g2")


def variables(design: Design, paths: Paths) -> dict[str, object]:
    """The variables of a design by themselves."""
    result: dict[str, object] = {
        "DESIGN_NAME": design.top,
        "VERILOG_FILES": [f"dir::{paths.rtl}"],
        "CLOCK_PORT": "clk",
        "CLOCK_PERIOD": round(design.period, 3),
    }
    if paths.stubs:
        result["EXTRA_VERILOG_MODELS"] = [f"dir::{paths.stubs}"]
    return result


class LibreLane(Flow):
    """LibreLane, once OpenLane 2."""

    name = "librelane"
    text = "LibreLane (OpenLane 2): config.json"
    documentation = (
        "https://librelane.readthedocs.io/en/latest/reference/common_flow_vars.html and "
        "…/reference/step_config_vars.html"
    )
    options: ClassVar[Mapping[str, Sequence[str]]] = {"pdk": _PDKS}

    def files(self, design: Design, paths: Paths) -> Mapping[str, str]:
        content = {
            "meta": {"version": 2, "flow": "Classic"},
            **variables(design, paths),
            "PNR_SDC_FILE": f"dir::{paths.sdc}",
            "SIGNOFF_SDC_FILE": f"dir::{paths.sdc}",
            "FP_SIZING": "relative",
            "FP_CORE_UTIL": 45,
        }
        return {"config.json": json.dumps(content, indent=2) + "\n"}

    def use(self, design: Design) -> Sequence[str]:
        lines = ["```sh", f"librelane --pdk {design.options['pdk']} config.json", "```"]
        if design.verilog.macros:
            lines.append(
                "Memories that are macros want an entry in `MACROS` with their GDS and LEF."
            )
        return lines
