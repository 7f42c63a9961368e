"""OpenROAD-flow-scripts: ``config.mk``."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from hw.flow.bundle.design import Design
from hw.flow.bundle.flows.base import Flow, Paths

__all__ = ["Orfs"]


# The folders of flow/platforms that are public.
_PLATFORMS = ("sky130hd", "sky130hs", "asap7", "gf180", "ihp-sg13g2", "nangate45")


class Orfs(Flow):
    """OpenROAD-flow-scripts."""

    name = "orfs"
    text = "OpenROAD-flow-scripts: config.mk"
    documentation = "https://openroad-flow-scripts.readthedocs.io/en/latest/user/FlowVariables.html"
    options: ClassVar[Mapping[str, Sequence[str]]] = {"platform": _PLATFORMS}

    def files(self, design: Design, paths: Paths) -> Mapping[str, str]:
        # Synthesis reads the ports of macros with the rest.
        sources = " ".join(
            f"$({_HERE})/{path}" for path in (paths.rtl, paths.stubs) if path is not None
        )
        macros = ""
        if paths.stubs:
            macros = (
                "# Of the memories that are macros:\n"
                "# export ADDITIONAL_LEFS = …\n# export ADDITIONAL_LIBS = …\n"
                "# export ADDITIONAL_GDS  = …\n"
            )
        text = (
            f"# {design.top}: for OpenROAD-flow-scripts, flow/Makefile.\n"
            f"{_HERE} := $(patsubst %/,%,$(dir $(abspath $(lastword $(MAKEFILE_LIST)))))\n\n"
            f"export DESIGN_NAME = {design.top}\n"
            f"export PLATFORM = {design.options['platform']}\n\n"
            f"export VERILOG_FILES = {sources}\n"
            f"export SDC_FILE = $({_HERE})/{paths.sdc}\n\n"
            "export CORE_UTILIZATION = 45\n"
            f"{macros}"
        )
        return {"config.mk": text}

    def use(self, design: Design) -> Sequence[str]:
        return [
            "In `OpenROAD-flow-scripts/flow`:",
            "",
            "```sh",
            f"make DESIGN_CONFIG={_FROM}",
            "```",
        ]


_HERE = "FIRSTSPIKE_DIR"
_FROM = "/path/to/this/folder/config.mk"
