"""No flow in particular."""

from collections.abc import Mapping, Sequence

from hw.flow.bundle.design import Design
from hw.flow.bundle.flows.base import Flow, Paths

__all__ = ["Generic"]


class Generic(Flow):
    """Verilog, constraints and test bench alone."""

    name = "generic"
    text = "Verilog, constraints, test bench and data sheet alone"
    documentation = "docs/silicon.md"

    def files(self, design: Design, paths: Paths) -> Mapping[str, str]:
        return {}

    def use(self, design: Design) -> Sequence[str]:
        return ["Read the files of `manifest.json`, `sources`, into any flow."]
