"""The flows there are, each with a line."""

from hw.flow.bundle.flows.base import Flow
from hw.flow.bundle.flows.fusesoc import FuseSoc
from hw.flow.bundle.flows.generic import Generic
from hw.flow.bundle.flows.librelane import LibreLane
from hw.flow.bundle.flows.orfs import Orfs
from hw.flow.bundle.flows.siliconcompiler import SiliconCompiler
from hw.flow.bundle.flows.tinytapeout import TinyTapeout
from sw.cli import UserError

__all__ = ["FLOWS", "find_flow"]

FLOWS: dict[str, Flow] = {
    flow.name: flow
    for flow in (Generic(), TinyTapeout(), LibreLane(), Orfs(), SiliconCompiler(), FuseSoc())
}


def find_flow(name: str) -> Flow:
    """The flow of that name; raises :class:`UserError`."""
    if name not in FLOWS:
        raise UserError(f"flow {name!r} is not known; choose of {', '.join(FLOWS)}")
    return FLOWS[name]
