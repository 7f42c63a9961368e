"""The flow: what it wants beside Verilog, constraints and test bench."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar, NoReturn

from hw.flow.bundle.design import Design
from hw.rtl.config import Config
from sw.cli import UserError
from sw.network import Network

__all__ = ["Flow", "Paths"]


class Paths:
    """Where files of a design lie in the bundle.

    Parameters
    ----------
    design : Design
    sources : str
        Folder of the Verilog.
    """

    def __init__(self, design: Design, sources: str):
        self.rtl = f"{sources}/{design.top}.v"
        self.sdc = f"constraints/{design.top}.sdc"
        has = bool(design.verilog.macros)
        self.models = f"{sources}/{design.top}_macros.v" if has else None
        self.stubs = f"{sources}/{design.top}_macros_stub.v" if has else None


class Flow(ABC):
    """A flow: a class with no state, see docs/silicon.md.

    Attributes
    ----------
    name : str
        As ``--flow`` takes it.
    text : str
        What it is, for people.
    documentation : str
        Where its schema is documented.
    sources : str
        The folder in which it wants Verilog.
    options : dict of str to sequence of str
        Flags of its own, such as ``tiles``, with what they take; the default first.
    """

    name: ClassVar[str]
    text: ClassVar[str]
    documentation: ClassVar[str]
    sources: ClassVar[str] = "rtl"
    options: ClassVar[Mapping[str, Sequence[str]]] = {}

    def choose(self, given: Mapping[str, str]) -> dict[str, str]:
        """The values of its :attr:`options`: those that are ``given``, else the defaults.

        Raises
        ------
        UserError
            It does not know one of them.
        """
        for name, value in given.items():
            if value not in self.options[name]:
                known = ", ".join(self.options[name])
                raise UserError(f"--{name} {value!r} is not known; choose of {known}")
        return {name: values[0] for name, values in self.options.items()} | dict(given)

    def check_network(self, network: Network, config: Config) -> None:  # noqa: B027 — most take any
        """Raises :class:`UserError` if it can take no design of ``network``: before one is made."""

    def check(self, design: Design) -> None:  # noqa: B027 — most take any
        """Raises :class:`UserError` if it cannot take ``design``."""

    @abstractmethod
    def files(self, design: Design, paths: Paths) -> Mapping[str, str]:
        """Its own files by their paths in the bundle."""

    @abstractmethod
    def use(self, design: Design) -> Sequence[str]:
        """How to run it, in Markdown: lines for the data sheet."""

    def _refuse(self, network: Network, reason: str) -> NoReturn:
        raise UserError(f"network {network.name!r}: {self.name} {reason}")
